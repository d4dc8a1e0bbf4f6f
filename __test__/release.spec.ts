// The end of a mapping by `release`: what throws, what still answers, what views read, and what goes back to the host.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  Ordering,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  memfdCreate,
  pageSize,
} from '../index.js'
import { kindsHere, raw } from './mapping-kinds.js'
import { freshName } from './named-memory.js'
import { descriptorsOf, eventually, isMapped, mappingsOf } from './process-resources.js'
import { rejection } from './refusal.js'
import { makeRegion, receivers, SIZE, surprises } from './release/members.mjs'

const PAGE = pageSize()
const BASE = 65536
const READ_WRITE = PROT_READ | PROT_WRITE
const DISPOSED = { name: 'Error', code: 'ERR_DISPOSED' }

/** A region of a file of its own, whose name tells what is left of it. */
function named(pages = 4, options?: { bitmap?: boolean; recoverFaults?: boolean }) {
  const name = freshName()
  const fd = memfdCreate(name, pages * PAGE)
  const file = new FileOffset(fd, 0)
  fs.closeSync(fd)
  const region = GuestRegionMmap.fromRange(BASE, pages * PAGE, file, options)
  return { name, region, file }
}

for (const bitmap of [false, true]) {
  for (const rounds of [0, 1, 4]) {
    const what = `${bitmap ? 'with' : 'without'} a bitmap, after ${rounds} uses`
    test(`all that touches the memory throws, and all that asks answers: ${what}`, async (t) => {
      const region = makeRegion({ bitmap })
      const objects = receivers(region)
      t.false(region.isReleased)
      for (let round = 0; round < rounds; round += 1) t.deepEqual(await surprises(objects, false), [])
      region.release()
      t.true(region.isReleased)
      t.deepEqual(await surprises(objects, true), [])
      t.deepEqual(await surprises(objects, true), [])
    })

    test(`so does a mapping that no region has: ${what}`, async (t) => {
      const mapping = new MmapRegion(SIZE, { bitmap })
      for (let round = 0; round < rounds; round += 1) t.deepEqual(await surprises({ MmapRegion: mapping }, false), [])
      mapping.release()
      t.true(mapping.isReleased)
      t.deepEqual(await surprises({ MmapRegion: mapping }, true), [])
    })
  }
}

test('the region of a mapping, the mapping of a region and their map are released together', (t) => {
  const mapping = new MmapRegion(SIZE)
  const region = new GuestRegionMmap(mapping, BASE)
  const memory = GuestMemoryMmap.fromRegions([region])
  mapping.release()
  t.true(region.isReleased)
  t.true(memory.findRegion(BASE)?.isReleased)
  t.throws(() => memory.readU8(BASE), DISPOSED)
  t.throws(() => new GuestRegionMmap(mapping, BASE), { code: 'ERR_MOVED' })
  const free = new MmapRegion(SIZE)
  free.release()
  t.throws(() => new GuestRegionMmap(free, BASE).readU8(0), DISPOSED)
})

test('what is asked is told as before', (t) => {
  const region = GuestRegionMmap.fromRange(BASE, SIZE, null, { bitmap: true })
  const memory = GuestMemoryMmap.fromRegions([region])
  region.writeU8(1, PAGE)
  const facts = () => [
    [region.size, region.len, region.isEmpty, region.prot, region.flags, region.owned, region.pageSize],
    [
      region.startAddr,
      region.lastAddr,
      region.checkAddress(5),
      region.toRegionAddr(BASE + 7),
      region.checkAddress(SIZE),
    ],
    [
      memory.numRegions,
      memory.lastAddr,
      memory.findRegion(BASE),
      memory.checkRange(BASE, SIZE),
      memory.checkRange(0, 1),
    ],
    [
      memory.toRegionAddr(BASE + 3),
      memory.checkAddress(BASE),
      [...memory.iter()],
      region.bitmap,
      region.bitmap?.dirtyAt(PAGE),
    ],
    memory.dirtyRanges(),
    memory.removeRegion(BASE, SIZE)[1],
  ]
  const before = facts()
  region.release()
  t.deepEqual(facts(), before)
  t.is(region.residentSize, 0)
  t.is(region.fileOffset, null)
  t.deepEqual(memory.diff(new GuestMemoryMmap()).removed, [region])
  t.true(inspect(region).includes('released'), inspect(region))
  t.true(inspect(memory).includes('released'))
  t.is(GuestMemoryMmap.fromShared(memory.share()).findRegion(BASE), region)
})

test('twice does nothing', (t) => {
  const region = makeRegion()
  region.release()
  t.is(region.release(), undefined)
  region.release()
  t.true(region.isReleased)
})

test('other regions of a map answer, and a range that crosses into the released one throws before anything is copied', (t) => {
  for (const rounds of [0, 4]) {
    const memory = GuestMemoryMmap.fromRanges([
      [0, SIZE],
      [SIZE, SIZE],
      [2 * SIZE, SIZE],
    ])
    const use = () => {
      memory.writeU32(7, 0)
      t.is(memory.readU32(0), 7)
      memory.writeU64(9n, 2 * SIZE)
      t.is(memory.readU64(2 * SIZE), 9n)
      t.is(memory.readU64(2n * BigInt(SIZE)), 9n)
    }
    for (let round = 0; round < rounds; round += 1) use()
    memory.findRegion(SIZE)?.release()
    use()
    const bytes = Buffer.alloc(32, 5)
    const touching: (() => unknown)[] = [
      () => memory.writeSlice(bytes, SIZE - 16),
      () => memory.write(bytes, SIZE - 16),
      () => memory.fill(5, SIZE - 16, 32),
      () => memory.writeU32(0x05050505, SIZE - 2),
      () => memory.readVolatileFrom(SIZE - 16, bytes, 32),
      () => memory.readSlice(bytes, SIZE - 16),
      () => memory.read(bytes, 2 * SIZE - 16),
      () => memory.views(SIZE - 16, 32),
      () => memory.tryAccess(32, SIZE - 16, () => t.fail()),
      () => memory.readU8(SIZE),
      () => memory.read(new Uint8Array(0), SIZE),
      () => memory.load('u16', SIZE, Ordering.Acquire),
      () => memory.getSlice(SIZE, 16),
      () => memory.discard(0, 3 * SIZE),
      () => memory.dataRanges(),
    ]
    for (const touch of touching) t.throws(touch, DISPOSED, String(touch))
    t.deepEqual(memory.readObj(['u8', 16], SIZE - 16), new Uint8Array(16))
    t.deepEqual(bytes, Buffer.alloc(32, 5))
    t.is(memory.readU32(0), 7)
  }
})

test('a mapping that may not be read says that it was released', (t) => {
  const mapping = MmapRegion.build(null, SIZE, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE)
  const region = new GuestRegionMmap(mapping, 0)
  t.throws(() => region.readU8(0), { code: 'ERR_PROTECTION' })
  region.release()
  t.throws(() => region.readU8(0), DISPOSED)
})

if (process.platform === 'linux') {
  test('views read zeros, whatever was mapped, and a shared file keeps its bytes', async (t) => {
    for (const kind of kindsHere(t)) {
      const { mapping, fd } = kind.map(t, 2)
      const size = 2 * kind.page
      const start = mapping.asPtr()
      const view = mapping.asUint8Array()
      view.fill(7)
      const part = mapping.getSlice(kind.page, 16).asUint8Array()
      mapping.release()
      t.true(isMapped(start, size), kind.name)
      t.true(
        view.every((byte) => byte === 0),
        kind.name,
      )
      // They lead nowhere else.
      part.fill(9)
      t.is(view[kind.page], 9, kind.name)
      if (fd === undefined) continue
      const byte = Buffer.alloc(1)
      fs.readSync(fd, byte, 0, 1, kind.page)
      t.is(byte[0], kind.shared ? 7 : 0, kind.name)
    }
  })

  test('memory without views is unmapped at once, whatever it is and whoever has objects of it', (t) => {
    for (const kind of kindsHere(t)) {
      for (const rounds of [0, 4]) {
        const { mapping } = kind.map(t, 2)
        const region = new GuestRegionMmap(mapping, BASE)
        const memory = GuestMemoryMmap.fromRegions([region])
        for (let round = 0; round < rounds; round += 1) {
          region.writeU32(7, 0)
          memory.writeU32(7, BASE)
          region.getSlice(0, 16).readU32(0)
        }
        const start = mapping.asPtr()
        t.true(isMapped(start, 2 * kind.page))
        region.release()
        t.false(isMapped(start, 1), kind.name)
        t.throws(() => memory.readU32(BASE), DISPOSED)
      }
    }
  })

  // What waits for addresses to go runs alone, since other tests would map something else there meanwhile.

  test.serial('addresses stay with the last view, and go with it', async (t) => {
    const region = makeRegion()
    const start = region.getHostAddress(0)
    const held: { views: Uint8Array[] } = { views: [region.asUint8Array(0, 8), new Uint8Array(region.buffer)] }
    region.release()
    held.views.pop()
    t.false(await eventually(() => !isMapped(start, SIZE), 8))
    held.views = []
    t.true(await eventually(() => !isMapped(start, SIZE)))
    t.throws(() => region.buffer, DISPOSED)
  })

  test('the descriptor is closed, unless somebody keeps a FileOffset', (t) => {
    for (const options of [{}, { bitmap: true }, { recoverFaults: true }]) {
      const { name, region, file } = named(4, options)
      region.writeU32(7, 0)
      t.is(mappingsOf(name), 1)
      region.release()
      t.is(mappingsOf(name), 0)
      t.is(descriptorsOf(name), 1)
      t.is(fs.readSync(file.fd, Buffer.alloc(4), 0, 4, 0), 4)
      const again = GuestRegionMmap.fromRange(0, PAGE, file)
      t.is(again.readU32(0), 7)
      file.dispose()
      again.release()
      t.is(descriptorsOf(name), 0)
      t.is(mappingsOf(name), 0)
      t.throws(() => region.readU32(0), DISPOSED)
    }
  })

  test('memory is given back while views are there', (t) => {
    const { name, region, file } = named(4)
    const view = region.asUint8Array()
    file.dispose()
    region.release()
    t.is(mappingsOf(name), 0)
    t.is(descriptorsOf(name), 0)
    t.is(view[0], 0)
  })

  test('a mapping of other code is left mapped, and none of ours can be used any more', (t) => {
    const own = new MmapRegion(SIZE)
    const view = own.asUint8Array()
    view[0] = 7
    const mapping = raw(own)
    mapping.release()
    t.true(mapping.isReleased)
    t.throws(() => mapping.asUint8Array(), DISPOSED)
    t.is(view[0], 7)
    t.is(own.asUint8Array()[0], 7)
  })

  test('a mapping that recovers from faults does so no more', (t) => {
    const { region, file } = named(4, { recoverFaults: true })
    const view = region.asUint8Array()
    file.dispose()
    region.release()
    t.true(region.recoverFaults)
    t.deepEqual(region.faults, [])
    t.throws(() => region.healFaults(), DISPOSED)
    t.is(view[0], 0)
  })

  test.serial(
    'a file transfer under way ends with what it did or with ERR_DISPOSED, and is not waited for',
    async (t) => {
      for (const method of ['readVolatileFromAsync', 'readExactVolatileFromAsync'] as const) {
        const { fds, end } = pipe(t)
        const memory = GuestMemoryMmap.fromRanges([[BASE, SIZE]])
        const region = memory.findRegion(BASE) as GuestRegionMmap
        const start = region.getHostAddress(0)
        const transfer = memory[method](BASE, fds.read, 16)
        const settled = Promise.allSettled([transfer])
        await new Promise((resolve) => setTimeout(resolve, 50))
        region.release()
        t.true(region.isReleased)
        // The system call has the addresses.
        t.true(isMapped(start, SIZE))
        end(Buffer.alloc(16, 7))
        const [result] = await settled
        if (result.status === 'rejected') t.is((result.reason as { code: string }).code, 'ERR_DISPOSED')
        else t.true(result.value === undefined || result.value === 16)
        t.true(await eventually(() => !isMapped(start, SIZE)))
        t.is(((await rejection(memory[method](BASE, fds.read, 16))) as { code: string }).code, 'ERR_DISPOSED')
      }
    },
  )

  test.serial('jobs on memory that is released meanwhile end with what they did or with ERR_DISPOSED', async (t) => {
    const size = 64 * 2 ** 20
    const fd = memfdCreate('release', size, { seal: false })
    t.teardown(() => fs.closeSync(fd))
    const jobs: ((memory: GuestMemoryMmap, region: GuestRegionMmap) => Promise<unknown>)[] = [
      (memory) => memory.save(fd),
      (memory) => memory.prefault(),
      (_, region) => region.prefault({ write: true }),
      (_, region) => region.flush(),
    ]
    for (const job of jobs) {
      for (const delay of [0, 1, 5, 20]) {
        const memory = GuestMemoryMmap.fromRanges([[BASE, size]])
        const region = memory.findRegion(BASE) as GuestRegionMmap
        memory.fill(7, BASE, size)
        const start = region.getHostAddress(0)
        const settled = Promise.allSettled([job(memory, region)])
        await new Promise((resolve) => setTimeout(resolve, delay))
        region.release()
        const [result] = await settled
        if (result.status === 'rejected')
          t.is((result.reason as { code: string }).code, 'ERR_DISPOSED', String(result.reason))
        else if (delay === 0 && job === jobs[0]) t.is((result.value as { written: number }).written, size)
        t.true(await eventually(() => !isMapped(start, size)))
      }
    }
  })

  test('a released region is left out of what a tracker tells', (t) => {
    const memory = GuestMemoryMmap.fromRanges([
      [0, SIZE],
      [SIZE, SIZE],
    ])
    let tracker
    try {
      tracker = memory.trackWrites()
    } catch (error) {
      t.log(`writes cannot be tracked here: ${(error as Error).message}`)
      return t.pass()
    }
    memory.writeU8(1, 0)
    memory.writeU8(1, SIZE)
    memory.findRegion(0)?.release()
    t.deepEqual(tracker.harvest(), [[BigInt(SIZE), PAGE]])
    memory.writeU8(1, SIZE + PAGE)
    t.deepEqual(tracker.harvest(), [[BigInt(SIZE + PAGE), PAGE]])
    // Another mapping may be where it was.
    const others = Array.from({ length: 8 }, (_, index) => GuestRegionMmap.fromRange(index * SIZE, SIZE))
    const other = GuestMemoryMmap.fromRegions(others).trackWrites()
    t.deepEqual(tracker.harvest(), [])
    other.dispose()
    tracker.dispose()
    const again = memory.trackWrites()
    memory.writeU8(1, SIZE)
    t.deepEqual(again.harvest(), [[BigInt(SIZE), PAGE]])
    again.dispose()
  })
}

/** A pipe whose reader gets nothing before `end`. */
function pipe(t: ExecutionContext): { fds: { read: number }; end: (bytes: Buffer) => void } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const fifo = path.join(folder, 'fifo')
  const made = spawnSync('mkfifo', [fifo])
  t.is(made.status, 0)
  const read = fs.openSync(fifo, fs.constants.O_RDWR)
  t.teardown(() => {
    fs.closeSync(read)
    fs.rmSync(folder, { recursive: true })
  })
  return { fds: { read }, end: (bytes) => void fs.writeSync(read, bytes) }
}

test('release in the callback of tryAccess ends the access at the next piece in the region', (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, SIZE],
    [SIZE, SIZE],
  ])
  const seen: number[] = []
  const call = () =>
    memory.tryAccess(2 * SIZE, 0, (offset, length) => {
      seen.push(offset)
      memory.findRegion(SIZE)?.release()
      return length
    })
  t.throws(call, DISPOSED)
  t.deepEqual(seen, [0])
})

test('release by an argument that is being read is seen by the access', (t) => {
  for (const rounds of [0, 4]) {
    const region = makeRegion()
    for (let round = 0; round < rounds; round += 1) region.writeObj(['u8', 2], [1, 2], 0)
    const elements = {
      length: 2,
      get 0() {
        region.release()
        return 1
      },
      1: 2,
    }
    t.throws(() => region.writeObj(['u8', 2], elements, 0), DISPOSED)
    const other = makeRegion()
    const type = ['u8', 2] as unknown as ['u8', 2]
    Object.defineProperty(type, 1, {
      get() {
        other.release()
        return 2
      },
    })
    t.throws(() => other.readObj(type, 0), DISPOSED)
    const third = makeRegion()
    const file = {
      get fd() {
        third.release()
        return 0
      },
    }
    t.throws(() => third.writeVolatileTo(0, file, 16), DISPOSED)
  }
})

test('release by a listener of a change, and by a function of update', (t) => {
  const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, SIZE]]))
  const gone: GuestRegionMmap[] = []
  using listening = atomic.onChange(({ removed }) => {
    for (const region of removed) {
      region.release()
      gone.push(region)
    }
  })
  t.truthy(listening)
  const old = atomic.memory()
  t.is(old.readU32(0), 0)
  atomic.update((map) => {
    const region = map.findRegion(0) as GuestRegionMmap
    region.writeU32(7, 0)
    return map.insertRegion(GuestRegionMmap.fromRange(SIZE, SIZE)).removeRegion(0, SIZE)[0]
  })
  t.is(gone.length, 1)
  t.throws(() => old.readU32(0), DISPOSED)
  old.dispose()
  t.is(atomic.memory().readU32(SIZE), 0)
  t.throws(
    () =>
      atomic.update((map) => {
        map.findRegion(SIZE)?.release()
        map.readU32(SIZE)
        return map
      }),
    DISPOSED,
  )
})

test('release while views are being used with withViews', (t) => {
  const region = makeRegion({ bitmap: true })
  const memory = GuestMemoryMmap.fromRegions([region])
  memory.withViews(BASE, 16, ([view]) => {
    view?.fill(7)
    region.release()
    t.is(view?.[0], 0)
  })
  t.true(region.bitmap?.dirtyAt(0))
})

test('addresses are used again, and nothing of the mapping before is met', (t) => {
  const seen = new Set<bigint>()
  const regions: GuestRegionMmap[] = []
  for (let round = 0; round < 200; round += 1) {
    const region = GuestRegionMmap.fromRange(0, PAGE)
    regions.push(region)
    for (let use = 0; use < 4; use += 1) t.is(region.readU32(0), 0)
    region.writeU32(round + 1, 0)
    t.is(new Uint32Array(region.asUint8Array(0, 4).slice().buffer)[0], round + 1)
    seen.add(region.getHostAddress(0))
    region.release()
  }
  for (const region of regions) t.throws(() => region.readU32(0), DISPOSED)
})

test('another mapping of the file is not touched', (t) => {
  const { region, file } = named(2)
  const other = MmapRegion.build(file, 2 * PAGE, READ_WRITE, MAP_SHARED)
  const view = other.asUint8Array()
  region.writeU32(0x01020304, 8)
  region.release()
  t.deepEqual(view.slice(8, 12), Uint8Array.of(4, 3, 2, 1))
})
