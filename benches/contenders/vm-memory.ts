/** This package; the same code with its fast paths and without. */
import { closeSync, openSync, readvSync } from 'node:fs'
import {
  AtomicBitmap,
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  memfdCreate,
  Ordering,
  type SharedMemory,
  type VolatileSlice,
} from '../../index.js'
import { ENDED_SIZE, MOST_ENDED, THREAD_COUNTS, THREAD_WORKS } from '../catalogue.js'
import {
  ADDRESS_MASK,
  COPY_REGION_SIZE,
  randomAddresses,
  REGION_SIZE,
  regionStarts,
  RING_MASK,
  RING_START,
} from '../layout.js'
import { loop, loopAsync, loopOver, type Loop } from '../loop.js'
import { runThreads } from '../threads.js'
import { makePair, provideCalls, readAcross } from './calls.js'
import { provideCopies } from './copy-works.js'
import { provideRegions, provideScalars, readWords, touch } from './scalar-works.js'
import { provideStructs } from './structs.js'
import { provideUpstream } from './upstream.js'
import type { Works } from './works.js'

function makeMemory(count: number, bitmap = false): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges(
    regionStarts(count).map((start) => [start, REGION_SIZE] as const),
    { bitmap },
  )
}

function provideOtherScalars(works: Works): void {
  const memory = makeMemory(8)
  touch(memory, randomAddresses(8))
  const big = BigUint64Array.from(randomAddresses(8), BigInt)
  works.set('scalar/read/u32/8/bigint', () => loop((i) => memory.readU32(big[i & ADDRESS_MASK]!)))
  works.set('scalar/write/u32/8/bigint', () => loop((i) => memory.writeU32(i, big[i & ADDRESS_MASK]!)))
  const tracked = makeMemory(8, true)
  const at = randomAddresses(8)
  touch(tracked, at)
  works.set('scalar/write/u32/8/tracked', () => loop((i) => tracked.writeU32(i, at[i & ADDRESS_MASK]!)))
}

function makeCopyMemory(): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges([
    [0, COPY_REGION_SIZE],
    [COPY_REGION_SIZE, COPY_REGION_SIZE],
  ])
}

function provideRing(works: Works): void {
  const memory = makeMemory(2)
  works.set('ring/load', () => loop((i) => memory.load('u16', RING_START + 2 * (i & RING_MASK), Ordering.Acquire)))
  works.set('ring/store', () =>
    loop((i) => memory.store('u16', i & 0xffff, RING_START + 2 * (i & RING_MASK), Ordering.Release)),
  )
}

function guardCycle(atomic: GuestMemoryAtomic): Loop {
  const at = randomAddresses(8)
  const first = atomic.memory()
  touch(first, at)
  first.dispose()
  return loop((i) => {
    const guard = atomic.memory()
    const value = guard.readU32(at[i & ADDRESS_MASK]!)
    guard.dispose()
    return value
  })
}

function provideGuards(works: Works): void {
  const atomic = new GuestMemoryAtomic(makeMemory(8))
  works.set('guard/cycle', () => guardCycle(atomic))
  const at = randomAddresses(8)
  const guard = atomic.memory()
  touch(guard, at)
  works.set('guard/held', () => loop((i) => guard.readU32(at[i & ADDRESS_MASK]!)))
}

function provideLookups(works: Works): void {
  for (const count of [1, 8, 256]) {
    const memory = makeMemory(count)
    const at = randomAddresses(count)
    works.set(`lookup/find/${count}`, () => loop((i) => memory.findRegion(at[i & ADDRESS_MASK]!)))
  }
  const memory = makeMemory(8)
  const at = randomAddresses(8)
  works.set('lookup/in-range/8', () => loop((i) => memory.addressInRange(at[i & ADDRESS_MASK]!)))
  works.set('lookup/check-range/8', () => loop((i) => memory.checkRange(at[i & ADDRESS_MASK]!, 8)))
  works.set('lookup/num-regions/8', () => loop(() => memory.numRegions))
}

function providePlugs(works: Works): void {
  for (const count of [8, 256]) {
    const memory = makeMemory(count)
    const atomic = new GuestMemoryAtomic(memory)
    const region = GuestRegionMmap.fromRange(0x10_0000_0000, REGION_SIZE)
    works.set(`plug/${count}`, () =>
      loop(() => {
        const guard = atomic.lock()
        guard.replace(memory.insertRegion(region))
      }),
    )
  }
}

function usedRegion(start: number): GuestRegionMmap {
  const region = GuestRegionMmap.fromRange(start, ENDED_SIZE)
  region.writeU8(1, 0)
  return region
}

function provideEnds(works: Works): void {
  const make = (count: number): GuestRegionMmap[] => Array.from({ length: count }, () => usedRegion(0))
  works.set('ends/release', () => loopOver(MOST_ENDED, make, (region) => region.release()))
  const start = 0x10_0000_0000
  works.set('ends/synchronize', () => {
    const rest = makeMemory(8)
    const atomic = new GuestMemoryAtomic(rest)
    const unplugged = (): GuestRegionMmap => {
      const region = usedRegion(start)
      atomic.update(() => rest.insertRegion(region))
      atomic.update(() => rest)
      return region
    }
    return loopAsync(unplugged, (region) => atomic.synchronize().then(() => region.release()))
  })
}

const FAULT_STEPS = {
  read: 'memory.readU32(at[i & mask])',
  write: 'memory.writeU32(i, at[i & mask])',
  load: "memory.load('u32', at[i & mask], acquire)",
  copy: 'memory.readSlice(bytes, starts[i & 7])',
}

function provideFaults(works: Works): void {
  const at = randomAddresses(8)
  const bytes = new Uint8Array(64)
  const starts = regionStarts(8)
  for (const how of ['without', 'with']) {
    const regions = starts.map((start) => {
      const file = memfdCreate('bench', REGION_SIZE)
      const region = GuestRegionMmap.fromRange(start, REGION_SIZE, file, { recoverFaults: how === 'with' })
      closeSync(file)
      return region
    })
    const memory = GuestMemoryMmap.fromRegions(regions)
    touch(memory, at)
    const given = { memory, at, bytes, starts, mask: ADDRESS_MASK, acquire: Ordering.Acquire }
    for (const [name, text] of Object.entries(FAULT_STEPS)) {
      // Of text: functions that come from one place of a program share what the engine has learned, and the second one has the
      // worse of it.
      // oxlint-disable-next-line no-new-func, typescript/no-implied-eval
      const make = new Function('given', `const { ${Object.keys(given).join()} } = given; return (i) => ${text}`) as (
        names: typeof given,
      ) => (i: number) => unknown
      works.set(`faults/${name}/${how}`, () => loop(make(given)))
    }
  }
}

function provideParts(works: Works): void {
  const memory = makeMemory(8)
  touch(memory, randomAddresses(8))
  const region = memory.findRegion(regionStarts(8)[0]!)!
  const slice = memory.getSlice(regionStarts(8)[0]!, 4096)
  for (let i = 0; i < 64; i += 1) region.getSlice(0, 16).readU32(0)
  const threeReads = (part: VolatileSlice): number => part.readU32(0) + part.readU32(4) + part.readU32(8)
  works.set('parts/slice/map', () => loop((i) => threeReads(memory.getSlice((i & 255) * 16, 16))))
  works.set('parts/slice/region', () => loop((i) => threeReads(region.getSlice((i & 255) * 16, 16))))
  works.set('parts/slice/held', () => loop((i) => slice.readU32((i & 1023) * 4)))
  works.set('parts/slice/load', () => loop((i) => slice.load('u32', (i & 1023) * 4, Ordering.Acquire)))
  const [ref, array, integer] = [slice.getRef('u32', 8), slice.getArrayRef('u32', 0, 64), slice.getAtomicRef('u32', 8)]
  works.set('parts/ref', () => loop(() => ref.load()))
  works.set('parts/array-ref', () => loop((i) => array.load(i & 63)))
  works.set('parts/atomic-ref', () => loop(() => integer.load(Ordering.Acquire)))
  const tracked = makeMemory(1, true).getSlice(regionStarts(1)[0]!, 4096)
  const bitmap = new AtomicBitmap(REGION_SIZE, 4096)
  works.set('parts/bitmap', () => loop((i) => tracked.bitmap!.dirtyAt(i & 1023)))
  works.set('parts/bitmap-slice', () => loop((i) => bitmap.sliceAt(i & 1023).markDirty(0, 4)))
}

function provideLocks(works: Works): void {
  const atomic = new GuestMemoryAtomic(makeMemory(8))
  works.set('lock/cycle', () => loop(() => atomic.tryLock()!.dispose()))
}

const BUFFERS = 256
const BUFFER_SIZE = 0x1_0000

function provideBuffers(works: Works): void {
  const make = (count: number): GuestRegionMmap[] =>
    Array.from({ length: count }, () => GuestRegionMmap.fromRange(0, BUFFER_SIZE))
  works.set('buffer/first', () => loopOver(BUFFERS, make, (region) => region.buffer))
  const region = GuestRegionMmap.fromRange(0, BUFFER_SIZE)
  works.set('buffer/later', () => loop(() => region.buffer))
}

const TRANSFER = 65536

function provideTransfers(works: Works): void {
  const memory = makeMemory(2)
  const zero = openSync('/dev/zero', 'r')
  const nothing = openSync('/dev/null', 'w')
  works.set('transfer/read/65536', () => loop(() => memory.readExactVolatileFrom(0, zero, TRANSFER)))
  works.set('transfer/write/65536', () => loop(() => memory.writeAllVolatileTo(0, nothing, TRANSFER)))
  const fd = memfdCreate('disk', TRANSFER)
  const file = new FileOffset(fd, 0)
  closeSync(fd)
  works.set('transfer/views/65536', () => loop(() => readvSync(file.fd, memory.views(0, TRANSFER), 0)))
}

function provideThreads(works: Works): void {
  const atomic = new GuestMemoryAtomic(makeMemory(8))
  const pair = new GuestMemoryAtomic(makePair(false))
  for (const count of THREAD_COUNTS) {
    for (const what of THREAD_WORKS) {
      const shared = what === 'call' ? pair : atomic
      works.set(`threads/${what}/${count}`, () =>
        runThreads(count, { module: import.meta.url, what, shared: () => shared.share() }),
      )
    }
  }
}

/** What one of several threads does. */
export function inThread(what: string, shared: unknown): Loop {
  const atomic = GuestMemoryAtomic.fromShared(shared as SharedMemory<'GuestMemoryAtomic'>)
  if (what === 'guard') return guardCycle(atomic)
  const memory = atomic.memory().intoInner()
  if (what === 'call') return loop(readAcross(memory))
  return readWords(memory, 8)
}

export function provide(group: string, works: Works): void {
  const groups: Record<string, (works: Works) => void> = {
    scalar: () => {
      provideScalars(works, makeMemory)
      provideOtherScalars(works)
    },
    ring: provideRing,
    guard: provideGuards,
    lookup: provideLookups,
    copy: () => {
      const memory = makeCopyMemory()
      provideCopies(works, {
        read: (into, at) => memory.readSlice(into, at),
        write: (from, at) => memory.writeSlice(from, at),
      })
    },
    plug: providePlugs,
    ends: provideEnds,
    faults: provideFaults,
    parts: provideParts,
    calls: () => provideCalls(works),
    structs: () => provideStructs(works),
    lock: provideLocks,
    buffer: provideBuffers,
    transfer: provideTransfers,
    upstream: provideUpstream,
    regions: () => provideRegions(works, makeMemory),
    threads: provideThreads,
  }
  groups[group]?.(works)
}
