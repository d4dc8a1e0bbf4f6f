import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'

/** Milliseconds for which one connection may have the thread while others wait. */
const TURN = 2

/** The client has gone, or the server has hung up: there is nobody to answer, and nothing to tell. */
export class DisconnectedError extends Error {
  override readonly name = 'DisconnectedError'
}

/** What cannot be answered, so that the connection has to end. */
export class HangUpError extends Error {
  override readonly name = 'HangUpError'
}

/**
 * What `createServer` needs to know for sockets that become a `Connection`. A client may end its half and still wait for
 * replies. And a socket stops reading as soon as anything has arrived, until that is asked for: of the 16 KiB that are
 * read ahead by default, each byte can be a buffer of its own, and they were 6 MiB then.
 */
export const SOCKET_OPTIONS = { allowHalfOpen: true, highWaterMark: 1 } as const

/**
 * A client, who may send without end and read nothing. So a connection holds at most one chunk of what the client sent, and
 * the reply to one request: `send` comes back when the system has taken it. And no client has the thread for long: thousands
 * of requests can arrive together, and would all be served before it is another client's turn.
 */
export class Connection {
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer, undefined>
  readonly #closed = new AbortController()
  #arrived: Buffer = Buffer.alloc(0)
  #turnEnd = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = socket[Symbol.asyncIterator]()
    // Of a client that has gone in the middle; 'close' follows.
    socket.on('error', () => {})
    socket.once('close', () => this.#closed.abort())
  }

  /** Receives the next bytes, at least one and at most `limit`, as soon as there are any. */
  async receiveSome(limit: number): Promise<Buffer> {
    if (this.#arrived.length === 0) this.#arrived = await this.#nextChunk()
    const bytes = this.#arrived.subarray(0, limit)
    this.#arrived = this.#arrived.subarray(bytes.length)
    return bytes
  }

  /** Receives the next `length` bytes. They are held in memory, so the length must not be any that a client asks for. */
  async receive(length: number): Promise<Buffer> {
    if (0 < length && length <= this.#arrived.length) return this.receiveSome(length)
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length;) at += (await this.receiveSome(length - at)).copy(bytes, at)
    return bytes
  }

  /** Drops the next `length` bytes as they arrive. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) left -= (await this.receiveSome(left)).length
  }

  /** Sends bytes, zero-copy, and waits until the client takes them. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    this.#socket.cork()
    for (const part of parts) this.#socket.write(part)
    this.#socket.uncork()
    if (this.#socket.writableLength > 0) {
      await this.#unlessClosed(once(this.#socket, 'drain', { signal: this.#closed.signal }))
    }
    await this.yieldTurn()
  }

  /** Lets others have the thread, when this one has had it for long enough. */
  async yieldTurn(): Promise<void> {
    if (performance.now() < this.#turnEnd) return
    await setImmediate()
    this.#turnEnd = performance.now() + TURN
  }

  /** Ends the connection, after what was sent before. */
  end(): void {
    this.#socket.destroySoon()
  }

  async #nextChunk(): Promise<Buffer> {
    const { value, done } = await this.#unlessClosed(this.#chunks.next())
    if (done === true) throw new DisconnectedError('the client has gone')
    return value
  }

  async #unlessClosed<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise
    } catch (error) {
      throw new DisconnectedError('the client has gone', { cause: error })
    }
  }
}
