import { closeSync, lstatSync, unlinkSync } from 'node:fs'
import { UsageError } from '../machine/usage-error.js'
import * as libc from './libc.js'

/** The peer ended the connection in the middle of a message. */
export class EndOfStream extends Error {
  override readonly name = 'EndOfStream'
}

/** A stream of bytes that carries descriptors. */
export class Connection {
  readonly #fd: number
  /** Somebody waits for the descriptor: it cannot be closed, for its number could be used again. */
  #waiting = false
  #open = true

  constructor(fd: number) {
    this.#fd = fd
  }

  static connect(path: string): Connection {
    return new Connection(libc.connect(path, closeSync))
  }

  /**
   * The next `length` bytes, and the descriptors that came with them, which become the caller's; null at the end of the
   * stream.
   */
  async receive(length: number): Promise<{ bytes: Buffer; fds: number[] } | null> {
    const bytes = Buffer.from(new ArrayBuffer(length))
    const fds: number[] = []
    try {
      for (let done = 0; done < length;) {
        const received = this.#open ? libc.receive(this.#fd, bytes.subarray(done)) : { count: 0, fds: [] }
        if (received === null) {
          await this.#untilReadable()
          continue
        }
        fds.push(...received.fds)
        done += received.count
        if (received.count > 0) continue
        if (done === 0 && fds.length === 0) return null
        throw new EndOfStream(`the connection ended ${done} bytes into a part of ${length}`)
      }
    } catch (error) {
      closeAll(fds)
      throw error
    }
    return { bytes, fds }
  }

  send(bytes: Uint8Array, fds?: readonly number[]): void {
    libc.send(this.#fd, bytes, fds)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    libc.shutdown(this.#fd)
    if (!this.#waiting) closeSync(this.#fd)
  }

  async #untilReadable(): Promise<void> {
    this.#waiting = true
    await libc.untilReadable(this.#fd)
    this.#waiting = false
    if (!this.#open) closeSync(this.#fd)
  }
}

export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd)
}

/** A socket at a path in the file system, which is removed with it. */
export class Listener {
  readonly #fd: number
  readonly #path: string
  #open = true

  constructor(path: string) {
    if (Buffer.byteLength(path) > libc.SOCKET_PATH_MAX) {
      throw new UsageError(`${path}: a socket's path has at most ${libc.SOCKET_PATH_MAX} bytes`)
    }
    this.#path = path
    try {
      removeStale(path)
      this.#fd = libc.listen(path, closeSync)
    } catch (error) {
      if (error instanceof libc.SystemError) throw new UsageError(`${path}: cannot listen here (${error.message})`)
      throw error
    }
  }

  /** The next connection; null once the listener is closed. */
  async accept(): Promise<Connection | null> {
    while (this.#open) {
      const fd = libc.accept(this.#fd)
      if (fd !== null) return new Connection(fd)
      await libc.untilReadable(this.#fd)
    }
    closeSync(this.#fd)
    return null
  }

  /** Whoever waits in `accept` gets null; the descriptor goes then. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    libc.shutdown(this.#fd)
    unlinkSync(this.#path)
  }
}

/** Removes a socket that nobody listens at any more. */
function removeStale(path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  try {
    Connection.connect(path).close()
  } catch (error) {
    if (error instanceof libc.SystemError && error.code === 'ECONNREFUSED') return unlinkSync(path)
    throw error
  }
  throw new UsageError(`${path}: somebody listens here already`)
}
