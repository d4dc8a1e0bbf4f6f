// `saveRanges`, and what tells it what to save: against a model of the bytes and the pages that were written. Linux only.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_PRIVATE,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
} from '../index.js'
import { file, kindsHere, memfd } from './mapping-kinds.js'
import { PAGE, allocated, bytesOf, contentOf, emptyFile, refused } from './snapshot-files.js'
import { tracked } from './write-tracking.js'

type Ranges = [addr: bigint, count: number][]

/** Numbers that look random, the same for a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** The pages of ranges, numbered from the start of memory. */
const pagesOf = (ranges: Ranges): number[] =>
  ranges.flatMap(([addr, count]) =>
    Array.from({ length: Math.ceil(count / PAGE) }, (_, page) => Number(addr) / PAGE + page),
  )

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

test('random writes: what is told as data, as changed, and what is saved', async (t) => {
  const PAGES = 48
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = numbers(seed)
    // One region of each kind of memory that is restored, which touch.
    const original = GuestMemoryMmap.fromRanges([
      [0, 16 * PAGE],
      [16 * PAGE, 16 * PAGE, new FileOffset(memfd(t, 16 * PAGE), 0)],
      [32 * PAGE, 16 * PAGE, new FileOffset(file(t, 16 * PAGE), 0)],
    ])
    const write = (memory: GuestMemoryMmap, written: Set<number>): void => {
      const page = random(PAGES)
      const count = Math.min(1 + random(3 * PAGE), PAGES * PAGE - page * PAGE)
      memory.fill(random(3) === 0 ? 0 : 1 + random(255), page * PAGE, count)
      for (let each = page; each * PAGE < page * PAGE + count; each += 1) written.add(each)
    }
    const touched = new Set<number>()
    for (let round = 0; round < 8; round += 1) write(original, touched)
    // First: to read is to touch.
    const data = pagesOf(original.dataRanges())
    const content = bytesOf(original)
    t.deepEqual(
      data.filter((page) => !touched.has(page)),
      [],
      `seed ${seed}`,
    )
    for (let page = 0; page < PAGES; page += 1) {
      if (!data.includes(page)) t.true(isZero(content.subarray(page * PAGE, (page + 1) * PAGE)), `seed ${seed}`)
    }

    const { fd, name } = emptyFile(t)
    const { table } = await original.save(fd)
    t.deepEqual(contentOf(fd), content, `seed ${seed}`)

    const restored = GuestMemoryMmap.fromSnapshot(fd, table, { bitmap: true })
    const changed = new Set<number>()
    for (let round = 0; round < 6; round += 1) write(restored, changed)
    const from = random(PAGES - 4)
    restored.discard(from * PAGE, 2 * PAGE)
    changed.add(from).add(from + 1)
    const expected = [...changed].toSorted((a, b) => a - b)
    t.deepEqual(pagesOf(restored.changedRanges()), expected, `seed ${seed}`)
    t.deepEqual(pagesOf(restored.dirtyRanges()), expected, `seed ${seed}`)

    // Over a copy of the snapshot, those pages make it what memory is.
    fs.copyFileSync(name, `${name}.next`)
    const next = fs.openSync(`${name}.next`, 'r+')
    const ranges = random(2) === 0 ? restored.changedRanges() : restored.dirtyRanges({ reset: true })
    // In any order, and some of them twice.
    const shuffled = [...ranges, ...ranges.slice(0, 2)].toReversed()
    const result = await restored.saveRanges(next, table, shuffled)
    const now = bytesOf(restored)
    t.deepEqual(contentOf(next), now, `seed ${seed}`)
    const notZero = expected.filter((page) => !isZero(now.subarray(page * PAGE, (page + 1) * PAGE)))
    t.deepEqual(result, { table, written: notZero.length * PAGE }, `seed ${seed}`)
    fs.closeSync(next)
  }
})

test('ranges of mappings of every kind', async (t) => {
  for (const { name, page, map } of kindsHere(t)) {
    const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(map(t, 6).mapping, 0x1234)])
    memory.fill(1, 0x1234, 6 * page)
    const { fd } = emptyFile(t)
    const { table } = await memory.save(fd)
    memory.fill(2, 0x1234 + page, page)
    memory.discard(0x1234 + 3 * page, page)
    memory.fill(3, 0x1234 + 5 * page, page)
    const { written } = await memory.saveRanges(fd, table, [
      [0x1234 + page, page],
      [BigInt(0x1234 + 3 * page), BigInt(page)],
    ])
    t.is(written, page, name)
    const expected = bytesOf(memory)
    expected.fill(1, 5 * page)
    t.deepEqual(contentOf(fd), expected, name)
    t.is(allocated(fd), 5 * page, name)
  }
})

test('zeros become holes, whatever was there', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 16 * PAGE]])
  memory.fill(1, 0, 16 * PAGE)
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  memory.fill(0, 4 * PAGE, 8 * PAGE)
  t.is((await memory.saveRanges(fd, table, [[2 * PAGE, 8 * PAGE]])).written, 2 * PAGE)
  t.is(allocated(fd), 10 * PAGE)
  t.is(fs.fstatSync(fd).size, 16 * PAGE)
  // What was never touched is not touched by it either.
  const sparse = GuestMemoryMmap.fromRanges([[0, 16 * PAGE]])
  t.is((await sparse.saveRanges(fd, table, [[0, 16 * PAGE]])).written, 0)
  t.is(allocated(fd), 0)
  t.is(sparse.findRegion(0)?.residentSize, 0)
})

test('anything that is iterated is taken', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 4 * PAGE]])
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  memory.fill(1, 0, 4 * PAGE)
  function* some(): Generator<[number, number]> {
    yield [0, PAGE]
    yield [2 * PAGE, PAGE]
  }
  for (const ranges of [some(), new Set(some()), new Map(some()), [...some()]]) {
    t.is((await memory.saveRanges(fd, table, ranges)).written, 2 * PAGE)
  }
  t.is((await memory.saveRanges(fd, table, [])).written, 0)
  t.is((await memory.saveRanges(fd, table, [[0, 0]])).written, 0)
  const thrown = new Error('no more')
  function* failing(): Generator<[number, number]> {
    yield [PAGE, PAGE]
    throw thrown
  }
  t.is(await refused(memory.saveRanges(fd, table, failing())), thrown as never)
  t.is(contentOf(fd)[PAGE], 0)
})

test('ranges are checked, all of them, before anything is written', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 4 * PAGE],
    [4 * PAGE, 4 * PAGE],
    [0x10_0000, 2 * PAGE + 100],
  ])
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  for (const { startAddr, size } of memory) memory.fill(1, startAddr, size)
  const good = [0, PAGE]
  const wrong: [unknown, string][] = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    ['ab', 'ERR_INVALID_ARG_TYPE'],
    [[good, 1], 'ERR_INVALID_ARG_TYPE'],
    [[good, [0]], 'ERR_INVALID_ARG_TYPE'],
    [[good, [0, PAGE, 1]], 'ERR_INVALID_ARG_TYPE'],
    [[good, ['0', PAGE]], 'ERR_INVALID_ARG_TYPE'],
    [[good, [-1, PAGE]], 'ERR_OUT_OF_RANGE'],
    [[good, [0, 1.5]], 'ERR_OUT_OF_RANGE'],
    [[good, [1, PAGE]], 'ERR_OUT_OF_RANGE'],
    [[good, [0, PAGE - 1]], 'ERR_OUT_OF_RANGE'],
    [[good, [8 * PAGE, PAGE]], 'ERR_INVALID_GUEST_ADDRESS'],
    [[good, [7 * PAGE, 2 * PAGE]], 'ERR_INVALID_GUEST_ADDRESS'],
    [[good, [8 * PAGE, 0]], 'ERR_INVALID_GUEST_ADDRESS'],
    [[good, [0x10_0000 + 2 * PAGE, PAGE]], 'ERR_INVALID_GUEST_ADDRESS'],
  ]
  for (const [ranges, code] of wrong) {
    const error = await refused(memory.saveRanges(fd, table, ranges as Ranges))
    t.is(error.code, code, JSON.stringify(ranges))
  }
  t.true(isZero(contentOf(fd)))
  // Across regions, and to the end of one that is no whole page.
  const { written } = await memory.saveRanges(fd, table, [
    [3 * PAGE, 2 * PAGE],
    [0x10_0000 + 2 * PAGE, 100],
  ])
  t.is(written, 2 * PAGE + 100)
  t.deepEqual(
    [3, 4].map((page) => contentOf(fd)[page * PAGE]),
    [1, 1],
  )
  t.is(contentOf(fd).length, 10 * PAGE + 100)
  t.is(contentOf(fd)[10 * PAGE + 99], 1)
})

test('a snapshot within a larger file keeps what is around it', async (t) => {
  const { fd } = emptyFile(t)
  fs.writeSync(fd, Buffer.alloc(8 * PAGE, 0xee))
  const memory = GuestMemoryMmap.fromRanges([[0, 2 * PAGE]])
  const { table } = await memory.save(fd, { offset: 2 * PAGE })
  memory.writeU8(1, PAGE)
  await memory.saveRanges(fd, table, memory.dataRanges())
  const expected = Buffer.alloc(8 * PAGE, 0xee)
  expected.fill(0, 2 * PAGE, 4 * PAGE)
  expected[3 * PAGE] = 1
  t.deepEqual(contentOf(fd), expected)
})

tracked('a tracker tells what to save', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 16 * PAGE]])
  const tracker = memory.trackWrites()
  const { fd } = emptyFile(t)
  const { table } = await memory.save(fd)
  tracker.harvest()
  memory
    .findRegion(0)
    ?.asUint8Array()
    .fill(1, 3 * PAGE, 5 * PAGE)
  t.is((await memory.saveRanges(fd, table, tracker.harvest())).written, 2 * PAGE)
  t.deepEqual(contentOf(fd), bytesOf(memory))
  // To save is not to write.
  t.deepEqual(tracker.harvest(), [])
  tracker.dispose()
})

test('what is private of a file is saved as it is in memory', async (t) => {
  const fd = file(t, 4 * PAGE)
  fs.writeSync(fd, Buffer.alloc(4 * PAGE, 5), 0, 4 * PAGE, 0)
  const mapping = MmapRegion.build(new FileOffset(fd, 0), 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE)
  const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, 0)])
  memory.fill(6, PAGE, PAGE)
  memory.discard(2 * PAGE, PAGE)
  const target = emptyFile(t).fd
  const { written } = await memory.save(target)
  t.is(written, 3 * PAGE)
  t.deepEqual(contentOf(target), bytesOf(memory))
})
