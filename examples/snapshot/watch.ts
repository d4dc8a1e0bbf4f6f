import { setImmediate } from 'node:timers/promises'
import { makeBars } from '../machine/progress.js'

/** Milliseconds for which the event loop may stand still. */
const TURN = 20

/** What a signal ends the work with. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly exitCode: number

  constructor(signal: string, number: number) {
    super(`ended by ${signal}`)
    this.exitCode = 128 + number
  }
}

/** Who watches the work: sees how far it is, on a terminal, and may end it by a signal. */
export class Watch {
  readonly #bars = makeBars()
  readonly #controller = new AbortController()
  #turned = performance.now()

  constructor() {
    // Not `once`: npm passes on what the terminal has sent to all.
    for (const [name, number] of [
      ['SIGHUP', 1],
      ['SIGINT', 2],
      ['SIGTERM', 15],
    ] as const) {
      process.on(name, () => this.#controller.abort(new Interruption(name, number)))
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Makes a bar for a stage of the work, to be told how much of it is done. */
  stage(name: string): (done: number, total: number) => void {
    let shown: number | null = null
    return (done, total) => {
      if (shown === null) this.#bars?.begin(name, total)
      this.#bars?.advance(done - (shown ?? 0))
      shown = done
      if (done >= total) this.#bars?.end()
    }
  }

  /** Lets the event loop turn if it has not for a while. Throws what has ended the work. */
  async turn(): Promise<void> {
    if (performance.now() - this.#turned < TURN) return
    await setImmediate()
    this.signal.throwIfAborted()
    this.#turned = performance.now()
  }

  end(): void {
    this.#bars?.end()
  }
}
