// Who keeps memory mapped, and that nothing does in the end.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { inspect } from 'node:util'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  type GuestMemoryExclusiveGuard,
  type GuestMemoryLoadGuard,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_SHARED,
  MmapRegion,
  MmapRegionBuilder,
  Ordering,
  PROT_READ,
  checkFileOffset,
  memfdCreate,
  pageSize,
} from '../index.js'
import { Held } from './held.js'
import { BASE, MARK, SIZE, freshName, isGone, namedMemory, regionOf } from './named-memory.js'
import { descriptorsOf, eventually, isMapped, mappingsOf, openDescriptors, settle } from './process-resources.js'
import { temporaryFifo } from './temporary-file.js'

// ------------------------------------------------------------------------------------------------ the last holder

interface Holder {
  what: string
  /** Takes from a fresh memory the one thing that is held. */
  take: (memory: GuestMemoryMmap) => object
  /** Reads the first byte of the memory through it. */
  read: (held: never) => number | bigint
}

const HOLDERS: Holder[] = [
  { what: 'a map', take: (memory) => memory, read: (memory: GuestMemoryMmap) => memory.readU8(BASE) },
  { what: 'a clone of the map', take: (memory) => memory.clone(), read: (map: GuestMemoryMmap) => map.readU8(BASE) },
  { what: 'a region', take: regionOf, read: (region: GuestRegionMmap) => region.readU8(0) },
  {
    what: 'the mapping that a region was made of',
    take: (memory) => {
      // The region of `memory` has a mapping that was never seen, so another one is made on the same file.
      const mapping = MmapRegion.fromFile(regionOf(memory).fileOffset as FileOffset, SIZE)
      return [new GuestRegionMmap(mapping, BASE), mapping].pop() as MmapRegion
    },
    read: (mapping: MmapRegion) => mapping.asVolatileSlice().readU8(0),
  },
  {
    what: 'an atomic',
    take: (memory) => new GuestMemoryAtomic(memory),
    read: (atomic: GuestMemoryAtomic) => {
      using guard = atomic.memory()
      return guard.readU8(BASE)
    },
  },
  {
    what: 'a load guard',
    take: (memory) => new GuestMemoryAtomic(memory).memory(),
    read: (guard: GuestMemoryLoadGuard) => guard.readU8(BASE),
  },
  {
    what: 'a clone of a disposed load guard',
    take: (memory) => {
      using guard = new GuestMemoryAtomic(memory).memory()
      return guard.clone()
    },
    read: (guard: GuestMemoryLoadGuard) => guard.readU8(BASE),
  },
  {
    what: 'a load guard on a map that was replaced',
    take: (memory) => {
      const atomic = new GuestMemoryAtomic(memory)
      const guard = atomic.memory()
      atomic.update(() => new GuestMemoryMmap())
      return guard
    },
    read: (guard: GuestMemoryLoadGuard) => guard.readU8(BASE),
  },
  { what: 'a slice', take: (memory) => memory.getSlice(BASE, 16), read: (slice) => readSliceStart(slice) },
  {
    what: 'a slice of a slice',
    take: (memory) => regionOf(memory).asVolatileSlice().subslice(0, 64).splitAt(8)[0],
    read: (slice) => readSliceStart(slice),
  },
  {
    what: 'a reference',
    take: (memory) => regionOf(memory).getRef('u8', 0),
    read: (ref: ReturnType<GuestRegionMmap['getRef']>) => ref.load(),
  },
  {
    what: 'an array reference',
    take: (memory) => regionOf(memory).getArrayRef('u8', 0, 16),
    read: (array: ReturnType<GuestRegionMmap['getArrayRef']>) => array.load(0),
  },
  {
    what: 'an element of an array reference',
    take: (memory) => regionOf(memory).getArrayRef('u8', 0, 16).refAt(0),
    read: (ref: ReturnType<GuestRegionMmap['getRef']>) => ref.load(),
  },
  {
    what: 'an atomic reference',
    take: (memory) => regionOf(memory).getAtomicRef('u8', 0),
    read: (ref: ReturnType<GuestRegionMmap['getAtomicRef']>) => ref.load(Ordering.SeqCst),
  },
  {
    what: 'the buffer of a region',
    take: (memory) => regionOf(memory).buffer,
    read: (buffer: ArrayBuffer) => new DataView(buffer).getUint8(0),
  },
  {
    what: 'a typed array on the buffer of a region',
    take: (memory) => new Uint8Array(regionOf(memory).buffer, 0, 1),
    read: (view: Uint8Array) => view[0] as number,
  },
  {
    what: 'a view on a part of a region',
    take: (memory) => regionOf(memory).asUint8Array(0, 1),
    read: (view: Uint8Array) => view[0] as number,
  },
  {
    what: 'a view on a slice',
    take: (memory) => memory.getSlice(BASE, 16).asUint8Array(),
    read: (view: Uint8Array) => view[0] as number,
  },
  {
    what: 'one of the views of a range',
    take: (memory) => memory.views(BASE, 16)[0] as Uint8Array,
    read: (view: Uint8Array) => view[0] as number,
  },
  {
    what: 'an iterator',
    take: (memory) => memory.iter(),
    read: (iterator: ReturnType<GuestMemoryMmap['iter']>) => (iterator.next().value as GuestRegionMmap).readU8(0),
  },
]

function readSliceStart(slice: ReturnType<GuestMemoryMmap['getSlice']>): number {
  return slice.readU8(0)
}

for (const { what, take, read } of HOLDERS) {
  test.serial(`${what} alone keeps the memory mapped, and lets go of it`, async (t) => {
    const name = freshName()
    const held = new Held(() => take(namedMemory(name)))
    await settle()
    t.true(mappingsOf(name) > 0, 'still mapped')
    t.is(
      held.use((value) => Number(read(value as never))),
      MARK,
    )
    held.letGo()
    t.true(await eventually(isGone(name)), 'unmapped and closed')
  })
}

test.serial('the bitmap of a region works when everything else is gone', async (t) => {
  const name = freshName()
  const held = new Held(() => {
    const { bitmap } = regionOf(namedMemory(name))
    if (bitmap === null) throw new Error('not tracked')
    return { bitmap, slice: bitmap.sliceAt(pageSize()) }
  })
  await settle()
  held.use(({ bitmap, slice }) => {
    t.true(bitmap.dirtyAt(0))
    t.false(bitmap.dirtyAt(pageSize()))
    slice.markDirty(0, 1)
    t.true(bitmap.dirtyAt(pageSize()))
  })
  held.letGo()
  t.true(await eventually(isGone(name)))
})

test.serial('anonymous memory is unmapped with the last thing on it', async (t) => {
  const size = 2 ** 26 + 3 * pageSize()
  const held = new Held(() => GuestMemoryMmap.fromRanges([[BASE, size]]))
  const address = held.use((memory) => memory.getHostAddress(BASE))
  t.true(isMapped(address, size))
  held.letGo()
  t.true(await eventually(() => !isMapped(address, size)))
})

test.serial('a view outlives map, atomic, guards and regions, and its writes reach the file', async (t) => {
  const name = freshName()
  const fd = memfdCreate(name, SIZE)
  t.teardown(() => fs.closeSync(fd))
  const held = new Held(() => {
    const memory = GuestMemoryMmap.fromRangesWithFiles([[BASE, SIZE, new FileOffset(fd, 0)]])
    const atomic = new GuestMemoryAtomic(memory)
    using guard = atomic.memory()
    const [view] = guard.views(BASE + 8, 8)
    atomic.update((current) => current.removeRegion(BASE, SIZE)[0])
    return view as Uint8Array
  })
  await settle()
  t.is(mappingsOf(name), 1)
  held.use((view) => view.fill(0xcd))
  const bytes = new Uint8Array(9)
  fs.readSync(fd, bytes, 0, 9, 7)
  t.deepEqual([...bytes], [0, ...Array<number>(8).fill(0xcd)])
  held.letGo()
  t.true(await eventually(() => mappingsOf(name) === 0 && descriptorsOf(name) === 1))
})

test.serial('mappings and descriptors are back where they began after everything was used', async (t) => {
  const useEverything = (name: string): void => {
    const memory = namedMemory(name)
    const atomic = new GuestMemoryAtomic(memory)
    const guard = atomic.memory()
    const region = regionOf(guard.clone())
    new Uint8Array(region.buffer).fill(1)
    region.asUint8Array(1, 2).fill(2)
    const slice = region.getSlice(0, 64)
    slice.copyTo(new Uint8Array(64))
    slice.getAtomicRef('u32', 0).store(1, Ordering.SeqCst)
    slice.getArrayRef('u16', 0, 4).refAt(1).toSlice().bitmap?.markDirty(0, 1)
    GuestMemoryAtomic.fromShared(atomic.share()).memory()
    GuestMemoryMmap.fromShared(memory.share())
    const exclusive = atomic.lock()
    exclusive.replace(memory.removeRegion(BASE, SIZE)[0])
    for (const each of memory) each.fileOffset?.fd.toFixed()
    memory.tryAccess(SIZE, BASE, (_offset, len) => len)
    t.throws(() => memory.readU8(0))
  }
  useEverything(freshName()) // whatever is made once and kept is made now
  await settle()
  const before = openDescriptors().toSorted()
  const name = freshName()
  for (let round = 0; round < 20; round += 1) useEverything(name)
  t.true(mappingsOf(name) > 0)
  t.true(await eventually(isGone(name)))
  t.deepEqual(openDescriptors().toSorted(), before)
})

// ------------------------------------------------------------------------------------------------ guards

test.serial('load guards dropped without dispose are given back at a collection', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  ;(() => {
    for (let i = 0; i < 100; i += 1) t.is(atomic.memory().readU8(BASE), MARK)
    atomic.lock().replace(new GuestMemoryMmap())
  })()
  t.true(await eventually(isGone(name)))
  t.is(atomic.memory().numRegions, 0)
})

test.serial('a replaced map is let go of when its last guard is disposed, and not before', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const guards = [atomic.memory(), atomic.memory(), atomic.memory().clone()]
  atomic.lock().replace(new GuestMemoryMmap())
  for (const guard of guards) {
    await settle()
    t.is(guard.readU8(BASE), MARK)
    t.is(mappingsOf(name), 1)
    guard.dispose()
    guard.dispose() // counts once
  }
  t.true(await eventually(isGone(name)))
  for (const guard of guards) t.throws(() => guard.numRegions, { code: 'ERR_DISPOSED' })
})

test.serial('an exclusive guard dropped without dispose frees the lock at a collection', async (t) => {
  const atomic = new GuestMemoryAtomic(namedMemory(freshName()))
  const held = new Held(() => atomic.lock())
  await settle()
  t.is(atomic.tryLock(), null)
  t.throws(() => atomic.lock(), { code: 'ERR_LOCK_HELD' })
  held.letGo()
  // Each round takes the lock again and drops the guard.
  for (let round = 0; round < 3; round += 1) t.true(await eventually(() => atomic.tryLock() !== null))
})

test.serial('who waits for a lock gets it when the guard is collected', async (t) => {
  const atomic = new GuestMemoryAtomic(namedMemory(freshName()))
  const held = new Held(() => atomic.lock())
  let granted: GuestMemoryExclusiveGuard | null = null
  const waiting = atomic.lockAsync().then((guard) => (granted = guard))
  await settle()
  t.is(granted, null)
  held.letGo()
  t.true(await eventually(() => granted !== null))
  ;(await waiting).dispose()
})

test.serial('an exclusive guard keeps its atomic and the map in it', async (t) => {
  const name = freshName()
  const held = new Held(() => new GuestMemoryAtomic(namedMemory(name)).lock())
  await settle()
  t.is(mappingsOf(name), 1)
  held.use((guard) => guard.dispose())
  held.letGo()
  t.true(await eventually(isGone(name)))
})

// ------------------------------------------------------------------------------------------------ cycles

test.serial('cycles through buffers, regions, maps, guards and atomics can be collected', async (t) => {
  const name = freshName()
  ;(() => {
    const memory = namedMemory(name)
    const region = regionOf(memory)
    Object.assign(region.buffer, { owner: region })
    Object.assign(region, { memory })
    Object.assign(memory, { itself: memory, region, buffer: region.buffer })
    const atomic = new GuestMemoryAtomic(memory)
    Object.assign(memory, { atomic })
    const guard = Object.assign(atomic.memory(), { atomic })
    Object.assign(guard, { guard })
    Object.assign(region, { slice: Object.assign(region.getSlice(0, 1), { region }) })
    t.is(mappingsOf(name), 1)
  })()
  t.true(await eventually(isGone(name)))
})

test.serial('the buffer is the same object as long as its region is used', async (t) => {
  const held = new Held(() => regionOf(namedMemory(freshName())))
  held.use((region) => Object.assign(region.buffer, { label: 'mine' }))
  await settle()
  t.like(
    held.use((region) => region.buffer),
    { label: 'mine' },
  )
})

// ------------------------------------------------------------------------------------------------ descriptors

test.serial('a FileOffset closes its duplicate and leaves the descriptor it was made from', async (t) => {
  const name = freshName()
  const fd = memfdCreate(name, SIZE)
  t.teardown(() => fs.closeSync(fd))
  const held = new Held(() => new FileOffset(fd, 0))
  const duplicate = held.use((file) => file.fd)
  t.not(duplicate, fd)
  t.is(fs.fstatSync(duplicate).ino, fs.fstatSync(fd).ino)
  await settle()
  t.is(descriptorsOf(name), 2)
  held.letGo()
  t.true(await eventually(() => descriptorsOf(name) === 1))
  t.is(fs.fstatSync(fd).size, SIZE)
})

test.serial(
  'a FileOffset that is disposed of leaves its duplicate to the mappings, or closes it at once',
  async (t) => {
    const name = freshName()
    const fd = memfdCreate(name, SIZE)
    t.teardown(() => fs.closeSync(fd))
    const unused = new FileOffset(fd, 0)
    t.is(descriptorsOf(name), 2)
    unused.dispose()
    t.is(descriptorsOf(name), 1)
    unused.dispose()

    let file: FileOffset
    let region: GuestRegionMmap
    {
      using scoped = new FileOffset(fd, 0)
      file = scoped
      region = GuestRegionMmap.fromRange(0, SIZE, scoped)
      // Another that shares the duplicate is not concerned.
      t.is(new FileOffset(scoped, 0).fd, scoped.fd)
    }
    const disposed = { code: 'ERR_DISPOSED', message: /FileOffset/ }
    t.throws(() => file.fd, disposed)
    t.throws(() => file.start, disposed)
    t.throws(() => new FileOffset(file, 0), disposed)
    t.throws(() => checkFileOffset(file, SIZE), disposed)
    t.throws(() => GuestRegionMmap.fromRange(0, SIZE, file), disposed)
    t.throws(() => MmapRegion.build(file, SIZE, PROT_READ, MAP_SHARED), disposed)
    t.throws(() => new MmapRegionBuilder(SIZE).withFileOffset(file), disposed)
    t.is(fs.fstatSync(region.fileOffset?.fd ?? -1).size, SIZE)
    t.is(inspect(file), 'FileOffset { disposed }')
  },
)

test.serial('the file of a region stays open with the region', async (t) => {
  const name = freshName()
  const held = new Held(() => regionOf(namedMemory(name)))
  await settle()
  t.is(descriptorsOf(name), 1)
  t.is(
    held.use((region) => fs.fstatSync(region.fileOffset?.fd ?? -1).size),
    SIZE,
  )
  held.letGo()
  t.true(await eventually(isGone(name)))
})

test.serial('a FileOffset got from a region keeps the file open, not the memory mapped', async (t) => {
  const name = freshName()
  const held = new Held(() => regionOf(namedMemory(name)).fileOffset as FileOffset)
  t.true(await eventually(() => mappingsOf(name) === 0))
  t.is(
    held.use((file) => fs.fstatSync(file.fd).size),
    SIZE,
  )
  held.letGo()
  t.true(await eventually(isGone(name)))
})

// ------------------------------------------------------------------------------------------------ pending transfers

test.serial('an asynchronous transfer holds the memory until its promise settles', async (t) => {
  const name = freshName()
  const fd = temporaryFifo(t)
  const transferring = (() => namedMemory(name).readExactVolatileFromAsync(BASE, fd, 4))()
  await settle()
  t.is(mappingsOf(name), 1)
  fs.writeSync(fd, Uint8Array.of(1, 2, 3, 4))
  await transferring
  t.true(await eventually(isGone(name)))
})
