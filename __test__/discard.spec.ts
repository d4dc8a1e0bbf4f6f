// `discard`: memory that is given back to the host. Linux, but for anonymous memory.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../index.js'
import { file, kindsHere, memfd, raw } from './mapping-kinds.js'
import { refuses, refusesArgument } from './refusal.js'
import { tracked } from './write-tracking.js'

const PAGE = pageSize()
/** What scripts require. */
const PACKAGE = JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))
const READ_WRITE = PROT_READ | PROT_WRITE

for (const locked of [false, true]) {
  const title = locked ? 'pages that are locked' : 'pages'
  test(`${title} read zero afterwards, in mappings of every kind, and memory is given back`, (t) => {
    for (const { name, page, map } of kindsHere(t)) {
      const { mapping, fd } = map(t, 8)
      const region = new GuestRegionMmap(mapping, 0)
      const memory = GuestMemoryMmap.fromRegions([region])
      const view = region.asUint8Array()
      view.fill(0x5a)
      const blocks = fd === undefined ? 0 : fs.fstatSync(fd).blocks
      if (locked) region.lockPages()
      // Warm: what was answered from a view must not be remembered.
      for (let round = 0; round < 100; round += 1) t.is(memory.readU8(3 * page), 0x5a)
      region.bitmap?.reset()

      memory.discard(2 * page, 4 * page)

      for (const at of [2 * page, 3 * page, 6 * page - 1]) {
        t.is(memory.readU8(at), 0, name)
        t.is(view[at], 0, name)
        t.is(region.getSlice(at, 1).readU8(0), 0, name)
      }
      for (const at of [0, 2 * page - 1, 6 * page, 8 * page - 1]) t.is(view[at], 0x5a, name)
      const dirty = [0, 2 * page - 1, 2 * page, 6 * page - 1, 6 * page].map((at) => region.bitmap?.dirtyAt(at))
      t.deepEqual(dirty, [false, false, true, true, false], name)
      // Reading zeros of shared memory may have made pages.
      memory.discard(2 * page, 4 * page)
      t.deepEqual(
        region.dataRanges(),
        [
          [0, 2 * page],
          [6 * page, 2 * page],
        ],
        name,
      )
      t.is(region.residentSize, 4 * page, name)
      const isShared = (mapping.flags & MAP_SHARED) !== 0
      if (fd !== undefined && isShared) t.true(fs.fstatSync(fd).blocks < blocks, name)
      // It is as good as new.
      view.fill(7, 3 * page, 4 * page)
      t.is(memory.readU8(3 * page), 7, name)
      t.is(memory.readU8(2 * page), 0, name)
    }
  })
}

test('what was locked stays locked', (t) => {
  const locked = (): number => Number(/^VmLck:\s+(\d+)/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1])
  for (const { name, page, map } of kindsHere(t).filter(({ page }) => page === PAGE)) {
    const before = locked()
    const { mapping } = map(t, 8)
    mapping.asUint8Array().fill(1)
    mapping.lockPages()
    t.is(locked() - before, (8 * page) / 1024, name)
    mapping.discard(2 * page, 4 * page)
    t.is(locked() - before, (8 * page) / 1024, name)
    mapping.unlockPages()
    t.is(locked(), before, name)
  }
})

test('the file loses the bytes of a shared mapping, and keeps those of a private one', (t) => {
  for (const [flags, expected] of [
    [MAP_SHARED, 0],
    [MAP_PRIVATE, 0x5a],
  ] as const) {
    for (const fd of [file(t, 4 * PAGE), memfd(t, 4 * PAGE)]) {
      fs.writeSync(fd, Buffer.alloc(4 * PAGE, 0x5a), 0, 4 * PAGE, 0)
      const mapping = MmapRegion.build(new FileOffset(fd, PAGE), 2 * PAGE, READ_WRITE, flags)
      mapping.discard(PAGE, PAGE)
      t.is(mapping.asUint8Array()[PAGE], 0)
      t.is(mapping.asUint8Array()[PAGE - 1], 0x5a)
      const bytes = Buffer.alloc(4 * PAGE)
      fs.readSync(fd, bytes, 0, 4 * PAGE, 0)
      t.deepEqual(
        [bytes[2 * PAGE - 1], bytes[2 * PAGE], bytes[3 * PAGE - 1], bytes[3 * PAGE]],
        [0x5a, expected, expected, 0x5a],
      )
      t.is(fs.fstatSync(fd).size, 4 * PAGE)
    }
  }
})

test('a last part that is no whole page goes with the rest, and the file keeps what is behind it', (t) => {
  const fd = memfd(t, 2 * PAGE)
  fs.writeSync(fd, Buffer.alloc(2 * PAGE, 0x5a), 0, 2 * PAGE, 0)
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), PAGE + 100)
  mapping.discard(PAGE, 100)
  t.deepEqual([...mapping.asUint8Array(PAGE, 100)], Array<number>(100).fill(0))
  const behind = Buffer.alloc(1)
  fs.readSync(fd, behind, 0, 1, PAGE + 100)
  t.is(behind[0], 0x5a)
  const anonymous = new MmapRegion(PAGE + 100)
  anonymous.asUint8Array().fill(1)
  anonymous.discard(0, PAGE + 100)
  t.true(anonymous.asUint8Array().every((byte) => byte === 0))
})

test('memory is given back across regions of several kinds', (t) => {
  const memory = GuestMemoryMmap.fromRegions([
    GuestRegionMmap.fromRange(0, 4 * PAGE, null, { bitmap: true }),
    GuestRegionMmap.fromRange(4 * PAGE, 4 * PAGE, new FileOffset(memfd(t, 4 * PAGE), 0)),
    new GuestRegionMmap(
      MmapRegion.build(new FileOffset(file(t, 4 * PAGE), 0), 4 * PAGE, READ_WRITE, MAP_PRIVATE),
      8 * PAGE,
    ),
  ])
  memory.fill(1, 0, 12 * PAGE)
  const guard = new GuestMemoryAtomic(memory).memory()
  guard.discard(PAGE, 10 * PAGE)
  t.deepEqual(memory.dataRanges(), [
    [0n, PAGE],
    [BigInt(11 * PAGE), PAGE],
  ])
  guard.dispose()
  t.throws(() => guard.discard(0, PAGE), { code: 'ERR_DISPOSED' })
})

test('a hole in a range is told before anything is given back', (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 2 * PAGE],
    [4 * PAGE, 2 * PAGE],
  ])
  memory.fill(1, 0, 2 * PAGE)
  const hole = { name: 'GuestMemoryError', code: 'ERR_INVALID_GUEST_ADDRESS' }
  refuses(t, () => memory.discard(PAGE, 4 * PAGE), { ...hole, addr: BigInt(2 * PAGE) })
  refuses(t, () => memory.discard(2 * PAGE, PAGE), { ...hole, addr: BigInt(2 * PAGE) })
  refuses(t, () => memory.discard(2 * PAGE, 0), { ...hole, addr: BigInt(2 * PAGE) })
  refuses(t, () => memory.discard(5 * PAGE, 2 * PAGE), { ...hole, addr: BigInt(6 * PAGE) })
  refuses(t, () => memory.discard(5 * PAGE, 2 ** 53 - 1), { ...hole, addr: BigInt(6 * PAGE) })
  t.is(memory.readU8(PAGE), 1)
  memory.discard(PAGE, 0)
  t.is(memory.readU8(PAGE), 1)
  const top = GuestMemoryMmap.fromRanges([[2n ** 64n - BigInt(2 * PAGE), PAGE]])
  refuses(t, () => top.discard(2n ** 64n - BigInt(2 * PAGE), 2n ** 63n), hole)
})

test('what is no whole page, or not within a mapping, is refused', (t) => {
  const mapping = new MmapRegion(4 * PAGE)
  const region = GuestRegionMmap.fromRange(0x123, 4 * PAGE)
  const memory = GuestMemoryMmap.fromRegions([region])
  mapping.asUint8Array().fill(1)
  memory.fill(1, 0x123, 4 * PAGE)
  for (const [offset, count] of [
    [1, PAGE],
    [0, 1],
    [0, PAGE + 1],
    [PAGE / 2, PAGE],
  ] as const) {
    for (const call of [
      () => mapping.discard(offset, count),
      () => region.discard(offset, count),
      () => memory.discard(0x123 + offset, count),
    ]) {
      refuses(t, call, { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
    }
  }
  for (const [offset, count] of [
    [4 * PAGE, PAGE],
    [0, 5 * PAGE],
    [PAGE, 2 ** 53 - 1],
    [2n ** 64n - 1n, 2n],
  ] as const) {
    t.is((t.throws(() => mapping.discard(offset, count)) as NodeJS.ErrnoException).name, 'VolatileMemoryError')
    const { code, message } = t.throws(() => region.getSlice(offset, count)) as Error & { code: string }
    refuses(t, () => region.discard(offset, count), { name: 'GuestMemoryError', code, message, operation: 'discard' })
  }
  for (const bad of [-1, 1.5, NaN, '0', null, undefined, {}, 2n ** 64n]) {
    refusesArgument(t, () => mapping.discard(bad as number, PAGE))
    refusesArgument(t, () => region.discard(0, bad as number))
    refusesArgument(t, () => memory.discard(bad as number, PAGE))
  }
  t.true(mapping.asUint8Array().every((byte) => byte === 1))
  // Not the address of the guest, but the place in the mapping is what must be whole.
  memory.discard(0x123 + PAGE, PAGE)
  t.is(region.readU8(PAGE), 0)
})

test('without the right to write nothing is given back', (t) => {
  const fd = memfd(t, 2 * PAGE)
  fs.writeSync(fd, Buffer.from('there'), 0, 5, 0)
  for (const prot of [PROT_READ, PROT_NONE]) {
    for (const mapping of [
      MmapRegion.build(null, 2 * PAGE, prot, MAP_ANONYMOUS | MAP_PRIVATE),
      MmapRegion.build(new FileOffset(fd, 0), 2 * PAGE, prot, MAP_SHARED),
      MmapRegion.build(new FileOffset(fd, 0), 2 * PAGE, prot, MAP_PRIVATE),
    ]) {
      refuses(t, () => mapping.discard(0, PAGE), { name: 'Error', code: 'ERR_PROTECTION' })
      mapping.discard(0, 0)
      // Refused whole: the first region may be written.
      const memory = GuestMemoryMmap.fromRegions([
        GuestRegionMmap.fromRange(0, PAGE),
        new GuestRegionMmap(mapping, PAGE),
      ])
      memory.writeU8(1, 0)
      refuses(t, () => memory.discard(0, 2 * PAGE), { name: 'Error', code: 'ERR_PROTECTION' })
      t.is(memory.readU8(0), 1)
    }
  }
  const bytes = Buffer.alloc(5)
  fs.readSync(fd, bytes, 0, 5, 0)
  t.is(bytes.toString(), 'there')
})

test('what other code has mapped is not given back', (t) => {
  const mapping = new MmapRegion(PAGE)
  mapping.asUint8Array().fill(1)
  refuses(t, () => raw(mapping).discard(0, PAGE), { name: 'Error', code: 'ERR_UNSUPPORTED' })
  t.is(mapping.asUint8Array()[0], 1)
})

test('a file that may not be written any more is an error of the system', (t) => {
  const fd = file(t, PAGE)
  const readOnly = fs.openSync(`/proc/self/fd/${fd}`, 'r')
  const mapping = MmapRegion.build(new FileOffset(fd, 0), PAGE, READ_WRITE, MAP_SHARED)
  mapping.discard(0, PAGE)
  fs.closeSync(readOnly)
  t.is(mapping.asUint8Array()[0], 0)
})

test('another thread sees zeros, and goes on', async (t) => {
  for (const { name, page, map } of kindsHere(t)) {
    const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(map(t, 4).mapping, 0)])
    memory.fill(1, 0, 4 * page)
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
      const { GuestMemoryMmap } = require(${PACKAGE})
      const memory = GuestMemoryMmap.fromShared(workerData.ticket)
      const view = memory.findRegion(0).asUint8Array()
      const look = () => {
        // Hot, both of them: neither may go on with what it has seen before.
        let sum = 0
        for (let i = 0; i < 1000; i++) sum += memory.readU8(workerData.page) + view[workerData.page]
        if (sum === 0) parentPort.postMessage(view[0])
        else setImmediate(look)
      }
      parentPort.postMessage('ready')
      look()`,
      { eval: true, workerData: { ticket: memory.share(), page } },
    )
    await once(worker, 'message')
    memory.discard(page, page)
    const [other] = (await once(worker, 'message')) as [number]
    t.is(other, 1, name)
    await worker.terminate()
  }
})

tracked('who tracks writes sees that memory was given back', (t) => {
  for (const { name, page, map } of kindsHere(t)) {
    const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(map(t, 8).mapping, 0)])
    memory.fill(1, 0, 8 * page)
    const tracker = memory.trackWrites()
    tracker.harvest()
    memory.discard(2 * page, 2 * page)
    t.deepEqual(tracker.harvest(), [[BigInt(2 * page), 2 * page]], name)
    tracker.dispose()
  }
})
