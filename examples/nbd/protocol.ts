/** As much of the NBD protocol as a server must speak; all numbers are big-endian. */
import type { Socket } from 'node:net'

const [NBDMAGIC, IHAVEOPT, REPLY_MAGIC] = [0x4e42444d41474943n, 0x49484156454f5054n, 0x3e889045565a9n]
const FLAG_FIXED_NEWSTYLE = 1
const [OPT_EXPORT_NAME, OPT_GO] = [1, 7]
const [REP_ACK, REP_INFO, REP_ERR_UNSUP] = [1, 3, 0x80000001]
/** There are flags, and flushes are understood. */
const TRANSMISSION_FLAGS = 1 | 4

const [REQUEST_MAGIC, SIMPLE_REPLY_MAGIC] = [0x25609513, 0x67446698]
export const REQUEST_SIZE = 28
export const [CMD_READ, CMD_WRITE, CMD_FLUSH] = [0, 1, 3]
export const EINVAL = 22
/** The most that a client may send or ask for at once. */
const LENGTH_MAX = 32 * 2 ** 20

/** The next bytes of a stream, as many as are asked for. */
export type Read = (length: number) => Promise<Buffer>

export function bytesOf(socket: Socket): Read {
  const chunks: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]()
  let buffered: Buffer = Buffer.alloc(0)
  return async (length) => {
    const parts = [buffered]
    let size = buffered.length
    while (size < length) {
      const { value, done } = await chunks.next()
      if (done) throw new Error('the client has gone')
      parts.push(value)
      size += value.length
    }
    const bytes = parts.length === 1 ? buffered : Buffer.concat(parts, size)
    buffered = bytes.subarray(length)
    return bytes.subarray(0, length)
  }
}

/** Fields one after the other: bytes, and value. */
function pack(...fields: readonly (readonly [size: 2 | 4 | 8, value: number | bigint])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0))
  let at = 0
  for (const [size, value] of fields) {
    at = size === 8 ? bytes.writeBigUInt64BE(BigInt(value), at) : bytes.writeUIntBE(Number(value), at, size)
  }
  return bytes
}

/** Comes to terms with the client on the one export that there is, of `size` bytes. */
export async function negotiate(read: Read, socket: Socket, size: number): Promise<void> {
  socket.write(pack([8, NBDMAGIC], [8, IHAVEOPT], [2, FLAG_FIXED_NEWSTYLE]))
  await read(4)
  for (;;) {
    const head = await read(16)
    const [option, length] = [head.readUInt32BE(8), head.readUInt32BE(12)]
    if (head.readBigUInt64BE() !== IHAVEOPT || length > LENGTH_MAX) throw new Error('not an option')
    await read(length)
    if (option === OPT_EXPORT_NAME) {
      socket.write(Buffer.concat([pack([8, size], [2, TRANSMISSION_FLAGS]), Buffer.alloc(124)]))
      return
    }
    const reply = [[8, REPLY_MAGIC] as const, [4, option] as const] as const
    if (option === OPT_GO) {
      socket.write(pack(...reply, [4, REP_INFO], [4, 12], [2, 0], [8, size], [2, TRANSMISSION_FLAGS]))
      socket.write(pack(...reply, [4, REP_ACK], [4, 0]))
      return
    }
    socket.write(pack(...reply, [4, REP_ERR_UNSUP], [4, 0]))
  }
}

export function decodeRequest(bytes: Buffer): { type: number; handle: bigint; offset: bigint; length: number } {
  const length = bytes.readUInt32BE(24)
  if (bytes.readUInt32BE() !== REQUEST_MAGIC || length > LENGTH_MAX) throw new Error('not a request')
  return { type: bytes.readUInt16BE(6), handle: bytes.readBigUInt64BE(8), offset: bytes.readBigUInt64BE(16), length }
}

export const encodeReply = (handle: bigint, error: number): Buffer =>
  pack([4, SIMPLE_REPLY_MAGIC], [4, error], [8, handle])
