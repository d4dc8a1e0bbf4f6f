import { closeSync, lstatSync, rmSync, unlinkSync } from 'node:fs'
import { errorCode } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import { setNonBlocking } from './descriptor-calls.js'
import { SystemError } from './libc.js'
import * as sockets from './socket-calls.js'
import { Waitable } from './waitable.js'

/** The peer ended the connection in the middle of a message. */
export class EndOfStream extends Error {
  override readonly name = 'EndOfStream'
}

export interface Part {
  readonly bytes: Buffer
  /** The descriptors that came with the bytes, which are the caller's. */
  readonly fds: number[]
  /** Whether there were more than this process may open. */
  readonly lost: boolean
}

/** A stream of bytes that carries descriptors. */
export class Connection {
  readonly #socket: Waitable
  #open = true

  constructor(fd: number) {
    this.#socket = new Waitable(fd)
  }

  static connect(path: string): Connection {
    return new Connection(sockets.connect(path, closeSync))
  }

  /** Receives `length` bytes; null at the end of the stream, and after `stopReceiving`. */
  async receive(length: number): Promise<Part | null> {
    const bytes = Buffer.from(new ArrayBuffer(length))
    const fds: number[] = []
    let lost = false
    try {
      for (let done = 0; done < length;) {
        if (this.#socket.isInterrupted) {
          closeAll(fds)
          return null
        }
        const received = sockets.receive(this.#socket.fd, bytes.subarray(done))
        if (received === null) {
          await this.#socket.untilReadable()
          continue
        }
        fds.push(...received.fds)
        lost ||= received.lost
        done += received.count
        if (received.count > 0) continue
        if (done === 0 && fds.length === 0) return null
        throw new EndOfStream(`the connection ended ${done} bytes into a part of ${length}`)
      }
    } catch (error) {
      closeAll(fds)
      throw error
    }
    return { bytes, fds, lost }
  }

  send(bytes: Uint8Array, fds?: readonly number[]): void {
    sockets.send(this.#socket.fd, bytes, fds)
  }

  /** Ends `receive`. The peer does not notice. */
  stopReceiving(): void {
    this.#socket.interrupt()
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    // The peer learns of it at once, even if another process has the socket open, too.
    sockets.shutdown(this.#socket.fd)
    this.#socket.close()
  }
}

export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd)
}

/** A source of connections. */
export interface Connections {
  /** Waits for the next connection; null when there will be no more. */
  accept(): Promise<Connection | null>
  /** Ends `accept`. */
  close(): void
}

/** A listening socket. */
export class Listener implements Connections {
  readonly #socket: Waitable
  readonly #path: string | null

  /** Listens at a path in the file system, which is removed with the listener. */
  constructor(path: string)
  /** Uses a listening socket that another process has made, and may go on using. */
  constructor(fd: number)
  constructor(where: string | number) {
    this.#path = typeof where === 'string' ? where : null
    this.#socket = new Waitable(typeof where === 'string' ? listenAt(where) : where)
  }

  async accept(): Promise<Connection | null> {
    while (!this.#socket.isInterrupted) {
      const fd = sockets.accept(this.#socket.fd)
      if (fd !== null) return new Connection(fd)
      await this.#socket.untilReadable()
    }
    return null
  }

  close(): void {
    if (this.#socket.isInterrupted) return
    this.#socket.close()
    if (this.#path !== null) rmSync(this.#path, { force: true })
  }
}

/** A connection that exists already. */
class Connected implements Connections {
  #connection: Connection | null

  constructor(connection: Connection) {
    this.#connection = connection
  }

  accept(): Promise<Connection | null> {
    const connection = this.#connection
    this.#connection = null
    return Promise.resolve(connection)
  }

  close(): void {
    this.#connection?.close()
    this.#connection = null
  }
}

/** Takes the connections of a socket that this process was started with: a listening or a connected one. */
export function inheritedConnections(fd: number): Connections {
  try {
    const isListening = sockets.isListening(fd)
    if (isListening === null) throw new UsageError(`descriptor ${fd} is not a UNIX stream socket`)
    if (!isListening) return new Connected(new Connection(fd))
    setNonBlocking(fd)
    return new Listener(fd)
  } catch (error) {
    if (error instanceof SystemError) throw new UsageError(`descriptor ${fd} is not a socket (${error.message})`)
    throw error
  }
}

function listenAt(path: string): number {
  makeRoomAt(path)
  try {
    return sockets.listen(path, closeSync)
  } catch (error) {
    throw cannotListen(path, error)
  }
}

/** Sees to it that a path names a socket to be, and removes one that nobody listens at any more. Throws `UsageError`. */
export function makeRoomAt(path: string): void {
  // The system would take it for a socket without a path, at which nobody looks.
  if (path === '') throw new UsageError("a socket's path is not empty")
  if (Buffer.byteLength(path) > sockets.SOCKET_PATH_MAX) {
    throw new UsageError(`${path}: a socket's path has at most ${sockets.SOCKET_PATH_MAX} bytes`)
  }
  try {
    removeStale(path)
  } catch (error) {
    throw cannotListen(path, error)
  }
}

function removeStale(path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  try {
    Connection.connect(path).close()
  } catch (error) {
    if (errorCode(error) === 'ECONNREFUSED') return unlinkSync(path)
    // So many wait there already that there is no room for one more.
    if (errorCode(error) !== 'EAGAIN') throw error
  }
  throw new UsageError(`${path}: somebody listens here already`)
}

/** Tells the user about an error of the system; any other is returned as it is. */
function cannotListen(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || errorCode(error) === undefined) return error
  return new UsageError(`${path}: cannot listen here (${error.message})`)
}
