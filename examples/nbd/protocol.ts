/** As much of the NBD protocol as a server must speak, as bytes; all numbers are big-endian. */

/** Magic numbers: of the greeting, of an option, of a reply to one; of a request, of a reply to one, of a chunk of a reply. */
const [NBDMAGIC, IHAVEOPT, REPLY_MAGIC] = [0x4e42444d41474943n, 0x49484156454f5054n, 0x3e889045565a9n]
const [REQUEST_MAGIC, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC] = [0x25609513, 0x67446698, 0x668e33ef]

/** NBD_FLAG_FIXED_NEWSTYLE and NBD_FLAG_NO_ZEROES, as the server offers them and as the client takes them. */
export const FLAG_NO_ZEROES = 2
const HANDSHAKE_FLAGS = 1 | FLAG_NO_ZEROES

export const [OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_INFO, OPT_GO] = [1, 2, 3, 6, 7]
export const [OPT_STRUCTURED_REPLY, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT] = [8, 9, 10]
export const [REP_ACK, REP_SERVER, REP_INFO, REP_META_CONTEXT] = [1, 2, 3, 4]
export const REP_ERR_UNSUP = 0x80000001
export const REP_ERR_INVALID = 0x80000003
export const REP_ERR_UNKNOWN = 0x80000006
export const REP_ERR_TOO_BIG = 0x80000009
export const [INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE] = [0, 1, 2, 3]

/** NBD_FLAG_HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, CAN_MULTI_CONN */
const TRANSMISSION_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 5) | (1 << 6) | (1 << 8)
/** NBD_FLAG_SEND_DF: with structured replies alone. */
const FLAG_SEND_DF = 1 << 7

export const [CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM] = [0, 1, 2, 3, 4]
export const [CMD_WRITE_ZEROES, CMD_BLOCK_STATUS] = [6, 7]
export const [CMD_FLAG_FUA, CMD_FLAG_NO_HOLE, CMD_FLAG_DF, CMD_FLAG_REQ_ONE] = [1, 2, 4, 8]
export const [EINVAL, ENOSPC] = [22, 28]

/** Kinds of chunks. */
const [CHUNK_NONE, CHUNK_DATA, CHUNK_HOLE, CHUNK_BLOCK_STATUS, CHUNK_ERROR] = [0, 1, 2, 5, 0x8001]
/** Of the last chunk of a reply. */
const FLAG_DONE = 1

/** The one metadata context, and the number by which replies tell it. */
export const ALLOCATION = 'base:allocation'
const ALLOCATION_ID = 1
/** NBD_STATE_HOLE and NBD_STATE_ZERO. */
const STATE_HOLE = 1 | 2

/** Bytes of any string, by the protocol. */
export const STRING_MAX = 4096
/** Bytes that a client may read or write at once. Clients that do not ask may rely on this many. */
export const PAYLOAD_MAX = 32 * 2 ** 20
/** Bytes: any can be addressed, whole pages are best. */
const [BLOCK_MIN, BLOCK_PREFERRED] = [1, 4096]

export const CLIENT_FLAGS_SIZE = 4
export const OPTION_HEADER_SIZE = 16
export const REQUEST_SIZE = 28

export interface OptionHeader {
  readonly option: number
  /** Bytes of data that follow. */
  readonly length: number
}

export interface Request {
  readonly flags: number
  readonly type: number
  readonly cookie: bigint
  readonly offset: bigint
  readonly length: number
}

/** Bytes that are all data, or all a hole, which reads zero. */
export interface Extent {
  readonly offset: number
  readonly length: number
  readonly isHole: boolean
}

/** Puts numbers one after the other. */
function pack(...fields: readonly (readonly [size: 2 | 4 | 8, value: number | bigint])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0))
  let at = 0
  for (const [size, value] of fields) {
    at = size === 8 ? bytes.writeBigUInt64BE(BigInt(value), at) : bytes.writeUIntBE(Number(value), at, size)
  }
  return bytes
}

export const encodeGreeting = (): Buffer => pack([8, NBDMAGIC], [8, IHAVEOPT], [2, HANDSHAKE_FLAGS])

/** Reads the client's flags; null if there are others among them than the server offered. */
export function decodeClientFlags(bytes: Buffer): number | null {
  const flags = bytes.readUInt32BE()
  return (flags & ~HANDSHAKE_FLAGS) === 0 ? flags : null
}

/** Reads the beginning of an option; null for what is none. */
export function decodeOption(bytes: Buffer): OptionHeader | null {
  if (bytes.readBigUInt64BE() !== IHAVEOPT) return null
  return { option: bytes.readUInt32BE(8), length: bytes.readUInt32BE(12) }
}

/** Reads what NBD_OPT_INFO and NBD_OPT_GO ask for; null if their lengths contradict each other. */
export function decodeInfoRequest(data: Buffer): { name: string; requests: Set<number> } | null {
  if (data.length < 6) return null
  const nameLength = data.readUInt32BE()
  if (nameLength > Math.min(STRING_MAX, data.length - 6)) return null
  const list = data.subarray(4 + nameLength)
  const count = list.readUInt16BE()
  if (list.length !== 2 + 2 * count) return null
  const requests = new Set(Array.from({ length: count }, (_, index) => list.readUInt16BE(2 + 2 * index)))
  return { name: data.toString('utf8', 4, 4 + nameLength), requests }
}

/** Reads what options about metadata contexts ask for; null if their lengths contradict each other. */
export function decodeContextRequest(data: Buffer): { name: string; queries: string[] } | null {
  let at = 0
  const number = (): number => {
    at += 4
    return at <= data.length ? data.readUInt32BE(at - 4) : NaN
  }
  const string = (): string | null => {
    const length = number()
    // Not so for what is no number.
    if (!(length <= Math.min(STRING_MAX, data.length - at))) return null
    at += length
    return data.toString('utf8', at - length, at)
  }
  const name = string()
  const count = number()
  const queries: string[] = []
  while (queries.length < count) {
    const query = string()
    if (query === null) return null
    queries.push(query)
  }
  return name !== null && queries.length === count && at === data.length ? { name, queries } : null
}

export const encodeOptionReply = (option: number, type: number, data: Uint8Array = new Uint8Array()): Buffer =>
  Buffer.concat([pack([8, REPLY_MAGIC], [4, option], [4, type], [4, data.length]), data])

/** Writes the data of NBD_REP_SERVER. */
export const encodeListed = (name: string, description: string): Buffer =>
  Buffer.concat([pack([4, Buffer.byteLength(name)]), Buffer.from(name + description)])

/** Writes the data of NBD_REP_META_CONTEXT. When contexts are listed, their numbers mean nothing. */
export const encodeContext = (isSet: boolean): Buffer =>
  Buffer.concat([pack([4, isSet ? ALLOCATION_ID : 0]), Buffer.from(ALLOCATION)])

/** Writes the answer to NBD_OPT_EXPORT_NAME, without the zeros. */
export const encodeExport = (size: number, isStructured: boolean): Buffer =>
  pack([8, size], [2, TRANSMISSION_FLAGS | (isStructured ? FLAG_SEND_DF : 0)])
/** The zeros at its end, for clients that have not declined them. */
export const RESERVED = Buffer.alloc(124)

/** Writes the data of NBD_REP_INFO. */
export const encodeExportInfo = (size: number, isStructured: boolean): Buffer =>
  Buffer.concat([pack([2, INFO_EXPORT]), encodeExport(size, isStructured)])
export const encodeTextInfo = (type: number, text: string): Buffer =>
  Buffer.concat([pack([2, type]), Buffer.from(text)])
export const encodeBlockSizeInfo = (): Buffer =>
  pack([2, INFO_BLOCK_SIZE], [4, BLOCK_MIN], [4, BLOCK_PREFERRED], [4, PAYLOAD_MAX])

/** Reads a request, without the data of NBD_CMD_WRITE; null for what is none. */
export function decodeRequest(bytes: Buffer): Request | null {
  if (bytes.readUInt32BE() !== REQUEST_MAGIC) return null
  return {
    flags: bytes.readUInt16BE(4),
    type: bytes.readUInt16BE(6),
    cookie: bytes.readBigUInt64BE(8),
    offset: bytes.readBigUInt64BE(16),
    length: bytes.readUInt32BE(24),
  }
}

/** Writes a simple reply. */
export const encodeReply = (cookie: bigint, error: number): Buffer =>
  pack([4, SIMPLE_REPLY_MAGIC], [4, error], [8, cookie])

/** Writes the beginning of a chunk, up to its payload. */
const encodeChunk = (cookie: bigint, type: number, isLast: boolean, length: number): Buffer =>
  pack([4, STRUCTURED_REPLY_MAGIC], [2, isLast ? FLAG_DONE : 0], [2, type], [8, cookie], [4, length])

/** Writes the reply to a request that has nothing to tell. */
export const encodeNoneChunk = (cookie: bigint): Buffer => encodeChunk(cookie, CHUNK_NONE, true, 0)

/** Writes the chunk of a hole, or the beginning of a chunk of data, which follow. */
export function encodeContentChunk(cookie: bigint, { offset, length, isHole }: Extent, isLast: boolean): Buffer {
  return isHole
    ? Buffer.concat([encodeChunk(cookie, CHUNK_HOLE, isLast, 12), pack([8, offset], [4, length])])
    : Buffer.concat([encodeChunk(cookie, CHUNK_DATA, isLast, 8 + length), pack([8, offset])])
}

export const encodeStatusChunk = (cookie: bigint, extents: readonly Extent[]): Buffer =>
  Buffer.concat([
    encodeChunk(cookie, CHUNK_BLOCK_STATUS, true, 4 + 8 * extents.length),
    pack(
      [4, ALLOCATION_ID],
      ...extents.flatMap(({ length, isHole }) => [[4, length] as const, [4, isHole ? STATE_HOLE : 0] as const]),
    ),
  ])

export function encodeErrorChunk(cookie: bigint, error: number, message: string): Buffer {
  const text = Buffer.from(message)
  return Buffer.concat([
    encodeChunk(cookie, CHUNK_ERROR, true, 6 + text.length),
    pack([4, error], [2, text.length]),
    text,
  ])
}
