import { HangUpError, type Connection } from './connection.js'
import type { ExportedMemory } from './exported-memory.js'
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

/** Bytes that are read or zeroed at once, on one map. Between two pieces, others can have their turn. */
const PIECE = 2 ** 20

/** Serves requests, one after the other, until the client disconnects. */
export async function serveRequests(connection: Connection, exported: ExportedMemory): Promise<void> {
  for (;;) {
    const request = nbd.decodeRequest(await connection.receive(nbd.REQUEST_SIZE))
    // There is no telling where the next request begins.
    if (request === null) throw new HangUpError('what should be a request is none')
    if (request.type === nbd.CMD_DISC) return
    const error = errorOf(request, exported.size)
    if (error === 0) await carryOut(connection, exported, request)
    else {
      if (request.type === nbd.CMD_WRITE) await connection.skip(request.length)
      await connection.send(nbd.encodeReply(request.cookie, error))
    }
  }
}

/** Tells what is wrong with a request: an error of the protocol, or 0. */
function errorOf({ type, flags, offset, length }: nbd.Request, size: number): number {
  const rules = RULES.get(type)
  if (rules === undefined || length > rules.lengthMax) return nbd.EINVAL
  // NBD_CMD_FLAG_FUA is for all, and there is nothing to do: no storage lies below memory, and none of it is cached.
  if ((flags & ~(rules.flags | nbd.CMD_FLAG_FUA)) !== 0) return nbd.EINVAL
  if (type === nbd.CMD_FLUSH && offset !== 0n) return nbd.EINVAL
  return offset + BigInt(length) > BigInt(size) ? rules.pastEnd : 0
}

/** Carries out a request that is good, and answers it. */
async function carryOut(connection: Connection, exported: ExportedMemory, request: nbd.Request): Promise<void> {
  const { type, flags, cookie, length } = request
  const offset = Number(request.offset)
  let reply = [nbd.encodeReply(cookie, 0)]
  switch (type) {
    case nbd.CMD_READ:
      for (const [at, count] of piecesOf(offset, length)) {
        await connection.send(...reply, ...exported.views(at, count))
        reply = []
      }
      break
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
  await connection.send(...reply)
}

function* piecesOf(offset: number, length: number): Generator<[at: number, count: number]> {
  for (let at = offset; at < offset + length; at += PIECE) yield [at, Math.min(PIECE, offset + length - at)]
}
