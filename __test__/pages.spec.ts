// Where memory has data, and how much of it is in the host's memory. Linux, as the rest of what this is made of.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
  memfdCreate,
  pageSize,
} from '../index.js'
import { file, kindsHere, memfd, raw } from './mapping-kinds.js'
import { refuses } from './refusal.js'

const PAGE = pageSize()
const GIB = 2 ** 30
const READ_WRITE = PROT_READ | PROT_WRITE

/** Pages by their number, as ranges. */
function rangesOf(pages: Iterable<number>, page: number): [number, number][] {
  const ranges: [number, number][] = []
  for (const each of [...new Set(pages)].toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last !== undefined && last[0] + last[1] === each * page) last[1] += page
    else ranges.push([each * page, page])
  }
  return ranges
}

test('a page of a mapping is one of the host, or a huge one', (t) => {
  for (const kind of kindsHere(t)) t.is(kind.map(t, 2).mapping.pageSize, kind.page, kind.name)
  t.is(GuestRegionMmap.fromRange(0, 100).pageSize, PAGE)
  if (process.platform !== 'linux') return
  // Without such pages in the pool, too: none is taken.
  const flags = MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE | MAP_HUGETLB
  for (const exponent of [21, 30]) {
    if (!fs.existsSync(`/sys/kernel/mm/hugepages/hugepages-${2 ** (exponent - 10)}kB`)) continue
    t.is(MmapRegion.build(null, 2 ** exponent, READ_WRITE, flags | (exponent << 26)).pageSize, 2 ** exponent)
  }
})

test('there is data where something was written, in mappings of every kind', (t) => {
  for (const { name, page, map } of kindsHere(t)) {
    const { mapping } = map(t, 8)
    t.deepEqual(mapping.dataRanges(), [], name)
    const view = mapping.asUint8Array()
    view[page * 2 + 5] = 1
    view[page * 3] = 1
    view[page * 6 - 1] = 1
    t.deepEqual(mapping.dataRanges(), rangesOf([2, 3, 5], page), name)
    new GuestRegionMmap(mapping, page).writeU8(7, page * 7)
    t.deepEqual(mapping.dataRanges(), rangesOf([2, 3, 5, 7], page), name)
  }
})

test('what others have written is data, too', (t) => {
  for (const [name, fd, flags] of [
    ['memfd', memfd(t, 8 * PAGE), MAP_SHARED],
    ['file', file(t, 8 * PAGE), MAP_SHARED],
    ['private file', file(t, 8 * PAGE), MAP_PRIVATE],
  ] as const) {
    const mapping = MmapRegion.build(new FileOffset(fd, PAGE), 6 * PAGE, READ_WRITE, flags)
    const other = MmapRegion.build(new FileOffset(fd, 0), 8 * PAGE, READ_WRITE, MAP_SHARED)
    other.asUint8Array()[3 * PAGE] = 1
    fs.writeSync(fd, Buffer.of(1), 0, 1, 5 * PAGE)
    // Outside of the mapping.
    fs.writeSync(fd, Buffer.of(1), 0, 1, 7 * PAGE)
    mapping.asUint8Array()[0] = 1
    t.deepEqual(mapping.dataRanges(), rangesOf([0, 2, 4], PAGE), name)
    // The kernel may have read more of a file on a disk than anybody asked for.
    if (name === 'memfd') t.is(mapping.residentSize, 3 * PAGE)
    else t.true(mapping.residentSize >= 3 * PAGE, name)
  }
})

test('the last range ends where the mapping does', (t) => {
  for (const mapping of [
    new MmapRegion(PAGE + 100),
    MmapRegion.build(new FileOffset(memfd(t, PAGE + 100), 0), PAGE + 100, READ_WRITE, MAP_SHARED),
  ]) {
    mapping.asUint8Array().fill(1)
    t.deepEqual(mapping.dataRanges(), [[0, PAGE + 100]])
    t.is(mapping.residentSize, PAGE + 100)
  }
})

test('memory tells its data by guest address, and joins nothing across regions', (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [PAGE, 2 * PAGE],
    [3 * PAGE, 2 * PAGE],
    [2 ** 40, 2 * PAGE],
  ])
  memory.fill(1, 2 * PAGE, 2 * PAGE)
  memory.writeU8(1, 2 ** 40)
  const expected: [bigint, number][] = [
    [BigInt(2 * PAGE), PAGE],
    [BigInt(3 * PAGE), PAGE],
    [2n ** 40n, PAGE],
  ]
  t.deepEqual(memory.dataRanges(), expected)
  const guard = new GuestMemoryAtomic(memory).memory()
  t.deepEqual(guard.dataRanges(), expected)
  guard.dispose()
  t.throws(() => guard.dataRanges(), { code: 'ERR_DISPOSED' })
  t.deepEqual(new GuestMemoryMmap().dataRanges(), [])
})

test('what was only read is no data, and not in memory', (t) => {
  const mapping = new MmapRegion(64 * PAGE)
  const view = mapping.asUint8Array()
  for (let at = 0; at < view.length; at += PAGE) t.is(view[at], 0)
  t.deepEqual(mapping.dataRanges(), [])
  t.is(mapping.residentSize, 0)
})

test('to ask takes no memory, however much there may be', (t) => {
  const size = 64 * GIB
  const fd = memfd(t, size)
  const shared = GuestRegionMmap.fromRange(0, size, new FileOffset(fd, 0))
  const anonymous = GuestRegionMmap.fromRange(0, size)
  for (const region of [shared, anonymous]) {
    region.writeU8(1, size - 1)
    region.writeU8(1, size / 2)
    const before = fs.fstatSync(fd).blocks
    t.deepEqual(region.dataRanges(), [
      [size / 2, PAGE],
      [size - PAGE, PAGE],
    ])
    t.is(region.residentSize, 2 * PAGE)
    t.is(fs.fstatSync(fd).blocks, before)
  }
})

test('the cursor of the file stays where it is', (t) => {
  const fd = file(t, 4 * PAGE)
  const region = MmapRegion.fromFile(new FileOffset(fd, 0), 4 * PAGE)
  fs.writeSync(fd, Buffer.from('before'))
  region.dataRanges()
  void region.residentSize
  fs.writeSync(fd, Buffer.from(', behind'))
  t.is(Buffer.from(region.asUint8Array(0, 14)).toString(), 'before, behind')
})

test('more than one answer of the kernel makes one answer', (t) => {
  // The kernel is asked for 4096 ranges at a time.
  const pages = 3 * 8192 + 2
  for (const mapping of [
    new MmapRegion(pages * PAGE),
    MmapRegion.build(new FileOffset(memfd(t, pages * PAGE), 0), pages * PAGE, READ_WRITE, MAP_SHARED),
  ]) {
    const view = mapping.asUint8Array()
    const written = Array.from({ length: pages / 2 }, (_, index) => 2 * index)
    for (const page of written) view[page * PAGE] = 1
    t.deepEqual(mapping.dataRanges(), rangesOf(written, PAGE))
    t.is(mapping.residentSize, written.length * PAGE)
  }
})

test('a file that was cut off has no data behind its end', (t) => {
  const fd = memfd(t, 4 * PAGE, { seal: false })
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), 4 * PAGE)
  mapping.asUint8Array().fill(1)
  fs.ftruncateSync(fd, PAGE)
  t.deepEqual(mapping.dataRanges(), [[0, PAGE]])
  t.is(mapping.residentSize, PAGE)
})

test('of what other code has mapped nobody knows anything, so all is data', (t) => {
  const mapping = new MmapRegion(4 * PAGE)
  t.deepEqual(raw(mapping).dataRanges(), [[0, 4 * PAGE]])
  mapping.asUint8Array()[0] = 1
  t.is(raw(mapping).residentSize, PAGE)
})

test('memory that nobody may read or write can be asked, too', (t) => {
  const mapping = MmapRegion.build(null, 4 * PAGE, 0, MAP_ANONYMOUS | MAP_PRIVATE)
  t.deepEqual(mapping.dataRanges(), [])
  t.is(mapping.residentSize, 0)
})

// A model: random writes by everything that can write, against what the kernel says.
test('data is exactly what was written, whatever has written it', (t) => {
  let seed = 0x2545f491
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  for (const { name, page, fd, mapping } of kindsHere(t, 128).map((kind) => ({ ...kind, ...kind.map(t, 32) }))) {
    const region = new GuestRegionMmap(mapping, 2n ** 33n)
    const view = region.asUint8Array()
    const written = new Set<number>()
    for (let round = 0; round < 60; round += 1) {
      const at = random(32 * page - 8)
      const ways: (() => number)[] = [
        () => ((view[at] = 7), 1),
        () => (region.writeU8(7, at), 1),
        () => (region.fill(7, at, 8), 8),
        () => (region.writeSlice(new Uint8Array(3).fill(7), at), 3),
        () => (region.discard(Math.floor(at / page) * page, page), 0),
      ]
      if (fd !== undefined && mapping.flags & MAP_SHARED && page === PAGE) {
        ways.push(() => fs.writeSync(fd, Buffer.of(7, 7), 0, 2, at))
      }
      const count = (ways[random(ways.length)] as () => number)()
      if (count === 0) written.delete(Math.floor(at / page))
      for (let each = at; each < at + count; each += 1) written.add(Math.floor(each / page))
      if (round % 10 === 9) t.deepEqual(region.dataRanges(), rangesOf(written, page), name)
    }
    // What took the place of huge pages is made of small ones.
    if (name === 'huge pages of a memfd, private') t.true(region.residentSize <= written.size * page)
    else if (name.startsWith('file')) t.true(region.residentSize >= written.size * page, name)
    else t.is(region.residentSize, written.size * page, name)
  }
})

test('what was written to private mappings of files is told', (t) => {
  const fd = file(t, 16 * PAGE)
  fs.writeSync(fd, Buffer.alloc(8 * PAGE, 0x5a))
  const region = (start: number, guest: number): GuestRegionMmap =>
    new GuestRegionMmap(MmapRegion.build(new FileOffset(fd, start), 8 * PAGE, READ_WRITE, MAP_PRIVATE), guest)
  const memory = GuestMemoryMmap.fromRegions([region(0, 0), region(8 * PAGE, 8 * PAGE)])
  t.deepEqual(memory.changedRanges(), [])
  memory.readSlice(new Uint8Array(16 * PAGE), 0)
  t.deepEqual(memory.changedRanges(), [])
  memory.fill(1, 7 * PAGE, 2 * PAGE)
  memory.views(2 * PAGE, 1)[0]?.fill(0x5a)
  t.deepEqual(memory.changedRanges(), [
    [BigInt(2 * PAGE), PAGE],
    [BigInt(7 * PAGE), PAGE],
    [BigInt(8 * PAGE), PAGE],
  ])
  // Zeros are what the file does not have.
  memory.discard(0, PAGE)
  memory.discard(7 * PAGE, PAGE)
  t.deepEqual(memory.changedRanges(), [
    [0n, PAGE],
    [BigInt(2 * PAGE), PAGE],
    [BigInt(7 * PAGE), PAGE],
    [BigInt(8 * PAGE), PAGE],
  ])
  t.deepEqual(new GuestMemoryMmap().changedRanges(), [])
})

test('what was written to other memory is not', (t) => {
  const region = new GuestRegionMmap(MmapRegion.build(new FileOffset(file(t, PAGE), 0), PAGE, 3, MAP_PRIVATE), 0)
  for (const other of [
    GuestRegionMmap.fromRange(PAGE, PAGE),
    GuestRegionMmap.fromRange(PAGE, PAGE, new FileOffset(memfdCreate('other', PAGE), 0)),
  ]) {
    const memory = GuestMemoryMmap.fromRegions([region, other])
    refuses(t, () => memory.changedRanges(), { name: 'Error', code: 'ERR_UNSUPPORTED' })
  }
})
