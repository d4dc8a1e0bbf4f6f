// What is asked of Rust through the mailbox: it says what the native methods say, also where an access crosses regions.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import {
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MmapRegion,
  Ordering,
  PROT_READ,
} from '../index.js'
import { Held } from './held.js'
import { bytesOf } from './memory.js'
import { BASE, SIZE, freshName, isGone, namedMemory, regionOf } from './named-memory.js'
import { eventually, mappingsOf, settle } from './process-resources.js'

const PAGE = 0x1000

/** More often than fast paths wait for. */
const OFTEN = 8

/** Two adjacent regions, then a hole. */
function pair(base: bigint, tracked: boolean): GuestMemoryMmap {
  const ranges = [0n, 0x1000n].map((offset) => [base + offset, PAGE] as [bigint, number])
  return GuestMemoryMmap.fromRanges(ranges, { bitmap: tracked })
}

/** The same memory as a map and as a guard, each after it was used often. */
function targets(base: bigint, tracked: boolean): [string, GuestMemoryMmap][] {
  const all: [string, GuestMemoryMmap][] = [
    [`a map at ${base}`, pair(base, tracked)],
    [`a guard at ${base}`, new GuestMemoryAtomic(pair(base, tracked)).memory()],
  ]
  for (const [, memory] of all) for (let i = 0; i < OFTEN; i += 1) memory.readU8(base)
  return all
}

/** Beyond the safe integers no window is ever opened. */
const BASES = [0n, 0x1000n, 2n ** 40n, 2n ** 53n - 0x1000n, 2n ** 63n]

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => index * 31 + length)
}

function dirtyPages(memory: GuestMemoryMmap): boolean[] {
  return [...memory].map((region) => region.bitmap?.getAndReset()[0] === 1n)
}

for (const tracked of [false, true]) {
  for (const [name, memory] of BASES.flatMap((base) => targets(base, tracked))) {
    const where = `${name}, ${tracked ? 'tracked' : 'not tracked'}`
    const [first] = [...memory]
    if (first === undefined) throw new Error('a memory without a region')
    const border = first.startAddr + BigInt(PAGE)

    test(`bytes are copied across regions: ${where}`, (t) => {
      for (const length of [2, 3, 8, 64, 65, 512, 4096, 4097]) {
        const before = BigInt(length >> 1)
        memory.writeSlice(bytes(length), border - before)
        t.deepEqual(bytesOf(memory, border - before, length), [...bytes(length)])
        const other = bytes(length).map((byte) => ~byte)
        t.is(memory.write(other, border - before), length)
        const read = new Uint8Array(length)
        t.is(memory.read(read, border - before), length)
        t.deepEqual(read, other)
        memory.fill(length & 0xff, border - before, length)
        t.deepEqual(bytesOf(memory, border - before, length), Array(length).fill(length & 0xff))
      }
    })

    test(`integers of all sizes cross regions: ${where}`, (t) => {
      const at = border - 1n
      memory.writeU16(0xfedc, at)
      t.deepEqual([memory.readU16(at), memory.readI16(at)], [0xfedc, 0xfedc - 2 ** 16])
      memory.writeI16(-2, at)
      t.is(memory.readI16(at), -2)
      memory.writeU32(0xfedcba98, at)
      t.deepEqual([memory.readU32(at), memory.readI32(at)], [0xfedcba98, 0xfedcba98 - 2 ** 32])
      memory.writeI32(-3, at)
      t.is(memory.readI32(at), -3)
      memory.writeU64(0xfedcba9876543210n, at)
      t.is(memory.readU64(at), 0xfedcba9876543210n)
      t.is(memory.readI64(at), 0xfedcba9876543210n - 2n ** 64n)
      memory.writeI64(-4n, at)
      t.is(memory.readI64(at), -4n)
      memory.writeU8(0x80, at)
      t.deepEqual([memory.readI8(at), memory.readU8(at), memory.readU16(at) & 0xff], [-128, 128, 128])
      t.is(memory.readU8(at), 128)
      // Addresses are numbers where they can be.
      if (border > 2n ** 53n) return
      memory.writeU32(0x01020304, Number(at))
      t.is(memory.readU32(Number(at)), 0x01020304)
      t.is(memory.readU32(at), 0x01020304)
    })

    test(`arrays lie anywhere, across regions as well: ${where}`, (t) => {
      for (const at of [border - 24n, border - 23n, border - 64n, border]) {
        memory.writeObj(['u8', 16], bytes(16), at)
        t.deepEqual(memory.readObj(['u8', 16], at), bytes(16))
        memory.writeObj(['i16', 32], new Int16Array(bytes(64).buffer), at)
        t.deepEqual(memory.readObj(['i16', 32], at), new Int16Array(bytes(64).buffer))
        memory.writeObj(['u32', 8], new Uint32Array(bytes(32).buffer), at)
        t.deepEqual(memory.readObj(['le32', 8], at), new Uint32Array(bytes(32).buffer))
        memory.writeObj(['i64', 9], new BigInt64Array(bytes(72).buffer), at)
        t.deepEqual(memory.readObj(['isize', 9], at), new BigInt64Array(bytes(72).buffer))
      }
      t.throws(() => memory.readObj(['u16', 2], border + 0xffen), { code: 'ERR_PARTIAL_BUFFER' })
    })

    test(`bytes are moved in and out, as many as there are: ${where}`, (t) => {
      const source = bytes(300)
      const target = new Uint8Array(300)
      for (const at of [border - 100n, border - 300n, border]) {
        for (const count of [300, 200, 8]) {
          memory.fill(0, at, 300)
          t.is(memory.readVolatileFrom(at, source, count), count)
          t.deepEqual(bytesOf(memory, at, 300), [...source.subarray(0, count), ...Array(300 - count).fill(0)])
          memory.readExactVolatileFrom(at, source, count)
          target.fill(0)
          t.is(memory.writeVolatileTo(at, target, count), count)
          t.deepEqual(target.subarray(0, count), source.subarray(0, count))
          t.deepEqual(target.subarray(count), new Uint8Array(300 - count))
          memory.writeAllVolatileTo(at, target, count)
          t.deepEqual(target.subarray(0, count), source.subarray(0, count))
        }
        t.is(memory.readVolatileFrom(at, source, 400), 300)
        t.throws(() => memory.readExactVolatileFrom(at, source, 400), { code: 'ERR_PARTIAL_BUFFER' })
        t.throws(() => memory.writeVolatileTo(at, target, 400), { code: 'ERR_IO' })
      }
    })

    test(`what reaches beyond the end is cut, or refused before anything is written: ${where}`, (t) => {
      const end = border + BigInt(PAGE)
      const at = end - 10n
      memory.fill(1, at, 10)
      const read = new Uint8Array(64)
      t.is(memory.read(read, at), 10)
      t.deepEqual([...read], [...Array(10).fill(1), ...Array(54).fill(0)])
      t.throws(() => memory.readSlice(read, at), { code: 'ERR_PARTIAL_BUFFER' })
      t.throws(() => memory.readU64(end - 4n), { code: 'ERR_PARTIAL_BUFFER' })
      t.throws(() => memory.readU64(end), { code: 'ERR_INVALID_GUEST_ADDRESS' })
      t.is(memory.write(new Uint8Array(64).fill(2), at), 10)
      t.deepEqual(bytesOf(memory, at, 10), Array(10).fill(2))
      t.throws(() => memory.writeSlice(read, end), { code: 'ERR_INVALID_GUEST_ADDRESS' })
    })

    if (tracked) {
      test(`a write marks the pages of both regions: ${where}`, (t) => {
        const writes: (() => void)[] = [
          () => memory.writeSlice(new Uint8Array(8), border - 4n),
          () => memory.write(new Uint8Array(8), border - 4n),
          () => memory.writeU64(1n, border - 4n),
          () => memory.writeU32(1, border - 1n),
          () => memory.fill(0, border - 4n, 8),
          () => memory.writeObj(['u16', 4], new Uint16Array(4), border - 4n),
          () => memory.readVolatileFrom(border - 4n, new Uint8Array(8), 8),
          () => memory.readExactVolatileFrom(border - 4n, new Uint8Array(8), 8),
        ]
        dirtyPages(memory)
        for (const write of writes) {
          write()
          t.deepEqual(dirtyPages(memory), [true, true], String(write))
        }
        memory.writeSlice(new Uint8Array(8), border)
        t.deepEqual(dirtyPages(memory), [false, true])
      })
    }
  }
}

function readOnly(): GuestRegionMmap {
  const region = new GuestRegionMmap(MmapRegion.build(null, PAGE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE), 0)
  for (let i = 0; i < OFTEN; i += 1) region.readU8(0)
  return region
}

test('memory that can only be read is read, and not written', (t) => {
  const region = readOnly()
  const map = GuestMemoryMmap.fromRegions([region])
  for (let i = 0; i < OFTEN; i += 1) map.readU8(0)
  for (const memory of [region, map]) {
    t.is(memory.readU64(8), 0n)
    t.is(memory.load('u32', 8, Ordering.Acquire), 0)
    t.is(memory.load('i64', 8, Ordering.SeqCst), 0n)
    t.is(memory.read(new Uint8Array(16), 0), 16)
    t.throws(() => memory.load('u32', 9, Ordering.Acquire), { code: 'ERR_INVALID_BACKEND_ADDRESS' })
    const writes: (() => void)[] = [
      () => memory.writeU8(1, 0),
      () => memory.writeU64(1n, 0),
      () => memory.write(new Uint8Array(8), 0),
      () => memory.writeSlice(new Uint8Array(8), 0),
      () => memory.fill(1, 0, 8),
      () => memory.store('u32', 1, 0, Ordering.SeqCst),
    ]
    for (const write of writes) t.throws(write, { code: 'ERR_PROTECTION' }, String(write))
  }
})

test('what a region has only a part of is not moved out at all', (t) => {
  for (const region of [readOnly(), GuestRegionMmap.fromRange(0, PAGE)]) {
    for (let i = 0; i < OFTEN; i += 1) region.readU8(0)
    const target = new Uint8Array(16).fill(7)
    t.throws(() => region.writeAllVolatileTo(PAGE - 8, target, 16), { code: 'ERR_INVALID_BACKEND_ADDRESS' })
    t.deepEqual(target, new Uint8Array(16).fill(7))
  }
})

test('addresses that are none are refused as ever', (t) => {
  const [[, memory] = []] = targets(0n, false)
  if (memory === undefined) throw new Error('no memory')
  const bytes = new Uint8Array(16)
  for (const address of [-1, 0.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 64n]) {
    t.throws(() => memory.readSlice(bytes, address), { code: 'ERR_OUT_OF_RANGE' }, String(address))
    t.throws(() => memory.readU64(address), { code: 'ERR_OUT_OF_RANGE' }, String(address))
  }
  for (const address of ['1', null, undefined, {}] as unknown as number[]) {
    t.throws(() => memory.readU64(address), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => memory.readU64({ valueOf: () => 0 } as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
  // Both zeros are one address.
  memory.writeU64(7n, 0)
  t.is(memory.readU64(-0), 7n)
})

/** Marks memory across its border, and returns what reads the mark. */
function marked(t: ExecutionContext, mark: number): () => void {
  const memory = pair(0n, false)
  for (let i = 0; i < OFTEN; i += 1) memory.readU8(0)
  memory.writeU32(mark, PAGE - 2)
  return () => t.is(memory.readU32(PAGE - 2), mark)
}

test.serial('no object is taken for one that was collected', async (t) => {
  const kept: (() => void)[] = []
  for (let round = 0; round < 6; round += 1) {
    for (let i = 0; i < 50; i += 1) {
      const check = marked(t, round * 1000 + i)
      if (i % 10 === 0) kept.push(check)
    }
    await settle()
    for (const check of kept) check()
  }
})

/** Uses what has a number there, and returns it. */
function asked<T>(target: T, use: (target: T) => unknown): T {
  for (let i = 0; i < OFTEN; i += 1) use(target)
  return target
}

const KEPT: Record<string, (memory: GuestMemoryMmap) => object> = {
  'a map': (memory) => asked(memory, (it) => it.read(new Uint8Array(16), BASE + SIZE - 8)),
  'a guard': (memory) => asked(new GuestMemoryAtomic(memory).memory(), (it) => it.getHostAddress(BASE)),
  'a region': (memory) => asked(regionOf(memory), (it) => it.getHostAddress(0)),
  'a slice': (memory) => asked(memory.getSlice(BASE, 64), (it) => it.writeSlice(new Uint8Array(8), 0)),
}

for (const [kind, take] of Object.entries(KEPT)) {
  test.serial(`memory goes with ${kind} that the mailbox knows, and not before`, async (t) => {
    const name = freshName()
    const held = new Held(() => take(namedMemory(name)))
    await settle()
    t.true(mappingsOf(name) > 0)
    held.letGo()
    t.true(await eventually(isGone(name)))
  })
}

test('each thread has a mailbox for itself', async (t) => {
  const source = `
    const { workerData } = require('node:worker_threads')
    const { GuestMemoryMmap } = require(workerData.entry)
    const memory = GuestMemoryMmap.fromRanges([[0, 4096], [4096, 4096]])
    for (let i = 0; i < 50_000; i += 1) {
      memory.writeU32(workerData.number * 1_000_000 + i, 4094)
      if (memory.readU32(4094) !== workerData.number * 1_000_000 + i) throw new Error('not what was written')
    }`
  const entry = new URL('../index.js', import.meta.url).pathname
  const ends = [1, 2, 3].map((number) => {
    const worker = new Worker(source, { eval: true, workerData: { entry, number }, execArgv: [] })
    return once(worker, 'exit')
  })
  t.deepEqual(await Promise.all(ends), [[0], [0], [0]])
})
