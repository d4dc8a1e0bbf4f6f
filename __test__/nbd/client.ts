// An NBD client that sends whatever it is told to: right, wrong, or without end.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export const [NBDMAGIC, IHAVEOPT, REPLY_MAGIC] = [0x4e42444d41474943n, 0x49484156454f5054n, 0x3e889045565a9n]
export const [REQUEST_MAGIC, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC] = [0x25609513, 0x67446698, 0x668e33ef]

/** NBD_OPT_… */
export const OPT = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  PEEK_EXPORT: 4,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const
/** NBD_REP_… */
export const REP = { ACK: 1, SERVER: 2, INFO: 3, META_CONTEXT: 4 } as const
/** NBD_REP_ERR_… */
export const ERR = { UNSUP: 2 ** 31 + 1, INVALID: 2 ** 31 + 3, UNKNOWN: 2 ** 31 + 6, TOO_BIG: 2 ** 31 + 9 } as const
/** NBD_INFO_… */
export const INFO = { EXPORT: 0, NAME: 1, DESCRIPTION: 2, BLOCK_SIZE: 3 } as const
/** NBD_CMD_… */
export const CMD = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const
/** NBD_CMD_FLAG_… */
export const FLAG = { FUA: 1, NO_HOLE: 2, DF: 4, REQ_ONE: 8, FAST_ZERO: 16, PAYLOAD_LEN: 32 } as const

/** NBD_REPLY_TYPE_… */
export const CHUNK = { NONE: 0, OFFSET_DATA: 1, OFFSET_HOLE: 2, BLOCK_STATUS: 5, ERROR: 2 ** 15 + 1 } as const

/** What a test waits for an answer at the most. */
const PATIENCE = 15_000

export interface OptionReply {
  readonly option: number
  readonly type: number
  readonly data: Buffer
}

export interface Chunk {
  readonly type: number
  readonly payload: Buffer
}

export interface Request {
  readonly type: number
  readonly flags?: number
  readonly cookie?: bigint
  readonly offset?: number | bigint
  readonly length?: number
  readonly magic?: number
}

export function u16(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.of(value >> 8, value & 0xff)))
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/** Encodes an option that announces `length` bytes of data, and has `data`. */
export const optionBytes = (option: number, data: Uint8Array = new Uint8Array(), length = data.length): Buffer =>
  Buffer.concat([u64(IHAVEOPT), u32(option), u32(length), data])

/** Encodes the data of NBD_OPT_INFO and NBD_OPT_GO. */
export const infoData = (name = '', requests: readonly number[] = []): Buffer =>
  Buffer.concat([u32(Buffer.byteLength(name)), Buffer.from(name), u16(requests.length, ...requests)])

/** Encodes the data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
export const contextData = (name = '', queries: readonly string[] = []): Buffer =>
  Buffer.concat([
    u32(Buffer.byteLength(name)),
    Buffer.from(name),
    u32(queries.length),
    ...queries.flatMap((query) => [u32(Buffer.byteLength(query)), Buffer.from(query)]),
  ])

export const requestBytes = (request: Request): Buffer =>
  Buffer.concat([
    u32(request.magic ?? REQUEST_MAGIC),
    u16(request.flags ?? 0, request.type),
    u64(request.cookie ?? 0n),
    u64(request.offset ?? 0),
    u32(request.length ?? 0),
  ])

export class Client {
  readonly socket: Socket
  readonly #chunks: AsyncIterator<Buffer, undefined>
  #arrived: Buffer = Buffer.alloc(0)
  #cookies = 0n

  private constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true })
    // A server that hangs up on what is still being sent.
    this.socket.on('error', () => {})
    this.#chunks = this.socket[Symbol.asyncIterator]()
  }

  /** Connects, and neither sends nor receives anything. */
  static async connect(path: string): Promise<Client> {
    const client = new Client(path)
    await once(client.socket, 'connect')
    return client
  }

  /** Connects, and exchanges greetings. */
  static async negotiating(path: string, flags = 3): Promise<Client> {
    const client = await Client.connect(path)
    await client.receive(18)
    client.send(u32(flags))
    return client
  }

  /** Connects, and goes on to the transmission phase. */
  static async transmitting(path: string): Promise<Client> {
    const client = await Client.negotiating(path)
    const replies = await client.option(OPT.GO, infoData())
    if (replies.at(-1)?.type !== REP.ACK) throw new Error(`NBD_OPT_GO was refused: ${JSON.stringify(replies)}`)
    return client
  }

  /** Connects, and goes on to the transmission phase with structured replies, and what these queries select. */
  static async structured(path: string, queries: readonly string[] = ['base:allocation']): Promise<Client> {
    const client = await Client.negotiating(path)
    for (const [option, data] of [
      [OPT.STRUCTURED_REPLY],
      [OPT.SET_META_CONTEXT, contextData('', queries)],
      [OPT.GO, infoData()],
    ] as const) {
      const replies = await client.option(option, data)
      if (replies.at(-1)?.type !== REP.ACK) throw new Error(`option ${option} was refused: ${JSON.stringify(replies)}`)
    }
    return client
  }

  send(...parts: readonly Uint8Array[]): void {
    for (const part of parts) this.socket.write(part)
  }

  async receive(length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length;) {
      if (this.#arrived.length === 0) this.#arrived = await this.#nextChunk()
      const count = this.#arrived.copy(bytes, at, 0, length - at)
      if (count === 0) throw new Error(`the server hung up, after ${at} of ${length} bytes`)
      this.#arrived = this.#arrived.subarray(count)
      at += count
    }
    return bytes
  }

  /** Waits for the server to end the connection, and tells whether it has sent nothing more before. */
  async isHungUpOn(): Promise<boolean> {
    let rest = this.#arrived.length
    for (;;) {
      const chunk = await this.#nextChunk()
      if (chunk.length === 0) return rest === 0
      rest += chunk.length
    }
  }

  /** Receives what comes next; nothing at the end, of whatever kind. */
  async #nextChunk(): Promise<Buffer> {
    const next = this.#chunks.next().catch(() => ({ value: undefined }))
    return (await within(next, PATIENCE)).value ?? Buffer.alloc(0)
  }

  /** Sends an option, and receives its replies down to the last. */
  async option(option: number, data?: Uint8Array): Promise<OptionReply[]> {
    this.send(optionBytes(option, data))
    return this.optionReplies()
  }

  async optionReplies(): Promise<OptionReply[]> {
    const replies: OptionReply[] = []
    for (;;) {
      const head = await this.receive(20)
      if (head.readBigUInt64BE() !== REPLY_MAGIC) throw new Error(`no reply to an option: ${head.toString('hex')}`)
      const [option, type, length] = [head.readUInt32BE(8), head.readUInt32BE(12), head.readUInt32BE(16)]
      replies.push({ option, type, data: await this.receive(length) })
      if (type === REP.ACK || type >= 2 ** 31) return replies
    }
  }

  /** Sends a request, and receives its reply: the error, and the bytes that were read. */
  async request(request: Request, data: Uint8Array = new Uint8Array()): Promise<{ error: number; data: Buffer }> {
    const cookie = request.cookie ?? ++this.#cookies << 40n
    this.send(requestBytes({ ...request, cookie }), data)
    const error = await this.reply(cookie)
    const length = error === 0 && request.type === CMD.READ ? (request.length ?? 0) : 0
    return { error, data: await this.receive(length) }
  }

  async reply(cookie: bigint): Promise<number> {
    const head = await this.receive(16)
    if (head.readUInt32BE() !== SIMPLE_REPLY_MAGIC || head.readBigUInt64BE(8) !== cookie) {
      throw new Error(`no reply to request ${cookie}: ${head.toString('hex')}`)
    }
    return head.readUInt32BE(4)
  }

  /** Sends a request, and receives the chunks of its reply. */
  async chunks(request: Request): Promise<Chunk[]> {
    const cookie = ++this.#cookies << 40n
    this.send(requestBytes({ ...request, cookie }))
    const chunks: Chunk[] = []
    for (;;) {
      const head = await this.receive(20)
      const [magic, length] = [head.readUInt32BE(), head.readUInt32BE(16)]
      const [flags, type] = [head.readUInt16BE(4), head.readUInt16BE(6)]
      if (magic !== STRUCTURED_REPLY_MAGIC || head.readBigUInt64BE(8) !== cookie || flags > 1) {
        throw new Error(`no chunk of a reply to request ${cookie}: ${head.toString('hex')}`)
      }
      chunks.push({ type, payload: await this.receive(length) })
      if (flags === 1) return chunks
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const { error, data } = await this.request({ type: CMD.READ, offset, length })
    if (error !== 0) throw new Error(`NBD_CMD_READ failed: ${error}`)
    return data
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const { error } = await this.request({ type: CMD.WRITE, offset, length: data.length }, data)
    if (error !== 0) throw new Error(`NBD_CMD_WRITE failed: ${error}`)
  }

  /** Goes without a word. */
  close(): void {
    this.socket.destroy()
  }
}

/** Fails when it takes too long. */
export async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${milliseconds} ms`)), milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
