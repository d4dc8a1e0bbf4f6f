import { closeSync } from 'node:fs'
import { signal } from './event-fd.js'
import * as descriptors from './descriptor-calls.js'

/**
 * A descriptor that a thread of the pool waits for. The wait can be interrupted. The descriptor is not closed during
 * the wait: its number could be used again, and the thread would wait for something else.
 */
export class Waitable {
  readonly fd: number
  /** An eventfd that is readable from the interruption on. */
  readonly #interruption = descriptors.makeEventFd()
  #waiting = false
  #interrupted = false
  #open = true

  /** Takes `fd` over, and closes it in the end. */
  constructor(fd: number) {
    this.fd = fd
  }

  /** Whether waits were interrupted: all later ones end at once. */
  get isInterrupted(): boolean {
    return this.#interrupted
  }

  /** Waits until there is something to read, or until the interruption. */
  async untilReadable(): Promise<void> {
    this.#waiting = true
    await descriptors.untilReadable(this.fd, this.#interruption)
    this.#waiting = false
    if (!this.#open) this.#closeNow()
  }

  /** Ends the wait, and all later ones. */
  interrupt(): void {
    if (this.#interrupted) return
    this.#interrupted = true
    signal(this.#interruption)
  }

  /** Ends the wait, and closes the descriptor after it. */
  close(): void {
    if (!this.#open) return
    this.interrupt()
    this.#open = false
    if (!this.#waiting) this.#closeNow()
  }

  #closeNow(): void {
    closeSync(this.fd)
    closeSync(this.#interruption)
  }
}
