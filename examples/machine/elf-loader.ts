import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import type { GuestMemoryMmap } from '../../index.js'
import type { ElfImage, ElfSegment } from './elf.js'
import { MIB } from './memory-layout.js'
import { readFully } from './positioned-io.js'
import type { Check } from './report.js'

const PAGE = 4096n
const CHUNK = 4 * MIB

/** A segment and where in guest memory it goes. */
export interface PlacedSegment extends ElfSegment {
  readonly guestAddress: number
  readonly bssSize: number
}

/** Bytes of guest memory from the first page of `image` to its last byte. */
export function imageSpan(image: ElfImage): bigint {
  const first = image.segments[0] as ElfSegment
  const last = image.segments.at(-1) as ElfSegment
  return last.address + last.memorySize - (first.address & ~(PAGE - 1n))
}

/** Relocates the segments so that the first page of the image lies at `base`; their distances stay. */
export function placeImage(image: ElfImage, base: number): PlacedSegment[] {
  const first = (image.segments[0] as ElfSegment).address & ~(PAGE - 1n)
  return image.segments.map((segment) => ({
    ...segment,
    guestAddress: base + Number(segment.address - first),
    bssSize: Number(segment.memorySize) - segment.fileSize,
  }))
}

/**
 * The entry point after relocation, null when it is in no segment. It is a virtual address (System V ABI); that of a kernel,
 * which is entered before there are any, is a physical one.
 */
export function guestEntry(image: ElfImage, segments: readonly PlacedSegment[]): number | null {
  for (const kind of ['virtualAddress', 'address'] as const) {
    for (const segment of segments) {
      const offset = image.entry - segment[kind]
      if (offset >= 0n && offset < segment.memorySize) return segment.guestAddress + Number(offset)
    }
  }
  return null
}

/** [0, length) in pieces small enough to show progress between them. */
function* chunks(length: number): Generator<[offset: number, count: number]> {
  for (let offset = 0; offset < length; offset += CHUNK) yield [offset, Math.min(CHUNK, length - offset)]
}

/**
 * Loads one segment from the file's descriptor straight into guest memory, and zeroes its BSS. `readExactVolatileFrom`
 * goes by the file's cursor, which Node cannot set; preadv(2) into views needs none.
 */
export function loadSegment(
  memory: GuestMemoryMmap,
  image: ElfImage,
  segment: PlacedSegment,
  advance: (bytes: number) => void,
): void {
  const { offset, fileSize, guestAddress, bssSize } = segment
  for (const [at, count] of chunks(fileSize)) {
    const done = readFully(image.file.fd, memory.views(guestAddress + at, count), offset + at)
    if (done < count) throw new Error(`${image.file.path}: became shorter while it was loaded`)
    advance(count)
  }
  for (const [at, count] of chunks(bssSize)) {
    for (const view of memory.views(guestAddress + fileSize + at, count)) view.fill(0)
    advance(count)
  }
}

/** RAM is not zero because it is new: what was there before is in it, as after a reboot, so that the zeroing counts. */
export function soilBss(memory: GuestMemoryMmap, { guestAddress, fileSize, bssSize }: PlacedSegment): void {
  for (const [at, count] of chunks(bssSize)) {
    for (const view of memory.views(guestAddress + fileSize + at, count)) view.fill(0xa5)
  }
}

/** Compares a segment in guest memory with what the file says of it, read on another way: through a plain buffer. */
export function checkSegment(
  memory: GuestMemoryMmap,
  image: ElfImage,
  segment: PlacedSegment,
  advance: (bytes: number) => void,
): Check {
  const guest = createHash('sha256')
  for (const [at, count] of chunks(Number(segment.memorySize))) {
    for (const view of memory.views(segment.guestAddress + at, count)) guest.update(view)
    advance(count)
  }
  const expected = createHash('sha256')
  const buffer = Buffer.alloc(CHUNK)
  for (const [at, count] of chunks(segment.fileSize)) {
    const done = readSync(image.file.fd, buffer, 0, count, segment.offset + at)
    expected.update(buffer.subarray(0, done))
  }
  buffer.fill(0)
  for (const [, count] of chunks(segment.bssSize)) expected.update(buffer.subarray(0, count))
  return {
    name: `ELF segment ${segment.index} ${segment.flags}`,
    guest: guest.digest('hex'),
    file: expected.digest('hex'),
  }
}
