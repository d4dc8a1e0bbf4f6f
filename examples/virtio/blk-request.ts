import type { GuestMemoryMmap, ValueOf } from '../../index.js'
import type { ChainBuffer } from './device-queue.js'
import { decode } from './plain-data.js'
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

/**
 * `count` bytes of `buffers` from `offset` on: framing is the driver's choice (2.7.4.1), so a field may lie anywhere in
 * them.
 */
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

export type BlkHeader = Readonly<ValueOf<typeof blk.VirtioBlkReq>>

/** Copies the first `length` bytes of `buffers`. */
function copyOf(memory: GuestMemoryMmap, buffers: readonly ChainBuffer[], length: number): Uint8Array {
  const copy = new Uint8Array(length)
  let at = 0
  for (const { addr, len } of part(buffers, 0, length)) {
    memory.readSlice(copy.subarray(at, at + len), addr)
    at += len
  }
  return copy
}

/** The header is the first thing in what the device reads: in one buffer as a rule, which nobody has to rely on. */
export function readHeader(memory: GuestMemoryMmap, readable: readonly ChainBuffer[]): BlkHeader {
  const [first] = readable
  if (first !== undefined && first.len >= blk.VirtioBlkReq.size) return memory.readObj(blk.VirtioBlkReq, first.addr)
  return decode(blk.VirtioBlkReq, copyOf(memory, readable, blk.VirtioBlkReq.size))
}

/** Where in the image `length` bytes at `sector` lie; a disk of `sectors` has them, or there is a `RequestError`. */
export function positionOf(sector: bigint, length: number, sectors: number): number {
  const count = length / blk.SECTOR_SIZE
  if (!Number.isInteger(count)) throw new RequestError(`${length} bytes are not whole sectors`)
  if (sector + BigInt(count) > BigInt(sectors)) throw new RequestError('past the end of the disk')
  return Number(sector) * blk.SECTOR_SIZE
}

/** A range of the disk that is to read as zeros, in bytes. */
export interface DiskRange {
  readonly position: number
  readonly length: number
  /** Whether its blocks are to be given back. */
  readonly unmap: boolean
}

/** How much one request may ask for, as the device tells in its configuration. */
export interface RangeLimits {
  readonly ranges: number
  /** Of each range. */
  readonly sectors: number
}

/** Reads the ranges of a DISCARD or WRITE_ZEROES request, and checks all of them (5.2.6.2). Throws `RequestError`. */
export function readRanges(
  memory: GuestMemoryMmap,
  { type }: BlkHeader,
  data: readonly ChainBuffer[],
  sectors: number,
  limits: RangeLimits,
): DiskRange[] {
  const count = totalLength(data) / blk.VirtioBlkRange.size
  if (!Number.isInteger(count) || count === 0) throw new RequestError(`${totalLength(data)} bytes are not whole ranges`)
  if (count > limits.ranges) throw new RequestError(`${count} ranges`)
  const copy = copyOf(memory, data, totalLength(data))
  return Array.from({ length: count }, (_, index) => {
    const { sector, numSectors, flags } = decode(blk.VirtioBlkRange, copy.subarray(blk.VirtioBlkRange.size * index))
    const known = type === blk.VIRTIO_BLK_T_WRITE_ZEROES ? blk.VIRTIO_BLK_RANGE_F_UNMAP : 0
    if (flags & ~known) throw new RequestError(`flags 0x${flags.toString(16)}`, blk.VIRTIO_BLK_S_UNSUPP)
    if (numSectors > limits.sectors) throw new RequestError(`a range of ${numSectors} sectors`)
    const length = numSectors * blk.SECTOR_SIZE
    const unmap = type === blk.VIRTIO_BLK_T_DISCARD || flags !== 0
    return { position: positionOf(sector, length, sectors), length, unmap }
  })
}
