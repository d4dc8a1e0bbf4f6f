// `fill`: does what `writeSlice` does from as many bytes of one value, and needs no such bytes.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  type ByteAccess,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MmapRegion,
  pageSize,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../index.js'
import { bytesOf, firstRegion, twoRegions } from './memory.js'
import { refuses, refusesArgument } from './refusal.js'

const PAGE = pageSize()
const BASE = 16 * PAGE
const SIZE = 4 * PAGE
/** What is there before. No test fills with it. */
const OLD = 0x5a

interface World {
  regions: GuestRegionMmap[]
  memory: GuestMemoryMmap
  target: ByteAccess<number | bigint>
  /** The address of `target` that is meant by an offset from the start of the memory. */
  at(offset: number): number
}

/** Regions that touch, one behind a hole, and one that is read-only. */
function regions(bitmap: boolean): GuestRegionMmap[] {
  const readable = MmapRegion.build(null, PAGE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, { bitmap })
  return [
    GuestRegionMmap.fromRange(BASE, SIZE, null, { bitmap }),
    GuestRegionMmap.fromRange(BASE + SIZE, SIZE, null, { bitmap }),
    GuestRegionMmap.fromRange(BASE + 3 * SIZE, SIZE, null, { bitmap }),
    new GuestRegionMmap(readable, BASE + 4 * SIZE),
  ]
}

type Kind = (memory: GuestMemoryMmap, first: GuestRegionMmap) => [target: World['target'], start: number]

const KINDS: Record<string, Kind> = {
  'a memory': (memory) => [memory, BASE],
  'a guard': (memory) => [new GuestMemoryAtomic(memory).memory(), BASE],
  'a region': (_memory, first) => [first, 0],
  // Its pages are not those of the bitmap.
  'a slice': (_memory, first) => [first.getSlice(100, SIZE - 100), -100],
}

function newWorld(kind: Kind, bitmap: boolean): World {
  const all = regions(bitmap)
  const memory = GuestMemoryMmap.fromRegions(all)
  const [target, start] = kind(memory, all[0] as GuestRegionMmap)
  for (const region of all.slice(0, 3)) region.writeSlice(new Uint8Array(SIZE).fill(OLD), 0)
  // Often enough for everything that is only made when it is worth it.
  for (let use = 0; use < 64; use += 1) target.writeU8(OLD, start + 200)
  for (const { bitmap } of all) bitmap?.reset()
  return { regions: all, memory, target, at: (offset) => start + offset }
}

/** Bytes as the runs of equal ones: short, and soon compared. */
function runsOf(region: GuestRegionMmap): string[] {
  const bytes = new Uint8Array(region.size)
  region.readSlice(bytes, 0)
  const runs: string[] = []
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    while (end < bytes.length && bytes[end] === bytes[start]) end += 1
    runs.push(`${end - start} of ${bytes[start]}`)
  }
  return runs
}

/** What a call answers, but for its name in errors, and all that it did. */
function outcome({ regions }: World, call: () => unknown): unknown {
  const describe = (error: Error) => ({
    ...error,
    operation: undefined,
    class: error.constructor.name,
    message: error.message,
  })
  let answer: unknown
  try {
    answer = call()
  } catch (error) {
    answer = describe(error as Error)
  }
  return {
    answer,
    bytes: regions.map(runsOf),
    dirty: regions.map(({ bitmap }) => bitmap?.getAndReset().join()),
  }
}

const WITHIN_A_REGION = [0, 1, 99, 100, 101, PAGE - 1, PAGE, 2 * PAGE + 7, SIZE - 3, SIZE - 1]
const OFFSETS = WITHIN_A_REGION.concat(SIZE, SIZE + 1, 2 * SIZE - 1, 2 * SIZE, 3 * SIZE - 1, 3 * SIZE + 5).concat(
  4 * SIZE - 2,
  4 * SIZE,
  5 * SIZE,
)
const COUNTS = [
  0,
  1,
  2,
  7,
  8,
  9,
  100,
  4095,
  4096,
  4097,
  8192,
  8193,
  PAGE,
  SIZE - 101,
  SIZE,
  SIZE + 3,
  2 * SIZE,
  4 * SIZE,
]

for (const [name, kind] of Object.entries(KINDS)) {
  for (const bitmap of [false, true]) {
    test(`fill does to ${name} what writeSlice does, ${bitmap ? 'tracked' : 'not tracked'}`, (t) => {
      const [filled, written] = [newWorld(kind, bitmap), newWorld(kind, bitmap)]
      const answers = new Set<unknown>()
      let value = 0
      for (const offset of OFFSETS) {
        if (filled.at(offset) < 0) continue
        for (const count of COUNTS) {
          do value = (value + 1) % 256
          while (value === OLD)
          const bytes = new Uint8Array(count).fill(value)
          const expected = outcome(written, () => written.target.writeSlice(bytes, written.at(offset)))
          const actual = outcome(filled, () => filled.target.fill(value, filled.at(offset), count))
          t.deepEqual(actual, expected, `${count} bytes at offset ${offset}`)
          answers.add((actual as { answer?: { code?: string } }).answer?.code)
        }
      }
      // All that may happen has happened.
      t.true(answers.has(undefined))
      t.true(answers.has('ERR_PARTIAL_BUFFER'))
      if (name === 'a memory') t.true(answers.has('ERR_PROTECTION') && answers.has('ERR_INVALID_GUEST_ADDRESS'))
    })
  }
}

test('fill sets the bytes that it is told to, and returns nothing', (t) => {
  const memory = twoRegions()
  t.is(memory.fill(0xab, 0x1ffe, 4), undefined)
  t.deepEqual(bytesOf(memory, 0x1ffd, 6), [0, 0xab, 0xab, 0xab, 0xab, 0])
  memory.fill(0, 0x1fffn, 2n)
  t.deepEqual(bytesOf(memory, 0x1ffd, 6), [0, 0xab, 0, 0, 0xab, 0])
  firstRegion(memory).fill(255, 0, 0x1000)
  t.deepEqual(bytesOf(memory, 0x1000, 0x1000), Array<number>(0x1000).fill(255))
  t.is(memory.readU8(0x2000), 0)
  memory.getSlice(0x1010, 4).fill(-0, 1, 2)
  t.deepEqual(bytesOf(memory, 0x1010, 4), [255, 0, 0, 255])
})

/** Both: the first calls are native, since objects get their fast paths late. */
function coldAndWarm(t: ExecutionContext, call: (memory: GuestMemoryMmap) => void): void {
  const memory = GuestMemoryMmap.fromRanges([
    [0x1000, 0x1000],
    [0x2000, 0x1000],
  ])
  memory.fill(OLD, 0x1000, 0x2000)
  call(memory)
  for (let use = 0; use < 64; use += 1) memory.writeU8(OLD, 0x1000)
  call(memory)
  t.deepEqual(bytesOf(memory, 0x1000, 0x2000), Array<number>(0x2000).fill(OLD))
}

const NO_BYTES = [256, -1, 1.5, 2 ** 32, 2 ** 53, NaN, Infinity, -Infinity, 5e-324]
const NO_NUMBERS = [7n, 256n, '7', null, undefined, true, [7], {}, Symbol('7'), Object(7), new Uint8Array([7])]

test('what is no byte is refused before anything is touched', (t) => {
  coldAndWarm(t, (memory) => {
    for (const target of [memory, firstRegion(memory), memory.getSlice(0x1000, 0x1000)]) {
      const at = target === memory ? 0x1000 : 0
      for (const value of NO_BYTES) {
        const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
        refuses(t, () => target.fill(value, at, 4), range)
        // Even where there is nothing to fill.
        refuses(t, () => target.fill(value, 0x9000, 4), range)
        refuses(t, () => target.fill(value, at, 0), range)
      }
      for (const value of NO_NUMBERS as never[]) {
        refuses(t, () => target.fill(value, at, 4), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
      }
    }
  })
})

test('what is no length is refused before anything is touched', (t) => {
  coldAndWarm(t, (memory) => {
    for (const count of [-1, 0.5, 1.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 64n, '4', null, undefined, true, [4], {}]) {
      refusesArgument(t, () => memory.fill(7, 0x1000, count as never), inspect(count))
      refusesArgument(t, () => memory.fill(7, count as never, 4), inspect(count))
    }
  })
})

test('lengths that no buffer has are cut, and take no memory', (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0x1000, 0x1000],
    [0x2000, 0x1000],
  ])
  for (const count of [2 ** 31, 2 ** 32 + 1, 2 ** 40, 2 ** 53 - 1]) {
    const partial = { code: 'ERR_PARTIAL_BUFFER', expected: count }
    const before = process.resourceUsage().maxRSS
    for (const length of [count, BigInt(count)]) {
      const value = memory.readU8(0x1005) + 1
      refuses(t, () => memory.fill(value, 0x1003, length), { name: 'GuestMemoryError', ...partial, completed: 0x1ffd })
      t.deepEqual(bytesOf(memory, 0x1003, 0x1ffd), Array<number>(0x1ffd).fill(value))
      t.is(memory.readU8(0x1002), 0)
      refuses(t, () => firstRegion(memory).fill(9, 0xffe, length), {
        name: 'GuestMemoryError',
        ...partial,
        completed: 2,
      })
      refuses(t, () => memory.getSlice(0x1000, 9).fill(9, 5, length), {
        name: 'VolatileMemoryError',
        ...partial,
        completed: 4,
      })
    }
    // In KiB. A buffer of these bytes would have 2 GiB.
    t.true(process.resourceUsage().maxRSS - before < 512 * 1024)
  }
  refuses(t, () => memory.fill(1, 0x1000, 2n ** 64n - 1n), {
    name: 'GuestMemoryError',
    code: 'ERR_PARTIAL_BUFFER',
    completed: 0x2000,
  })
})

test('memory that may not be written is refused whole', (t) => {
  for (const prot of [PROT_READ, PROT_NONE]) {
    const first = GuestRegionMmap.fromRange(BASE, PAGE, null, { bitmap: true })
    const mapping = MmapRegion.build(null, PAGE, prot, MAP_ANONYMOUS | MAP_PRIVATE)
    const second = new GuestRegionMmap(mapping, BASE + PAGE)
    const memory = GuestMemoryMmap.fromRegions([first, second])
    for (const count of [2, PAGE, 2 ** 40]) {
      refuses(t, () => memory.fill(7, BASE + PAGE - 1, count), { name: 'Error', code: 'ERR_PROTECTION' })
    }
    refuses(t, () => second.fill(7, 0, 1), { name: 'Error', code: 'ERR_PROTECTION' })
    refuses(t, () => second.asVolatileSlice().fill(7, 0, 1), { name: 'Error', code: 'ERR_PROTECTION' })
    t.is(first.readU8(PAGE - 1), 0)
    t.false(first.bitmap?.dirtyAt(PAGE - 1))
    memory.fill(7, BASE, PAGE)
    t.is(first.readU8(PAGE - 1), 7)
  }
  const writable = MmapRegion.build(null, PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE)
  new GuestRegionMmap(writable, BASE).fill(7, 0, PAGE)
  t.is(writable.asVolatileSlice().readU8(PAGE - 1), 7)
})

test('a guard that was disposed of fills nothing', (t) => {
  const memory = twoRegions()
  const guard = new GuestMemoryAtomic(memory).memory()
  for (let use = 0; use < 64; use += 1) guard.fill(1, 0x1000, 8)
  guard.dispose()
  t.throws(() => guard.fill(2, 0x1000, 8), { code: 'ERR_DISPOSED' })
  t.deepEqual(bytesOf(memory, 0x1000, 9), [1, 1, 1, 1, 1, 1, 1, 1, 0])
})
