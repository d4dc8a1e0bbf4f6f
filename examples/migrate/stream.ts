/**
 * What goes over the socket: pieces of memory, each behind a header of 16 bytes, and at the end a piece of no bytes. The other side
 * answers with one byte when it has all of it, and then with the digest of its memory.
 *
 *     address  64 bits   length  64 bits   bytes …
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { GuestMemoryMmap } from '../../index.js'

export const HEADER_SIZE = 16
export const DIGEST_SIZE = 32

/** Longer pieces are sent in parts, so that what waits in the socket is bounded. */
const MAX_PIECE = 1024 * 1024

export type Range = readonly [addr: bigint, count: number]

function header(addr: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE)
  bytes.writeBigUInt64LE(addr, 0)
  bytes.writeBigUInt64LE(BigInt(length), 8)
  return bytes
}

/** Resolves when the bytes are on their way: only then may what they lie in be gone. */
async function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (socket.write(bytes)) return
  // A peer that goes is an error of the socket.
  await once(socket, 'drain')
}

/**
 * Sends ranges of memory, from the memory itself. Whoever writes there meanwhile makes them a mixture of before and after, and has to
 * be tracked: then they are sent again.
 */
export async function sendRanges(
  socket: Socket,
  memory: GuestMemoryMmap,
  ranges: readonly Range[],
  onSent: (bytes: number) => void,
): Promise<void> {
  for (const [addr, count] of ranges) {
    for (let done = 0; done < count; done += MAX_PIECE) {
      const length = Math.min(MAX_PIECE, count - done)
      const at = addr + BigInt(done)
      await send(socket, header(at, length))
      for (const view of memory.views(at, length)) await send(socket, view)
      onSent(length)
    }
  }
}

/** Says that this was all, and resolves when the other side has it: `digest` is what it answers then. */
export async function sendEnd(socket: Socket): Promise<{ digest: () => Promise<Buffer> }> {
  await send(socket, header(0n, 0))
  const chunks = chunksOf(socket)
  const rest = (await readAtLeast(chunks, 1)).subarray(1)
  return {
    digest: async () => Buffer.concat([rest, await readAtLeast(chunks, DIGEST_SIZE - rest.length)]),
  }
}

const chunksOf = (socket: Socket): AsyncIterator<Buffer> => socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>

async function readAtLeast(chunks: AsyncIterator<Buffer>, length: number): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let left = length; left > 0;) {
    const { value, done } = await chunks.next()
    if (done === true) throw new Error('the other side has closed the connection')
    parts.push(value)
    left -= value.length
  }
  return Buffer.concat(parts)
}

/** Puts what arrives where it belongs; resolves at the end. */
export async function receive(socket: Socket, memory: GuestMemoryMmap): Promise<void> {
  let rest: Buffer = Buffer.alloc(0)
  let [addr, left] = [0n, 0]
  // Not by a loop: to leave it would close the socket.
  const chunks = chunksOf(socket)
  for (;;) {
    const { value: chunk, done } = await chunks.next()
    if (done === true) throw new Error('the other side has closed the connection before the end')
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      if (left === 0) {
        if (bytes.length < HEADER_SIZE) break
        addr = bytes.readBigUInt64LE(0)
        left = Number(bytes.readBigUInt64LE(8))
        bytes = bytes.subarray(HEADER_SIZE)
        if (left === 0) return
      }
      const part = bytes.subarray(0, left)
      if (part.length === 0) break
      // Refuses addresses where there is no memory.
      memory.writeSlice(part, addr)
      addr += BigInt(part.length)
      left -= part.length
      bytes = bytes.subarray(part.length)
    }
    rest = bytes
  }
}
