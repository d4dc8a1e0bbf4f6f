// Who keeps memory mapped, and that nothing does in the end. Memory is backed by named memfds here, so that the kernel
// tells whether it is still there.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import test from 'ava'
import {
  FileOffset,
  type GuestMemoryExclusiveGuard,
  GuestMemoryAtomic,
  type GuestMemoryLoadGuard,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegion,
  Ordering,
  memfdCreate,
  pageSize,
} from '../index.js'
import { descriptorsOf, eventually, isMapped, mappingsOf, openDescriptors, settle } from './process-resources.js'
import { temporaryFifo } from './temporary-file.js'

const packageEntry = fileURLToPath(new URL('../index.js', import.meta.url))

const BASE = 0x10000
const SIZE = 4 * pageSize()
const MARK = 0x5a

let names = 0
const freshName = (): string => `lifetime-${process.pid}-${(names += 1)}`

/** The start of a file to map; only the `FileOffset` has it open. */
function namedFile(name: string): FileOffset {
  const fd = memfdCreate(name, SIZE)
  try {
    return new FileOffset(fd, 0)
  } finally {
    fs.closeSync(fd)
  }
}

/** A memory of one region that begins with MARK. */
function namedMemory(name: string): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRangesWithFiles([[BASE, SIZE, namedFile(name)]], { bitmap: true })
  memory.writeU8(MARK, BASE)
  return memory
}

function regionOf(memory: GuestMemoryMmap): GuestRegionMmap {
  const region = memory.findRegion(BASE)
  if (region === null) throw new Error('the region is gone')
  return region
}

const isGone = (name: string) => (): boolean => mappingsOf(name) === 0 && descriptorsOf(name) === 0

/**
 * Holds what a test must be able to let go of. Everything is done in functions of their own: whatever an async function
 * had in its hands, if only for the length of an expression, may stay in its frame.
 */
class Held<T extends object> {
  #value: T | null
  constructor(make: () => T) {
    this.#value = make()
  }
  static async of<T extends object>(make: () => Promise<T>): Promise<Held<T>> {
    const value = await make()
    return new Held(() => value)
  }
  use<R>(work: (value: T) => R): R {
    if (this.#value === null) throw new Error('let go of already')
    return work(this.#value)
  }
  letGo(): void {
    this.#value = null
  }
}

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

// ------------------------------------------------------------------------------------------------ identity

test.serial('the same region is the same object wherever it is met', (t) => {
  const memory = namedMemory(freshName())
  const other = GuestRegionMmap.fromRange(2 * BASE, SIZE)
  const region = regionOf(memory)
  const larger = memory.insertRegion(other)
  const atomic = new GuestMemoryAtomic(larger)
  const guard = atomic.memory()
  const seen: (GuestRegionMmap | null | undefined)[] = [
    ...memory.iter(),
    ...memory,
    memory.findRegion(BASE + 1),
    memory.toRegionAddr(BASE + SIZE - 1)?.[0],
    memory.removeRegion(BASE, SIZE)[1],
    memory.clone().findRegion(BASE),
    memory.memory().findRegion(BASE),
    larger.findRegion(BASE),
    larger.removeRegion(2 * BASE, SIZE)[0].findRegion(BASE),
    larger.removeRegion(BASE, SIZE)[1],
    GuestMemoryMmap.fromRegions([region, other]).findRegion(BASE),
    GuestMemoryMmap.fromShared(memory.share()).findRegion(BASE),
    GuestMemoryAtomic.fromShared(atomic.share()).memory().findRegion(BASE),
    atomic.clone().memory().findRegion(BASE),
    guard.findRegion(BASE),
    guard.clone().findRegion(BASE),
    guard.toRegionAddr(BASE)?.[0],
    [...guard][0],
    [...guard.iter()][0],
    guard.memory().findRegion(BASE),
    guard.clone().intoInner().findRegion(BASE),
  ]
  memory.tryAccess(1, BASE, (_offset, len, _regionAddr, each) => {
    seen.push(each)
    return len
  })
  guard.tryAccess(1, BASE, (_offset, len, _regionAddr, each) => {
    seen.push(each)
    return len
  })
  atomic.update((current) => {
    seen.push(current.findRegion(BASE))
    return current.removeRegion(2 * BASE, SIZE)[0]
  })
  seen.push(atomic.memory().findRegion(BASE))
  for (const [index, each] of seen.entries()) t.is(each, region, `number ${index}`)
  t.not(other, region)
  t.is(larger.findRegion(2 * BASE), other)
})

test.serial('a region stays the same object through collections as long as anyone has it', async (t) => {
  const memory = namedMemory(freshName())
  const region = Object.assign(regionOf(memory), { label: 'mine' })
  const { buffer } = region
  await settle()
  t.is(regionOf(memory), region)
  t.is((regionOf(memory) as typeof region).label, 'mine')
  t.is(region.buffer, buffer)
})

test.serial('a guard gives back the very map that was published', (t) => {
  const first = namedMemory(freshName())
  const second = new GuestMemoryMmap()
  const third = namedMemory(freshName())
  const atomic = new GuestMemoryAtomic(first)
  t.is(first.memory(), first)
  t.is(atomic.memory().intoInner(), first)
  t.is(atomic.clone().memory().clone().intoInner(), first)
  atomic.lock().replace(second)
  t.is(atomic.memory().intoInner(), second)
  t.is(
    atomic.update((current) => {
      t.is(current, second)
      return third
    }),
    third,
  )
  t.is(atomic.memory().intoInner(), third)
})

test.serial('a mapping and its region have one buffer', (t) => {
  const mapping = new MmapRegion(SIZE)
  const early = mapping.buffer
  const region = new GuestRegionMmap(mapping, BASE)
  t.is(region.buffer, early)
  t.is(mapping.buffer, early)
  t.is(GuestMemoryMmap.fromRegions([region]).findRegion(BASE)?.buffer, early)
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

// ------------------------------------------------------------------------------------------------ stolen buffers

/** A reader of byte streams takes the buffer of the view that it is given, at once, and gives another in its place. */
async function readInto(buffer: ArrayBuffer): Promise<ArrayBuffer> {
  const stream = new ReadableStream({
    type: 'bytes',
    pull: ({ byobRequest }) => byobRequest?.respond(byobRequest.view?.byteLength ?? 0),
  })
  const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(buffer))
  if (value === undefined) throw new Error('nothing was read')
  return value.buffer
}

const THIEVES: [how: string, steal: (buffer: ArrayBuffer) => Promise<ArrayBuffer>][] = [
  ['a reader of byte streams', readInto],
]
const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer }
if (transfer !== undefined) {
  THIEVES.push(['ArrayBuffer.prototype.transfer', (buffer) => Promise.resolve(transfer.call(buffer))])
}

for (const [how, steal] of THIEVES) {
  test.serial(`a buffer stolen by ${how} leaves the region as it was`, async (t) => {
    const memory = namedMemory(freshName())
    const region = regionOf(memory)
    const before = region.buffer
    t.is(memory.readU8(BASE), MARK) // whatever tables fast paths have are filled now
    const stealing = steal(before)
    t.is(before.byteLength, 0)

    t.is(memory.readU8(BASE), MARK)
    t.is(region.readU8(0), MARK)
    memory.writeU32(0x01020304, BASE + 4)
    t.is(region.readU32(4), 0x01020304)
    t.is(memory.load('u32', BASE + 4, Ordering.SeqCst), 0x01020304)
    t.deepEqual([...(memory.views(BASE + 4, 1)[0] as Uint8Array)], [4])
    t.deepEqual([...region.asUint8Array(4, 4)], [4, 3, 2, 1])
    const bytes = new Uint8Array(4)
    memory.readSlice(bytes, BASE + 4)
    t.deepEqual([...bytes], [4, 3, 2, 1])

    const { buffer } = region
    t.not(buffer, before)
    t.is(buffer, region.buffer)
    t.is(buffer.byteLength, SIZE)
    new Uint8Array(await stealing)[9] = 0x77
    t.is(new Uint8Array(buffer)[9], 0x77)
    t.is(memory.readU8(BASE + 9), 0x77)
  })

  test.serial(`a buffer stolen by ${how} keeps the memory mapped, and lets go of it`, async (t) => {
    const name = freshName()
    const held = await Held.of(() => steal(regionOf(namedMemory(name)).buffer))
    await settle()
    t.is(mappingsOf(name), 1)
    t.is(
      held.use((stolen) => new Uint8Array(stolen)[0]),
      MARK,
    )
    held.letGo()
    t.true(await eventually(isGone(name)))
  })
}

test.serial('a buffer cannot be posted away: it is copied or refused, whichever the runtime does', async (t) => {
  const name = freshName()
  ;(() => {
    const region = regionOf(namedMemory(name))
    const { buffer } = region
    const { port1, port2 } = new MessageChannel()
    for (const post of [
      () => structuredClone(buffer, { transfer: [buffer] }),
      () => port1.postMessage(buffer, [buffer]),
    ]) {
      try {
        post()
      } catch (error) {
        t.like(error, { name: 'DataCloneError' })
      }
      t.is(buffer.byteLength, SIZE)
      t.is(region.buffer, buffer)
      t.is(region.readU8(0), MARK)
    }
    port1.close()
    port2.close()
  })()
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

// ------------------------------------------------------------------------------------------------ threads

/** A thread that has the package as `vm` and runs this code. */
function startWorker(code: string, workerData: unknown): Worker {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const fs = require('node:fs')
    const vm = require(${JSON.stringify(packageEntry)})
    ${code}`
  return new Worker(source, { eval: true, workerData, execArgv: [], trackUnmanagedFds: false })
}

function tell(worker: Worker, message: string): void {
  worker.postMessage(message, [])
}

test.serial('an idle thread that only took and disposed guards holds nothing, without any collection', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const worker = startWorker(
    `const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
     for (let i = 0; i < 10; i += 1) atomic.memory().dispose()
     parentPort.on('message', () => parentPort.close())
     parentPort.postMessage('idle')`,
    atomic.share(),
  )
  await once(worker, 'message')
  atomic.lock().replace(new GuestMemoryMmap())
  t.true(await eventually(isGone(name)))
  tell(worker, 'end')
  t.deepEqual(await once(worker, 'exit'), [0])
})

test.serial('a thread that also read through a guard lets go at its next collection', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const worker = startWorker(
    `const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
     for (let i = 0; i < 10; i += 1) {
       const guard = atomic.memory()
       if (guard.readU8(${BASE}) !== ${MARK}) throw new Error('wrong byte')
       guard.dispose()
     }
     parentPort.on('message', async (message) => {
       if (message === 'end') return parentPort.close()
       for (let round = 0; round < 5; round += 1) {
         gc()
         await new Promise(setImmediate)
       }
     })
     parentPort.postMessage('idle')`,
    atomic.share(),
  )
  await once(worker, 'message')
  atomic.lock().replace(new GuestMemoryMmap())
  tell(worker, 'collect')
  t.true(await eventually(isGone(name), 200))
  tell(worker, 'end')
  t.deepEqual(await once(worker, 'exit'), [0])
})

const ENDINGS: [how: string, code: string][] = [
  ['returns', ''],
  ['exits', 'process.exit(0)'],
  ['is terminated', "parentPort.on('message', () => {}); parentPort.postMessage('ready')"],
]

for (const [how, code] of ENDINGS) {
  test.serial(`a thread that ${how} lets go of all that it made`, async (t) => {
    const name = freshName()
    const worker = startWorker(
      `const fd = vm.memfdCreate(workerData, ${SIZE})
       const file = new vm.FileOffset(fd, 0)
       fs.closeSync(fd)
       const memory = vm.GuestMemoryMmap.fromRangesWithFiles([[${BASE}, ${SIZE}, file]], { bitmap: true })
       const atomic = new vm.GuestMemoryAtomic(memory)
       globalThis.kept = [
         file,
         memory,
         atomic,
         atomic.memory(),
         atomic.lock(),
         memory.findRegion(${BASE}),
         memory.findRegion(${BASE}).buffer,
         memory.views(${BASE}, 8),
         memory.getSlice(${BASE}, 8).getAtomicRef('u8', 0),
         memory.share(), // tickets that nobody takes
         atomic.share(),
       ]
       ${code}`,
      name,
    )
    if (how === 'is terminated') {
      await once(worker, 'message')
      t.true(mappingsOf(name) > 0)
      await worker.terminate()
    } else {
      t.deepEqual(await once(worker, 'exit'), [0])
    }
    t.true(await eventually(isGone(name)))
  })
}

test.serial('memory shared with a thread that ended is still there, and its lock is free', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const worker = startWorker(
    `const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
     globalThis.kept = [atomic.lock(), atomic.memory(), atomic.memory().findRegion(${BASE}).buffer]
     process.exit(0)`,
    atomic.share(),
  )
  t.deepEqual(await once(worker, 'exit'), [0])
  const guard = atomic.tryLock()
  t.truthy(guard)
  guard?.dispose()
  t.is(atomic.memory().readU8(BASE), MARK)
})

test.serial('process.exit with everything alive ends quietly', (t) => {
  const code = `
    const vm = require(${JSON.stringify(packageEntry)})
    const memory = vm.GuestMemoryMmap.fromRanges([[0, 65536]], { bitmap: true })
    const atomic = new vm.GuestMemoryAtomic(memory)
    globalThis.kept = [memory, atomic.memory(), atomic.lock(), memory.findRegion(0).buffer, atomic.share()]
    atomic.lockAsync()
    process.exit(0)`
  t.is(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8', stdio: 'pipe' }), '')
})
