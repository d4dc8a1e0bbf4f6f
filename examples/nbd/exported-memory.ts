import koffi from 'koffi'
import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, memfdCreate } from '../../index.js'
import type { Extent } from './protocol.js'

const [REGIONS, REGION_SIZE] = [8, 8 * 2 ** 20]

const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const fallocate = koffi.load(null).func('int fallocate(int, int, int64_t, int64_t)') as (
  fd: number,
  mode: number,
  offset: number,
  length: number,
) => number

/** Adds an extent, or makes the last one longer if it is of the same kind. */
export function append(extents: Extent[], { offset, length, isHole }: Extent): void {
  const last = extents.at(-1)
  if (last?.isHole !== isHole) extents.push({ offset, length, isHole })
  else extents[extents.length - 1] = { ...last, length: last.length + length }
}

/**
 * Guest memory that is to be read and written, with its regions mapped anew meanwhile. Each is a part of one memfd, so that
 * it has the same bytes afterwards, at another place in this process. Each access takes a snapshot of its own.
 */
export class ExportedMemory {
  readonly size = REGIONS * REGION_SIZE
  readonly description = `${this.size >> 20} MiB of guest memory`
  readonly #fd = memfdCreate('ram', this.size)
  readonly #files = Array.from({ length: REGIONS }, (_, index) => new FileOffset(this.#fd, index * REGION_SIZE))
  readonly #atomic: GuestMemoryAtomic
  #swaps = 0

  constructor() {
    const regions = this.#files.map((_, index) => this.#mapRegion(index))
    this.#atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRegions(regions))
  }

  /** How many times a region was mapped anew. */
  get swaps(): number {
    return this.#swaps
  }

  /** Unplugs the next region and plugs it in again. Nobody waits: others see the old map, or the new one. */
  swapRegion(): void {
    const region = this.#mapRegion(this.#swaps++ % REGIONS)
    this.#atomic.update((map) => map.removeRegion(region.startAddr, REGION_SIZE)[0].insertRegion(region))
  }

  /** Lends the memory itself. The views keep their regions mapped, whatever happens to the map. */
  views(offset: number, length: number): Uint8Array[] {
    using memory = this.#atomic.memory()
    return memory.views(offset, length)
  }

  /**
   * Tells what of a range is data and what are holes, one after the other. Holes take no memory: to read them through the mapping would
   * change that.
   */
  extents(offset: number, length: number): Extent[] {
    using memory = this.#atomic.memory()
    const end = offset + length
    const found: Extent[] = []
    let at = offset
    const goOn = (to: number, isHole: boolean): void => {
      const next = Math.min(end, to)
      if (at < next) append(found, { offset: at, length: next - at, isHole })
      at = Math.max(at, next)
    }
    for (let start = offset - (offset % REGION_SIZE); start < end; start += REGION_SIZE) {
      for (const [dataAt, count] of memory.findRegion(start)?.dataRanges() ?? []) {
        goOn(start + dataAt, true)
        goOn(start + dataAt + count, false)
      }
      goOn(start + REGION_SIZE, true)
    }
    return found
  }

  /** Copies bytes into memory. */
  write(bytes: Uint8Array, offset: number): void {
    using memory = this.#atomic.memory()
    memory.writeSlice(bytes, offset)
  }

  /** Zeroes a range, which takes memory from the host. */
  zero(offset: number, length: number): void {
    for (const view of this.views(offset, length)) view.fill(0)
  }

  /** Zeroes a range, and gives its whole pages back to the host, where the host can take them. */
  discard(offset: number, length: number): void {
    const mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
    if (fallocate(this.#fd, mode, offset, length) !== 0) this.zero(offset, length)
  }

  #mapRegion(index: number): GuestRegionMmap {
    return GuestRegionMmap.fromRange(index * REGION_SIZE, REGION_SIZE, this.#files[index])
  }
}
