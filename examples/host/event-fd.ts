import { closeSync, readlinkSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import * as descriptors from './descriptor-calls.js'

/**
 * Takes an eventfd as it came from the front-end. Anything else is refused: the event loop ends the process over a
 * descriptor that cannot be waited for. No read or write of it will block.
 */
export function checkEventFd(fd: number): void {
  const target = readlinkSync(`/proc/self/fd/${fd}`)
  if (target !== 'anon_inode:[eventfd]') throw new TypeError(`${target} is not an eventfd`)
  descriptors.setNonBlocking(fd)
}

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer)

/** Adds 1 to an eventfd. */
export function signal(fd: number): void {
  try {
    writeSync(fd, ONE)
  } catch (error) {
    // It is full: who does not read it has been told often enough.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}

/** More than an eventfd has to give, so that the event loop sees that there is no more after one read. */
const READ_SIZE = 64

/**
 * Calls `onSignal` whenever an eventfd was signalled. Node.js has no class for eventfds; but its event loop waits for
 * whatever is behind a descriptor, so a `Socket` is made on a pipe, and the pipe replaced by the eventfd before the loop
 * has looked at it. No thread waits, and a signal is one turn of the loop away.
 */
export class EventSource {
  readonly #socket: Socket

  /** Takes `fd` over. */
  constructor(fd: number, onSignal: () => void) {
    const [reader, writer] = descriptors.makePipe()
    const onread = {
      buffer: new Uint8Array(READ_SIZE),
      callback: () => {
        onSignal()
        return true
      },
    }
    // The declarations know `onread` only as an option of `connect`.
    const options: ConstructorParameters<typeof Socket>[0] & { onread: typeof onread } = {
      fd: reader,
      readable: true,
      writable: false,
      onread,
    }
    this.#socket = new Socket(options)
    descriptors.replaceDescriptor(fd, reader)
    closeSync(writer)
    closeSync(fd)
  }

  /** No call of `onSignal` comes after this. */
  close(): void {
    this.#socket.destroy()
  }
}
