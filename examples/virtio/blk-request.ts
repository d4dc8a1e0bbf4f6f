import type { GuestMemoryMmap } from '../../index.js'
import type { ChainBuffer } from './device-queue.js'
import * as blk from './virtio-blk.js'

/** The guest asked for what cannot be done; it is told so in the status byte. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number

  constructor(message: string, status = blk.VIRTIO_BLK_S_IOERR) {
    super(message)
    this.status = status
  }
}

export const totalLength = (buffers: readonly ChainBuffer[]): number => buffers.reduce((sum, { len }) => sum + len, 0)

/** `count` bytes of `buffers` from `offset` on: framing is the driver's choice (2.7.4.1), so a field may lie anywhere in them. */
export function part(buffers: readonly ChainBuffer[], offset: number, count: number): ChainBuffer[] {
  const parts: ChainBuffer[] = []
  let skip = offset
  let left = count
  for (const { addr, len } of buffers) {
    const length = Math.min(len - skip, left)
    if (length > 0) parts.push({ addr: addr + BigInt(skip), len: length })
    left -= Math.max(length, 0)
    skip = Math.max(0, skip - len)
  }
  return parts
}

export interface BlkHeader {
  readonly type: number
  readonly sector: bigint
}

/** The header is the first thing in what the device reads. */
export function readHeader(memory: GuestMemoryMmap, readable: readonly ChainBuffer[]): BlkHeader {
  const header = new DataView(new ArrayBuffer(blk.VIRTIO_BLK_REQ_HEADER_SIZE))
  let at = 0
  for (const { addr, len } of part(readable, 0, header.byteLength)) {
    memory.readSlice(new Uint8Array(header.buffer, at, len), addr)
    at += len
  }
  return {
    type: header.getUint32(blk.VIRTIO_BLK_REQ_TYPE, true),
    sector: header.getBigUint64(blk.VIRTIO_BLK_REQ_SECTOR, true),
  }
}

/** Where in the image `length` bytes at `sector` lie; a disk of `sectors` has them, or there is a `RequestError`. */
export function positionOf(sector: bigint, length: number, sectors: number): number {
  const count = length / blk.SECTOR_SIZE
  if (!Number.isInteger(count)) throw new RequestError(`${length} bytes are not whole sectors`)
  if (sector + BigInt(count) > BigInt(sectors)) throw new RequestError('past the end of the disk')
  return Number(sector) * blk.SECTOR_SIZE
}
