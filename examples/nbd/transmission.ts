import { HangUpError, type Connection } from './connection.js'
import { append, type ExportedMemory } from './exported-memory.js'
import type { Terms } from './handshake.js'
import * as nbd from './protocol.js'

/** What a kind of request may ask for. */
interface Rules {
  readonly flags: number
  readonly lengthMax: number
  /** The error of a range that is not all there. */
  readonly pastEnd: number
}

const RULES: ReadonlyMap<number, Rules> = new Map([
  [nbd.CMD_READ, { flags: 0, lengthMax: nbd.PAYLOAD_MAX, pastEnd: nbd.EINVAL }],
  [nbd.CMD_WRITE, { flags: 0, lengthMax: nbd.PAYLOAD_MAX, pastEnd: nbd.ENOSPC }],
  [nbd.CMD_FLUSH, { flags: 0, lengthMax: 0, pastEnd: nbd.EINVAL }],
  [nbd.CMD_TRIM, { flags: 0, lengthMax: Infinity, pastEnd: nbd.EINVAL }],
  [nbd.CMD_WRITE_ZEROES, { flags: nbd.CMD_FLAG_NO_HOLE, lengthMax: Infinity, pastEnd: nbd.ENOSPC }],
])
const STRUCTURED_READ: Rules = { flags: nbd.CMD_FLAG_DF, lengthMax: nbd.PAYLOAD_MAX, pastEnd: nbd.EINVAL }
const BLOCK_STATUS: Rules = { flags: nbd.CMD_FLAG_REQ_ONE, lengthMax: Infinity, pastEnd: nbd.EINVAL }

/** Bytes that are read or zeroed at once, on one map. Between two pieces, others can have their turn. */
const PIECE = 2 ** 20
/** Bytes whose status is looked up at once. */
const STATUS_PIECE = 8 * 2 ** 20

/** Holes are looked for in reads of so many bytes, or more: where every second page is one, that takes longer than a short read. */
const HOLES_FROM = 64 * 1024
/** Holes that are shorter are sent as zeros: a chunk for each would be hundreds of them. */
const HOLE_MIN = 16 * 1024
const ZEROS = Buffer.alloc(PIECE)

/** Serves requests, one after the other, until the client disconnects. */
export async function serveRequests(connection: Connection, exported: ExportedMemory, terms: Terms): Promise<void> {
  for (;;) {
    const request = nbd.decodeRequest(await connection.receive(nbd.REQUEST_SIZE))
    // There is no telling where the next request begins.
    if (request === null) throw new HangUpError('what should be a request is none')
    if (request.type === nbd.CMD_DISC) return
    const refusal = refusalOf(request, exported.size, terms)
    if (refusal === null) await carryOut(connection, exported, request, terms)
    else {
      if (request.type === nbd.CMD_WRITE) await connection.skip(request.length)
      const { error, message } = refusal
      const { cookie } = request
      const { isStructured } = terms
      await connection.send(
        isStructured ? nbd.encodeErrorChunk(cookie, error, message) : nbd.encodeReply(cookie, error),
      )
    }
  }
}

interface Refusal {
  /** An error of the protocol. */
  readonly error: number
  readonly message: string
}

function rulesOf(type: number, { isStructured, tellsAllocation }: Terms): Rules | undefined {
  if (type === nbd.CMD_READ && isStructured) return STRUCTURED_READ
  if (type === nbd.CMD_BLOCK_STATUS && tellsAllocation) return BLOCK_STATUS
  return RULES.get(type)
}

/** Tells what is wrong with a request, if anything is. */
function refusalOf({ type, flags, offset, length }: nbd.Request, size: number, terms: Terms): Refusal | null {
  const invalid = (message: string): Refusal => ({ error: nbd.EINVAL, message })
  const rules = rulesOf(type, terms)
  if (rules === undefined) return invalid('this command is not offered')
  if (length > rules.lengthMax) return invalid(`the length is more than ${rules.lengthMax}`)
  // NBD_CMD_FLAG_FUA is for all, and there is nothing to do: no storage lies below memory, and none of it is cached.
  if ((flags & ~(rules.flags | nbd.CMD_FLAG_FUA)) !== 0) return invalid('this command has no such flag')
  if (type === nbd.CMD_FLUSH && offset !== 0n) return invalid('a flush has no offset')
  // There is no extent of no bytes.
  if (type === nbd.CMD_BLOCK_STATUS && length === 0) return invalid('the status of no bytes')
  const isInside = offset + BigInt(length) <= BigInt(size)
  return isInside ? null : { error: rules.pastEnd, message: `past the end, which is at ${size}` }
}

/** Carries out a request that is good, and answers it. */
async function carryOut(
  connection: Connection,
  exported: ExportedMemory,
  request: nbd.Request,
  { isStructured }: Terms,
): Promise<void> {
  const { type, flags, cookie, length } = request
  const offset = Number(request.offset)
  switch (type) {
    case nbd.CMD_READ:
      if (isStructured) return sendChunks(connection, exported, request)
      return sendBytes(connection, exported, offset, length, nbd.encodeReply(cookie, 0))
    case nbd.CMD_BLOCK_STATUS:
      return sendStatus(connection, exported, request)
    case nbd.CMD_WRITE:
      // As it arrives: 32 MiB are not to wait here for the last byte, which may never come.
      for (let at = offset; at < offset + length;) {
        const bytes = await connection.receiveSome(offset + length - at)
        exported.write(bytes, at)
        at += bytes.length
      }
      break
    case nbd.CMD_TRIM:
    case nbd.CMD_WRITE_ZEROES:
      for (const [at, count] of piecesOf(offset, length)) {
        if ((flags & nbd.CMD_FLAG_NO_HOLE) === 0) exported.discard(at, count)
        else exported.zero(at, count)
        await connection.yieldTurn()
      }
      break
  }
  await connection.send(nbd.encodeReply(cookie, 0))
}

/** What is read: piece by piece, with the holes in it if they are worth a look. */
function* readPieces(exported: ExportedMemory, offset: number, length: number): Generator<nbd.Extent[]> {
  for (const [at, count] of piecesOf(offset, length)) {
    yield length < HOLES_FROM ? [{ offset: at, length: count, isHole: false }] : exported.extents(at, count)
  }
}

/** The memory itself, but zeros for holes, which go on to take no memory. */
const bytesOf = (exported: ExportedMemory, { offset, length, isHole }: nbd.Extent): Uint8Array[] =>
  isHole ? [ZEROS.subarray(0, length)] : exported.views(offset, length)

/** Sends what is read, behind `header`. */
async function sendBytes(
  connection: Connection,
  exported: ExportedMemory,
  offset: number,
  length: number,
  header: Buffer,
): Promise<void> {
  let parts: Uint8Array[] = [header]
  for (const extents of readPieces(exported, offset, length)) {
    parts.push(...extents.flatMap((extent) => bytesOf(exported, extent)))
    await connection.send(...parts)
    parts = []
  }
  if (parts.length > 0) await connection.send(...parts)
}

/** Answers NBD_CMD_READ by chunks of data, and of holes where there are any. */
async function sendChunks(connection: Connection, exported: ExportedMemory, request: nbd.Request): Promise<void> {
  const { flags, cookie, length } = request
  const offset = Number(request.offset)
  if (length === 0) return connection.send(nbd.encodeNoneChunk(cookie))
  if ((flags & nbd.CMD_FLAG_DF) !== 0) {
    const header = nbd.encodeContentChunk(cookie, { offset, length, isHole: false }, true)
    return sendBytes(connection, exported, offset, length, header)
  }
  for (const extents of readPieces(exported, offset, length)) {
    const parts: Uint8Array[] = []
    for (const chunk of chunksOf(extents)) {
      const { offset: start, length: size, isHole } = chunk
      // Nothing can go wrong any more, so that the last chunk says that it is.
      parts.push(nbd.encodeContentChunk(cookie, chunk, start + size === offset + length))
      if (isHole) continue
      const within = extents.filter((extent) => start <= extent.offset && extent.offset < start + size)
      parts.push(...within.flatMap((extent) => bytesOf(exported, extent)))
    }
    await connection.send(...parts)
  }
}

/** Joins data with the holes beside it that are too short for a chunk of their own. */
function chunksOf(extents: readonly nbd.Extent[]): nbd.Extent[] {
  const chunks: nbd.Extent[] = []
  for (const { offset, length, isHole } of extents) {
    append(chunks, { offset, length, isHole: isHole && (length >= HOLE_MIN || extents.length === 1) })
  }
  return chunks
}

/** Answers NBD_CMD_BLOCK_STATUS: what is data and what are holes, of all that was asked for, or up to where that changes first. */
async function sendStatus(connection: Connection, exported: ExportedMemory, request: nbd.Request): Promise<void> {
  const { flags, cookie, length } = request
  const extents: nbd.Extent[] = []
  for (const [at, count] of piecesOf(Number(request.offset), length, STATUS_PIECE)) {
    for (const extent of exported.extents(at, count)) append(extents, extent)
    if ((flags & nbd.CMD_FLAG_REQ_ONE) !== 0 && extents.length > 1) break
    await connection.yieldTurn()
  }
  await connection.send(
    nbd.encodeStatusChunk(cookie, (flags & nbd.CMD_FLAG_REQ_ONE) === 0 ? extents : extents.slice(0, 1)),
  )
}

function* piecesOf(offset: number, length: number, piece = PIECE): Generator<[at: number, count: number]> {
  for (let at = offset; at < offset + length; at += piece) yield [at, Math.min(piece, offset + length - at)]
}
