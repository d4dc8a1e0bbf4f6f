// Memory saved to files and restored: what is in the file, and what is not. Linux only.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
  type SnapshotTable,
  memfdCreate,
} from '../index.js'
import { file, kindsHere, memfd, raw } from './mapping-kinds.js'
import { refuses } from './refusal.js'
import { PAGE, allocated, bytesOf, contentOf, emptyFile, refused } from './snapshot-files.js'

const READ_WRITE = PROT_READ | PROT_WRITE
const BASE = 0x1_0000

const NOT_SAVED = { name: 'Error', code: 'ERR_SNAPSHOT' }

test('what is saved is what is restored, of mappings of every kind', async (t) => {
  for (const { name, page, map } of kindsHere(t)) {
    const { mapping } = map(t, 8)
    const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, BASE)])
    memory.fill(1, BASE + page, page)
    memory.writeU8(2, BASE + 5 * page - 1)
    memory.writeU8(3, BASE + 8 * page - 1)
    // Written, and zero all the same.
    memory.fill(0, BASE + 6 * page, PAGE)
    const { fd } = emptyFile(t)

    const { table, written } = await memory.save(fd)

    t.deepEqual(table, { regions: [{ start: '0x10000', size: 8 * page, offset: 0 }] }, name)
    t.deepEqual(JSON.parse(JSON.stringify(table)), table)
    t.is(written, page + 2 * PAGE, name)
    t.is(fs.fstatSync(fd).size, 8 * page)
    t.is(allocated(fd), written, name)
    const content = bytesOf(memory)
    t.deepEqual(contentOf(fd), content, name)

    const restored = GuestMemoryMmap.fromSnapshot(fd, table)
    t.deepEqual(bytesOf(restored), content, name)
    t.deepEqual(restored.changedRanges(), [])
    const copy = GuestMemoryMmap.fromSnapshot(fd, table, { copy: true })
    t.deepEqual(bytesOf(copy), content, name)
    t.is(
      copy.dataRanges().reduce((sum, [, count]) => sum + count, 0),
      written,
      name,
    )
    refuses(t, () => copy.changedRanges(), { name: 'Error', code: 'ERR_UNSUPPORTED' })
  }
})

test('what other code has mapped is saved as well', async (t) => {
  const mapping = new MmapRegion(4 * PAGE)
  mapping.asUint8Array()[2 * PAGE] = 1
  const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(raw(mapping), 0)])
  const { fd } = emptyFile(t)
  t.is((await memory.save(fd)).written, PAGE)
  t.deepEqual(contentOf(fd), bytesOf(memory))
})

test('regions lie one after the other by address, each from a page on', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0x123, PAGE + 1],
    [0x10_0000, 2 * PAGE],
    [2n ** 64n - BigInt(3 * PAGE), 2 * PAGE + 7],
  ])
  for (const { startAddr, size } of memory) memory.fill(0x5a, startAddr, size)
  const { fd } = emptyFile(t)
  const saved = await memory.save(fd)
  t.deepEqual(saved, {
    table: {
      regions: [
        { start: '0x123', size: PAGE + 1, offset: 0 },
        { start: '0x100000', size: 2 * PAGE, offset: 2 * PAGE },
        { start: `0x${(2n ** 64n - BigInt(3 * PAGE)).toString(16)}`, size: 2 * PAGE + 7, offset: 4 * PAGE },
      ],
    },
    written: 5 * PAGE + 8,
  })
  const content = contentOf(fd)
  t.is(content.length, 6 * PAGE + 7)
  t.true(content.subarray(0, PAGE + 1).every((byte) => byte === 0x5a))
  t.true(content.subarray(PAGE + 1, 2 * PAGE).every((byte) => byte === 0))
  t.true(content.subarray(2 * PAGE).every((byte) => byte === 0x5a))
  for (const copy of [false, true]) {
    t.deepEqual(bytesOf(GuestMemoryMmap.fromSnapshot(fd, saved.table, { copy })), bytesOf(memory))
  }
})

test('no memory is the smallest of all', async (t) => {
  const { fd } = emptyFile(t)
  fs.writeSync(fd, 'stays')
  const saved = await new GuestMemoryMmap().save(fd, { offset: 8 * PAGE })
  t.deepEqual(saved, { table: { regions: [] }, written: 0 })
  t.is(contentOf(fd).toString(), 'stays')
  t.is(GuestMemoryMmap.fromSnapshot(fd, saved.table).numRegions, 0)
})

test('bytes before and behind the part stay, and what was in it is gone', async (t) => {
  for (const open of [() => emptyFile(t).fd, () => memfd(t, 0, { seal: false })]) {
    const fd = open()
    fs.writeSync(fd, Buffer.alloc(8 * PAGE, 0xee), 0, 8 * PAGE, 0)
    fs.readSync(fd, Buffer.alloc(77))
    const memory = GuestMemoryMmap.fromRanges([
      [0, PAGE + 100],
      [0x10_0000, PAGE + 200],
    ])
    memory.writeU8(7, 0)
    const { table, written } = await memory.save(fd, { offset: BigInt(2 * PAGE) })
    t.is(written, PAGE)
    t.deepEqual(
      table.regions.map(({ offset }) => offset),
      [2 * PAGE, 4 * PAGE],
    )
    const expected = Buffer.alloc(8 * PAGE, 0xee)
    expected.fill(0, 2 * PAGE, 5 * PAGE + 200)
    expected[2 * PAGE] = 7
    t.deepEqual(contentOf(fd), expected)
    // The cursor is where it was, too.
    GuestMemoryMmap.fromSnapshot(fd, table)
    GuestMemoryMmap.fromSnapshot(fd, table, { copy: true })
    t.is(fs.readSync(fd, Buffer.alloc(8 * PAGE)), 8 * PAGE - 77)
  }
})

test('an older snapshot of the same place leaves nothing', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 16 * PAGE]])
  const { fd } = emptyFile(t)
  memory.fill(1, 0, 16 * PAGE)
  await memory.save(fd)
  t.is(allocated(fd), 16 * PAGE)
  memory.discard(0, 8 * PAGE)
  memory.fill(0, 8 * PAGE, 4 * PAGE)
  t.is((await memory.save(fd)).written, 4 * PAGE)
  t.deepEqual(contentOf(fd), bytesOf(memory))
  t.is(allocated(fd), 4 * PAGE)
})

test('what was never touched takes no memory, and a sparse one no time', async (t) => {
  const SIZE = 2 ** 36
  const fd = memfdCreate('sparse', SIZE)
  t.teardown(() => fs.closeSync(fd))
  const memory = GuestMemoryMmap.fromRanges([
    [0, SIZE, new FileOffset(fd, 0)],
    [2 ** 40, SIZE],
  ])
  memory.writeU8(1, SIZE / 2)
  memory.writeU8(2, 2 ** 40 + SIZE / 2)
  const target = emptyFile(t).fd
  const { written, table } = await memory.save(target)
  t.is(written, 2 * PAGE)
  t.is(fs.fstatSync(target).size, 2 * SIZE)
  t.is(allocated(fd), PAGE)
  for (const region of memory) t.is(region.residentSize, PAGE)
  const restored = GuestMemoryMmap.fromSnapshot(target, table)
  t.is(restored.readU8(SIZE / 2), 1)
  t.is(restored.readU8(2 ** 40 + SIZE / 2), 2)
})

test('a restored map is copy-on-write: it tells what was written, and the file does not change', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 4 * PAGE],
    [4 * PAGE, 4 * PAGE],
  ])
  memory.fill(1, 0, 8 * PAGE)
  const { fd, name } = emptyFile(t)
  const { table } = await memory.save(fd)
  const before = contentOf(fd)
  // To read is enough, and the descriptor is done with.
  const readOnly = fs.openSync(name, 'r')
  const restored = GuestMemoryMmap.fromSnapshot({ fd: readOnly }, table, { bitmap: true })
  fs.closeSync(readOnly)
  restored.writeU8(1, 3 * PAGE)
  restored.fill(9, 5 * PAGE, PAGE)
  restored.discard(7 * PAGE, PAGE)
  t.deepEqual(restored.changedRanges(), [
    [BigInt(3 * PAGE), PAGE],
    [BigInt(5 * PAGE), PAGE],
    [BigInt(7 * PAGE), PAGE],
  ])
  t.deepEqual(restored.dirtyRanges(), restored.changedRanges())
  t.deepEqual(contentOf(fd), before)
  t.is(restored.readU8(7 * PAGE), 0)
  // It can be saved again, elsewhere.
  const second = emptyFile(t).fd
  t.is((await restored.save(second)).written, 7 * PAGE)
  t.deepEqual(contentOf(second), bytesOf(restored))
})

test('options of mappings are those of all mappings', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 2 * PAGE]])
  memory.writeU8(1, PAGE)
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  for (const copy of [undefined, false, true]) {
    const plain = GuestMemoryMmap.fromSnapshot(fd, table, { copy }).findRegion(0)
    t.deepEqual([plain?.bitmap, plain?.recoverFaults], [null, false])
    const full = GuestMemoryMmap.fromSnapshot(fd, table, { copy, bitmap: true, recoverFaults: true }).findRegion(0)
    t.deepEqual([full?.recoverFaults, full?.bitmap?.dirtyAt(PAGE)], [true, false])
    t.is(full?.readU8(PAGE), 1)
  }
  for (const options of [null, 1, { copy: 1 }, { copy: null }, { bitmap: 1 }, { recoverFaults: 'yes' }]) {
    const call = (): GuestMemoryMmap => GuestMemoryMmap.fromSnapshot(fd, table, options as object)
    refuses(t, call, { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('a guard is saved as its map is', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  memory.writeU8(1, 0)
  const guard = new GuestMemoryAtomic(memory).memory()
  const { fd } = emptyFile(t)
  const { table, written } = await guard.save(fd)
  t.is(written, PAGE)
  t.is((await guard.saveRanges(fd, table, [[0, PAGE]])).written, PAGE)
  const last = guard.save(fd)
  guard.dispose()
  t.is((await last).written, PAGE)
  t.is((await refused(guard.save(fd))).code, 'ERR_DISPOSED')
  t.is((await refused(guard.saveRanges(fd, table, []))).code, 'ERR_DISPOSED')
})

test('a file that the memory is mapped from is refused, by whatever descriptor', async (t) => {
  for (const open of [file, memfd]) {
    for (const flags of [MAP_SHARED, MAP_PRIVATE]) {
      const fd = open(t, 4 * PAGE)
      const mapping = MmapRegion.build(new FileOffset(fd, PAGE), 2 * PAGE, READ_WRITE, flags)
      mapping.asUint8Array().fill(1)
      const memory = GuestMemoryMmap.fromRegions([
        GuestRegionMmap.fromRange(0, PAGE),
        new GuestRegionMmap(mapping, 16 * PAGE),
      ])
      const again = fs.openSync(`/proc/self/fd/${fd}`, 'r+')
      t.teardown(() => fs.closeSync(again))
      const table: SnapshotTable = {
        regions: [
          { start: '0x0', size: PAGE, offset: 0 },
          { start: `0x${(16 * PAGE).toString(16)}`, size: 2 * PAGE, offset: PAGE },
        ],
      }
      const before = contentOf(fd)
      for (const target of [fd, again, new FileOffset(fd, 0)]) {
        t.like(await refused(memory.save(target, { offset: 64 * PAGE })), NOT_SAVED)
        t.like(await refused(memory.saveRanges(target, table, [[0, PAGE]])), NOT_SAVED)
      }
      t.deepEqual(contentOf(fd), before)
    }
  }
  const { fd } = emptyFile(t)
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  const { table } = await memory.save(fd)
  const restored = GuestMemoryMmap.fromSnapshot(fd, table)
  t.like(await refused(restored.save(fd)), NOT_SAVED)
  t.like(await refused(restored.saveRanges(fd, table, restored.changedRanges())), NOT_SAVED)
  t.is((await GuestMemoryMmap.fromSnapshot(fd, table, { copy: true }).save(fd)).written, 0)
})

test('a file that is open for appending is written where it should be', async (t) => {
  const { fd, name } = emptyFile(t, 'a+')
  fs.writeSync(fd, Buffer.alloc(2 * PAGE, 0xee))
  const memory = GuestMemoryMmap.fromRanges([[0, 2 * PAGE]])
  memory.writeU8(1, PAGE)
  const { table } = await memory.save(fd)
  t.deepEqual(contentOf(fd), bytesOf(memory))
  memory.writeU8(2, 0)
  await memory.saveRanges(fd, table, [[0, PAGE]])
  t.deepEqual(contentOf(fd), bytesOf(memory))
  fs.appendFileSync(name, 'appended')
  t.is(fs.fstatSync(fd).size, 2 * PAGE + 8)
})

test('descriptors that are of no use are errors, and nothing is written', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  memory.writeU8(1, 0)
  const { fd, name } = emptyFile(t)
  const { table } = await memory.save(fd)
  const before = contentOf(fd)
  memory.writeU8(2, 0)
  const readOnly = fs.openSync(name, 'r')
  const writeOnly = fs.openSync(name, fs.constants.O_WRONLY)
  t.teardown(() => [readOnly, writeOnly].forEach((each) => fs.closeSync(each)))
  const EBADF = { name: 'GuestMemoryError', code: 'ERR_IO', errno: 9 }
  for (const bad of [readOnly, 2 ** 31 - 1]) {
    t.like(await refused(memory.save(bad)), EBADF)
    t.like(await refused(memory.saveRanges(bad, table, [[0, PAGE]])), EBADF)
  }
  for (const copy of [false, true]) {
    refuses(t, () => GuestMemoryMmap.fromSnapshot(writeOnly, table, { copy }), EBADF)
    refuses(t, () => GuestMemoryMmap.fromSnapshot(2 ** 31 - 1, table, { copy }), EBADF)
  }
  t.deepEqual(contentOf(fd), before)
  await memory.save(writeOnly)
  t.is(contentOf(fd)[0], 2)
  for (const bad of [-1, 1.5, NaN, 2 ** 31, '1', null, undefined, {}, { fd: '1' }, 1n, () => 1]) {
    for (const error of [
      await refused(memory.save(bad as number)),
      await refused(memory.saveRanges(bad as number, table, [])),
      t.throws(() => GuestMemoryMmap.fromSnapshot(bad as number, table)) as Error & { code: string },
    ]) {
      t.regex(error.code as string, /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/)
    }
  }
})

test('options are checked', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  const wrong: [object, string][] = [
    [{ offset: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ offset: PAGE + 512 }, 'ERR_OUT_OF_RANGE'],
    [{ offset: -PAGE }, 'ERR_OUT_OF_RANGE'],
    [{ offset: 2n ** 63n - BigInt(PAGE) }, 'ERR_OUT_OF_RANGE'],
    [{ offset: 2n ** 64n - BigInt(PAGE) }, 'ERR_OUT_OF_RANGE'],
    [{ offset: '0' }, 'ERR_INVALID_ARG_TYPE'],
    [{ offset: null }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) t.is((await refused(memory.save(fd, options))).code, code)
  const both: unknown[] = [null, 1, 'x', { onProgress: 1 }, { onProgress: null }, { signal: {} }, { signal: null }]
  for (const options of both) {
    t.is((await refused(memory.save(fd, options as object))).code, 'ERR_INVALID_ARG_TYPE')
    t.is((await refused(memory.saveRanges(fd, table, [], options as object))).code, 'ERR_INVALID_ARG_TYPE')
  }
  await memory.save(fd, { offset: undefined, onProgress: undefined, signal: undefined })
})

test('a table is checked against itself, the file and the map before anything is touched', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 2 * PAGE],
    [0x10_0000, 2 * PAGE],
  ])
  memory.fill(1, 0, 2 * PAGE)
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  const before = contentOf(fd)
  memory.fill(2, 0, 2 * PAGE)
  const [first, second] = table.regions as [SnapshotTable['regions'][number], SnapshotTable['regions'][number]]
  const ill: Record<string, SnapshotTable['regions']> = {
    unsorted: [second, first],
    twice: [first, first],
    'overlapping in addresses': [first, { ...second, start: '0x1000' }],
    'overlapping in the file': [first, { ...second, offset: PAGE }],
    'at the same place of the file': [first, { ...second, offset: 0 }],
    'of no size': [first, { ...second, size: 0 }],
    'beyond the file': [first, { ...second, offset: 4 * PAGE }],
    'a byte beyond the file': [first, { ...second, size: 2 * PAGE + 1 }],
    'far beyond the file': [first, { ...second, offset: 2 ** 52 }],
    'of absurd size': [first, { ...second, size: 2 ** 52 }],
    'at no page': [first, { ...second, size: PAGE, offset: 2 * PAGE + 512 }],
    'beyond the last address': [first, { ...second, start: '0xffffffffffffffff' }],
  }
  for (const [what, regions] of Object.entries(ill)) {
    for (const copy of [false, true]) {
      const error = t.throws(() => GuestMemoryMmap.fromSnapshot(fd, { regions }, { copy }), undefined, what)
      t.like(error, NOT_SAVED, what)
    }
    t.like(await refused(memory.saveRanges(fd, { regions }, [[0, PAGE]])), NOT_SAVED, what)
  }
  // Good tables, of another memory.
  const other: Record<string, SnapshotTable['regions']> = {
    'a region less': [first],
    'no region': [],
    'another start': [first, { ...second, start: '0x200000' }],
    'another size': [first, { ...second, size: PAGE }],
    'a region more': [first, { start: '0x2000', size: 1, offset: 0x1000 * PAGE }, second],
  }
  for (const [what, regions] of Object.entries(other)) {
    t.like(await refused(memory.saveRanges(fd, { regions }, [[0, PAGE]])), NOT_SAVED, what)
  }
  const wrong: [unknown, string][] = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [[first], 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [null] }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [['0x0', PAGE, 0]] }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [{ ...first, start: 0 }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [{ ...first, start: 0n }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [{ ...first, size: `${PAGE}` }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [{ ...first, offset: undefined }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ regions: [{ ...first, start: '0' }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, start: '0x' }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, start: '0x+1' }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, start: '0x10000000000000000' }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, start: `0x${'0'.repeat(1000)}` }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, size: -1 }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, size: 1.5 }] }, 'ERR_OUT_OF_RANGE'],
    [{ regions: [{ ...first, offset: NaN }] }, 'ERR_OUT_OF_RANGE'],
  ]
  for (const [table, code] of wrong) {
    const error = t.throws(() => GuestMemoryMmap.fromSnapshot(fd, table as SnapshotTable)) as NodeJS.ErrnoException
    t.is(error.code, code)
    t.is((await refused(memory.saveRanges(fd, table as SnapshotTable, [[0, PAGE]]))).code, code)
  }
  t.deepEqual(contentOf(fd), before)
  t.is(fs.fstatSync(fd).size, 4 * PAGE)
})

test('regions may lie anywhere in the file', (t) => {
  const { fd } = emptyFile(t)
  const content = Buffer.concat([3, 1, 2].map((byte) => Buffer.alloc(PAGE, byte)))
  fs.writeSync(fd, content)
  const restored = GuestMemoryMmap.fromSnapshot(fd, {
    regions: [
      { start: '0x0', size: PAGE, offset: PAGE },
      { start: '0xABC000', size: PAGE, offset: 2 * PAGE },
      { start: '0xfffff000', size: PAGE, offset: 0 },
    ],
  })
  t.deepEqual(
    [...restored].map((region) => [region.startAddr, region.readU8(0)]),
    [
      [0n, 1],
      [0xabc000n, 2],
      [0xfffff000n, 3],
    ],
  )
})

// ------------------------------------------------------------------------------------------------ Firecracker

/**
 * What Firecracker makes of guest memory: below the gap of 32-bit devices and from 4 GiB on, one after the other in one file,
 * pages that were not written left out.
 */
const FIRECRACKER = [
  { start: 0n, size: 64 * PAGE },
  { start: 0x1_0000_0000n, size: 32 * PAGE },
]

test('a file of Firecracker is read', (t) => {
  const { fd } = emptyFile(t)
  fs.ftruncateSync(fd, 96 * PAGE)
  fs.writeSync(fd, Buffer.alloc(PAGE, 1), 0, PAGE, 5 * PAGE)
  fs.writeSync(fd, Buffer.alloc(PAGE, 2), 0, PAGE, (64 + 7) * PAGE)
  let offset = 0
  const regions = FIRECRACKER.map(({ start, size }) => {
    const region = { start: `0x${start.toString(16)}`, size, offset }
    offset += size
    return region
  })
  const memory = GuestMemoryMmap.fromSnapshot(fd, { regions })
  t.is(memory.readU8(5 * PAGE), 1)
  t.is(memory.readU8(6 * PAGE), 0)
  t.is(memory.readU8(0x1_0000_0000n + BigInt(7 * PAGE)), 2)
  t.deepEqual(memory.dataRanges(), [
    [BigInt(5 * PAGE), PAGE],
    [0x1_0000_0000n + BigInt(7 * PAGE), PAGE],
  ])
})

test('Firecracker would read what is saved', async (t) => {
  const memory = GuestMemoryMmap.fromRanges(FIRECRACKER.map(({ start, size }) => [start, size]))
  memory.fill(1, 5 * PAGE, PAGE)
  memory.fill(2, 0x1_0000_0000n + BigInt(7 * PAGE), PAGE)
  const { fd, name } = emptyFile(t)
  await memory.save(fd)
  const expected = Buffer.alloc(96 * PAGE)
  expected.fill(1, 5 * PAGE, 6 * PAGE)
  expected.fill(2, 71 * PAGE, 72 * PAGE)
  t.deepEqual(fs.readFileSync(name), expected)
  t.is(allocated(fd), 2 * PAGE)
})
