/** What views do not answer: this package's other methods, each against one call of a foreign function. */
import { type AtomicBitmap, GuestMemoryMmap, type GuestRegionMmap } from '../../index.js'
import { REGION_SIZE } from '../layout.js'
import { loop } from '../loop.js'
import type { Works } from './works.js'

/** Two regions without a gap. */
export function makePair(bitmap: boolean): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRanges(
    [
      [0, REGION_SIZE],
      [REGION_SIZE, REGION_SIZE],
    ],
    { bitmap },
  )
  for (let i = 0; i < 16; i += 1) memory.readU8(i)
  return memory
}

/** Integers that lie in both regions. */
export function readAcross(memory: GuestMemoryMmap): (i: number) => bigint {
  return (i) => memory.readU64(REGION_SIZE - 1 - (i & 3))
}

export function provideCalls(works: Works): void {
  const memory = makePair(false)
  const region = memory.findRegion(0) as GuestRegionMmap
  const bitmap = (makePair(true).findRegion(0) as GuestRegionMmap).bitmap as AtomicBitmap
  const short = new Uint8Array(64)
  const page = new Uint8Array(4096)
  const cut = new Uint8Array(64)
  const steps: Record<string, (i: number) => unknown> = {
    'num-regions': () => memory.numRegions,
    len: () => region.len,
    'last-addr': () => memory.lastAddr,
    'start-addr': () => region.startAddr,
    'check-address': (i) => memory.checkAddress(i & 4095),
    'checked-offset': (i) => memory.checkedOffset(i & 4095, 16),
    'host-address': (i) => memory.getHostAddress(i & 4095),
    'region-offset': (i) => region.toRegionAddr(i & 4095),
    'dirty-at': (i) => bitmap.dirtyAt(i & 4095),
    'mark-dirty': (i) => bitmap.markDirty(i & 4095, 16),
    'read/64': (i) => memory.readSlice(short, REGION_SIZE - 32 - (i & 15)),
    'write/64': (i) => memory.writeSlice(short, REGION_SIZE - 32 - (i & 15)),
    'read/u64': readAcross(memory),
    'read/cut': () => memory.read(cut, 2 * REGION_SIZE - 16),
    'read/4096': (i) => memory.readSlice(page, REGION_SIZE - 2048 - (i & 15)),
    'write/4096': (i) => memory.writeSlice(page, REGION_SIZE - 2048 - (i & 15)),
    views: (i) => memory.views(i & 4095, 64),
    'read-obj': (i) => memory.readObj(['u8', 16], i & 4095),
  }
  for (const [name, step] of Object.entries(steps)) works.set(`calls/${name}`, () => loop(step))
}
