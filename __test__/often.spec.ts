// Look-ups, getters and bitmaps answer the same on the first call and on the hundredth, when they are no longer native.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect, isDeepStrictEqual } from 'node:util'
import test from 'ava'
import {
  AtomicBitmap,
  BitmapSlice,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegion,
  MmapRegionBuilder,
} from '../index.js'

const OFTEN = 8

/** What a call says, whether that is an answer or an error. */
function said(call: () => unknown): unknown {
  try {
    const answer = call()
    return Object.is(answer, -0) ? '-0' : answer
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string }
    return { name, code, message }
  }
}

/** Regions where numbers end, and far beyond. */
const STARTS = [0n, 0x2000n, 0x1000n * 3n, 0x4000n, 2n ** 53n - 0x2000n, 2n ** 63n]
const SIZE = 0x1000

function newMap(): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges(STARTS.map((start) => [start, SIZE]))
}

const BORDERS = [0n, ...STARTS, 2n ** 53n, 2n ** 64n].flatMap((start) => [start, start + 0x1000n])
const BIGINTS = BORDERS.flatMap((border) => [border - 1n, border, border + 1n, border + 16n])
const ODD = [-0, 0.5, NaN, Infinity, -Infinity, 2 ** 53 + 2, '1', null, undefined, {}, true] as unknown as number[]
const ADDRESSES: (number | bigint)[] = [...BIGINTS, ...BIGINTS.map(Number), ...ODD]
const COUNTS: (number | bigint)[] = [0, 1, 16, 0x1000, 0x1001, 2 ** 40, 1n, 2n ** 63n, ...ODD]

type Call = (memory: GuestMemoryMmap, address: number | bigint) => unknown
const MAP_CALLS: Record<string, Call> = {
  checkAddress: (memory, address) => memory.checkAddress(address),
  addressInRange: (memory, address) => memory.addressInRange(address),
  toRegionAddr: (memory, address) => {
    const found = memory.toRegionAddr(address)
    return found && [found.length, found[0].startAddr, found[1], memory.findRegion(address) === found[0]]
  },
  isHostAddress: (memory, address) => {
    const region = memory.findRegion(address) as GuestRegionMmap
    return memory.getHostAddress(address) === region.asPtr() + (BigInt(address) - region.startAddr)
  },
  getHostAddress: (memory, address) => typeof memory.getHostAddress(address),
}

for (const [name, call] of Object.entries(MAP_CALLS)) {
  test(`${name} of a map and of a guard`, (t) => {
    for (const address of ADDRESSES) {
      const map = newMap()
      const guard = new GuestMemoryAtomic(newMap()).memory()
      const first = said(() => call(map, address))
      for (const memory of [map, guard]) for (let use = 0; use < 20; use += 1) memory.addressInRange(0)
      for (const memory of [map, guard])
        t.deepEqual(
          said(() => call(memory, address)),
          first,
          `at ${address}`,
        )
    }
  })
}

test('checkedOffset and checkRange of a map and of a guard', (t) => {
  const map = newMap()
  const guard = new GuestMemoryAtomic(newMap()).memory()
  for (const memory of [map, guard]) for (let use = 0; use < 20; use += 1) memory.addressInRange(0)
  for (const address of ADDRESSES) {
    const fresh = newMap()
    for (const count of COUNTS) {
      // A map that has no fast path yet, since it is too new.
      const offset = said(() => fresh.clone().checkedOffset(address, count as number))
      const range = said(() => fresh.clone().checkRange(address, count as number))
      for (const memory of [map, guard]) {
        t.deepEqual(
          said(() => memory.checkedOffset(address, count as number)),
          offset,
          `${address} ${count}`,
        )
        t.deepEqual(
          said(() => memory.checkRange(address, count as number)),
          range,
          `${address} ${count}`,
        )
      }
    }
  }
})

test('look-ups in a region', (t) => {
  for (const start of STARTS) {
    const used = GuestRegionMmap.fromRange(start, SIZE)
    for (let use = 0; use < OFTEN; use += 1) used.addressInRange(0)
    for (const address of [...ADDRESSES, 0n, 15, SIZE - 1, SIZE]) {
      const fresh = (): GuestRegionMmap => GuestRegionMmap.fromRange(start, SIZE)
      const calls: ((region: GuestRegionMmap) => unknown)[] = [
        (region) => region.checkAddress(address as number),
        (region) => region.addressInRange(address as number),
        (region) => region.toRegionAddr(address),
        (region) => region.getHostAddress(address as number) - region.asPtr(),
        (region) => region.checkedOffset(address as number, 16),
        (region) => region.checkedOffset(16, address as number),
        (region) => region.checkedOffset(-0, address as number),
      ]
      for (const call of calls) {
        t.deepEqual(
          said(() => call(used)),
          said(() => call(fresh())),
          `${start} ${String(address)} ${call}`,
        )
      }
    }
  }
})

test('what never changes is what it was, and is refused of what is disposed of', (t) => {
  const map = newMap()
  const atomic = new GuestMemoryAtomic(map)
  const guard = atomic.memory()
  const region = map.findRegion(0x2000) as GuestRegionMmap
  const mapping = new MmapRegion(SIZE)
  for (let use = 0; use < OFTEN; use += 1) {
    for (const memory of [map, guard]) t.deepEqual([memory.numRegions, memory.lastAddr], [6, 2n ** 63n + 0xfffn])
    t.deepEqual([region.startAddr, region.lastAddr], [0x2000n, 0x2fffn])
    for (const { len, size, isEmpty, prot, flags, owned } of [region, mapping]) {
      t.deepEqual([len, size, isEmpty, prot, flags !== 0, owned], [SIZE, SIZE, false, 3, true, true])
    }
  }
  const other = atomic.memory()
  guard.dispose()
  t.throws(() => guard.numRegions, { code: 'ERR_DISPOSED' })
  t.throws(() => guard.lastAddr, { code: 'ERR_DISPOSED' })
  t.is(other.numRegions, 6)
  const getter = (prototype: object, name: string): (() => unknown) =>
    Object.getOwnPropertyDescriptor(prototype, name)?.get as () => unknown
  for (const [prototype, name] of [
    [GuestMemoryMmap.prototype, 'numRegions'],
    [GuestRegionMmap.prototype, 'startAddr'],
    [MmapRegion.prototype, 'len'],
    [AtomicBitmap.prototype, 'len'],
  ] as const) {
    for (const foreign of [{}, Object.create(map), Object.create(region), null, 1, atomic]) {
      t.throws(() => getter(prototype, name).call(foreign), { instanceOf: TypeError }, name)
    }
  }
})

/** Bitmaps as they are made: alone, of a builder and of a mapping. */
const BITMAPS: Record<string, () => AtomicBitmap> = {
  alone: () => new AtomicBitmap(0x10000, 0x1000),
  'of a builder': () => {
    const bitmap = new AtomicBitmap(0x10000, 0x1000)
    MmapRegionBuilder.newWithBitmap(0x10000, bitmap)
    return bitmap
  },
  'of a mapping': () => GuestRegionMmap.fromRange(0, 0x10000, null, { bitmap: true }).bitmap as AtomicBitmap,
}
type BitmapCall = (bitmap: AtomicBitmap, at: number, count: number) => unknown
const BITMAP_CALLS: Record<string, BitmapCall> = {
  isBitSet: (bitmap, at) => bitmap.isBitSet(at),
  isAddrSet: (bitmap, at) => bitmap.isAddrSet(at),
  dirtyAt: (bitmap, at) => bitmap.dirtyAt(at),
  setBit: (bitmap, at) => bitmap.setBit(at),
  resetBit: (bitmap, at) => bitmap.resetBit(at),
  setAddrRange: (bitmap, at, count) => bitmap.setAddrRange(at, count),
  resetAddrRange: (bitmap, at, count) => bitmap.resetAddrRange(at, count),
  markDirty: (bitmap, at, count) => bitmap.markDirty(at, count),
}

for (const [kind, make] of Object.entries(BITMAPS)) {
  test(`a bitmap ${kind}`, (t) => {
    const places = [0, 1, 3n, 15, 16, 0x1000, 0xffff, 0x10000, 2 ** 53, 2n ** 64n - 1n, 2n ** 64n, -1, ...ODD]
    for (const [name, call] of Object.entries(BITMAP_CALLS)) {
      for (const at of places as number[]) {
        for (const count of [0, 1, 0x1001, 5n, -1, '1'] as number[]) {
          const [fresh, used] = [make(), make()]
          for (let use = 0; use < OFTEN; use += 1) used.dirtyAt(0)
          for (const bitmap of [fresh, used]) bitmap.setAddrRange(0x3000, 0x2000)
          t.deepEqual(
            said(() => call(used, at, count)),
            said(() => call(fresh, at, count)),
            `${name} ${at} ${count}`,
          )
          t.deepEqual([used.len, used.byteSize], [16, 0x10000])
          t.deepEqual(used.getAndReset(), fresh.getAndReset(), `${name} ${at} ${count}`)
        }
      }
    }
  })
}

test('a bitmap that has grown says so', (t) => {
  const bitmap = new AtomicBitmap(0x1000, 0x1000)
  for (let use = 0; use < OFTEN; use += 1) t.deepEqual([bitmap.len, bitmap.byteSize], [1, 0x1000])
  bitmap.enlarge(0x3000)
  t.deepEqual([bitmap.len, bitmap.byteSize, bitmap.isBitSet(3)], [4, 0x4000, false])
  bitmap.setBit(3)
  t.true(bitmap.dirtyAt(0x3000))
})

type SliceCall = (slice: BitmapSlice, at: number, count: number) => unknown
const SLICE_CALLS: Record<string, SliceCall> = {
  dirtyAt: (slice, at) => slice.dirtyAt(at),
  markDirty: (slice, at, count) => slice.markDirty(at, count),
  'dirtyAt of a part': (slice, at) => slice.sliceAt(at).dirtyAt(0x10),
  'markDirty of a part': (slice, at, count) => slice.sliceAt(at).markDirty(0, count),
}

for (const [kind, make] of Object.entries(BITMAPS)) {
  test(`slices of a bitmap ${kind}`, (t) => {
    // The last two wrap: 0x800 bytes further there is the second half of a page, and what is no page at all.
    const bases = [0, 0x3000n, 0xffff, 0x20000, 2 ** 53 - 1, 2n ** 64n - 0x800n, 2n ** 64n - 1n] as number[]
    const places = [0, 1n, 0x800, 0x1000, 0x2000n, 2 ** 53 - 1, 2 ** 53, 2n ** 64n - 0x1000n, 2n ** 64n, -1, ...ODD]
    for (const base of bases) {
      for (const [name, call] of Object.entries(SLICE_CALLS)) {
        for (const at of places as number[]) {
          for (const count of [0, 1, 0x1001, 5n, -1, '1'] as number[]) {
            const [fresh, used] = [make(), make()]
            const slices = [fresh, used].map((bitmap) => {
              for (let use = 0; use < (bitmap === used ? OFTEN : 0); use += 1) bitmap.sliceAt(0x5000).dirtyAt(0)
              bitmap.setAddrRange(0x3000, 0x2000)
              return bitmap.sliceAt(base)
            })
            const [first, again] = slices as [BitmapSlice, BitmapSlice]
            const message = `${name} ${base} ${at} ${count}`
            t.deepEqual(
              said(() => call(again, at, count)),
              said(() => call(first, at, count)),
              message,
            )
            t.deepEqual(used.getAndReset(), fresh.getAndReset(), message)
          }
        }
      }
    }
  })
}

test('slices of bitmaps are where they are said to be, wrap, and keep their bitmap', (t) => {
  const bitmap = new AtomicBitmap(0x10000, 0x1000)
  for (let use = 0; use < OFTEN; use += 1) {
    bitmap.reset()
    bitmap.sliceAt(0x1000).sliceAt(0x2000n).markDirty(0x800, 1)
    t.deepEqual([bitmap.isBitSet(3), bitmap.isBitSet(2), bitmap.sliceAt(0x3fff).dirtyAt(0)], [true, false, true])
    // As upstream's, by 2^64.
    bitmap.sliceAt(2n ** 64n - 0x1000n).markDirty(0x6000, 1)
    bitmap
      .sliceAt(2 ** 53 - 1)
      .sliceAt(2n ** 64n - 2n ** 53n)
      .markDirty(0x7001, 1)
    t.deepEqual([...bitmap.getAndReset()], [0b1010_1000n])
  }
  const slice = bitmap.sliceAt(0xf000)
  t.false(slice.sliceAt(0x1000).dirtyAt(0))
  bitmap.enlarge(0x1000)
  slice.markDirty(0x1000, 1)
  t.true(bitmap.isBitSet(16))
  t.deepEqual([inspect(slice), slice instanceof BitmapSlice], ['BitmapSlice {}', true])
  t.false(isDeepStrictEqual(slice, bitmap.sliceAt(0xf000)))
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(BitmapSlice.prototype))) {
    if (name === 'constructor' || typeof value !== 'function') continue
    for (const foreign of [{}, Object.create(slice), bitmap, null, 1, BitmapSlice.prototype]) {
      t.throws(() => value.call(foreign, 0, 1), { instanceOf: TypeError }, name)
    }
  }
})

test('the bitmap of a slice, of a reference and of references is that of their memory', (t) => {
  const region = GuestRegionMmap.fromRange(0, 0x10000, null, { bitmap: true })
  const mapping = new MmapRegion(0x10000, { bitmap: true })
  for (const memory of [region, mapping]) {
    const bitmap = memory.bitmap as AtomicBitmap
    for (let use = 0; use < OFTEN; use += 1) {
      bitmap.reset()
      memory.getSlice(0x1000, 0x2000).subslice(0x1000, 16).bitmap?.markDirty(0x800, 1)
      memory.getRef('u32', 0x4ffe).bitmap?.markDirty(2, 1)
      memory.getArrayRef('u16', 0x6000, 0x1000).refAt(0x800).bitmap?.markDirty(0, 1)
      memory.getArrayRef('u16', 0x8000, 8).bitmap?.markDirty(0, 1)
      t.deepEqual([...bitmap.getAndReset()], [0b1_1010_0100n])
    }
    const { bitmap: kept } = memory.getSlice(0x1000, 0x1000)
    const slice = memory.getSlice(0x1000, 0x1000)
    memory.release()
    t.throws(() => slice.bitmap, { code: 'ERR_DISPOSED' })
    t.false(kept?.dirtyAt(0))
  }
  const plain = GuestRegionMmap.fromRange(0, 0x1000)
  for (let use = 0; use < OFTEN; use += 1) {
    t.deepEqual([plain.getSlice(0, 8).bitmap, plain.getRef('u8', 0).bitmap], [null, null])
  }
})
