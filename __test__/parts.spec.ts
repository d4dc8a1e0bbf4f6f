// Slices and references, which are made without Rust where that is certainly right: they say what native ones say.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect, isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  AtomicRef,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MmapRegion,
  Ordering,
  PROT_READ,
  VolatileArrayRef,
  VolatileRef,
  VolatileSlice,
} from '../index.js'
import { Held } from './held.js'
import { BASE, MARK, SIZE, freshName, isGone, namedMemory, regionOf } from './named-memory.js'
import { eventually, mappingsOf, settle } from './process-resources.js'

/** More often than fast paths wait for. */
const OFTEN = 40

const TYPES = [
  ...(['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64', 'usize', 'isize', 'u128', 'i128'] as const),
  ...(['le16', 'le32', 'le64', 'leSize', 'be16', 'be32', 'be64', 'beSize'] as const),
]
const ATOMIC_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64', 'usize', 'isize'] as const

/** Memory of everything that slices and references are made of: each as it comes, and after it was used often. */
function sources(tracked: boolean): [string, () => VolatileSlice][] {
  const options = { bitmap: tracked }
  const mapping = (): MmapRegion => MmapRegion.build(null, SIZE, 3, MAP_ANONYMOUS | MAP_PRIVATE, options)
  const often = <T>(object: T, use: (object: T) => void): T => {
    for (let i = 0; i < OFTEN; i += 1) use(object)
    return object
  }
  const map = (): GuestMemoryMmap => GuestMemoryMmap.fromRanges([[BASE, SIZE]], options)
  const region = (): GuestRegionMmap => GuestRegionMmap.fromRange(BASE, SIZE, null, options)
  const guard = (): GuestMemoryMmap => new GuestMemoryAtomic(map()).memory()
  return [
    ['a new map', () => map().getSlice(BASE, SIZE)],
    ['a map', () => often(map(), (it) => it.getSlice(BASE, 8).readU8(0)).getSlice(BASE, SIZE)],
    ['a guard', () => often(guard(), (it) => it.getSlice(BASE, 8).readU8(0)).getSlice(BASE, SIZE)],
    ['a new region', () => region().asVolatileSlice()],
    ['a region', () => often(region(), (it) => it.readU8(0)).asVolatileSlice()],
    ['a new mapping', () => mapping().asVolatileSlice()],
    ['a mapping', () => often(mapping(), (it) => it.getRef('u8', 0).load()).asVolatileSlice()],
    ['a slice', () => often(map().getSlice(BASE, SIZE), (it) => it.readU8(0)).asVolatileSlice()],
  ]
}

test('slices of all sources read and write the same bytes, and end where they end', (t) => {
  for (const tracked of [false, true]) {
    for (const [source, make] of sources(tracked)) {
      const whole = make()
      const part = whole.subslice(16, 64)
      for (let i = 0; i < OFTEN; i += 1) {
        part.writeU32(i * 0x01010101, 60)
        t.is(part.readU32(60), i * 0x01010101, source)
        t.is(whole.readU32(76), i * 0x01010101, source)
        part.writeU64(2n ** 63n + BigInt(i), 0)
        t.is(part.readU64(0n), 2n ** 63n + BigInt(i), source)
        t.is(part.readI64(0), -(2n ** 63n) + BigInt(i), source)
        part.store('u16', i, 8, Ordering.Release)
        t.is(part.load('i16', 8, Ordering.Acquire), i, source)
        for (const address of [61, 64, 2 ** 32, -1, 0.5, 2n ** 64n - 1n]) {
          t.throws(() => part.readU32(address as number), undefined, `${source} ${address}`)
        }
        t.throws(() => part.readU32(undefined as never), { instanceOf: TypeError }, source)
      }
      t.is(whole.bitmap?.dirtyAt(16) ?? null, tracked ? true : null, source)
    }
  }
})

test('parts of parts are where they are said to be', (t) => {
  for (const [source, make] of sources(false)) {
    const whole = make()
    for (let i = 0; i < OFTEN; i += 1) {
      whole.writeSlice(
        Uint8Array.from({ length: 256 }, (_, index) => index),
        0,
      )
      const [low, high] = whole.splitAt(100)
      t.deepEqual([low.len, high.len], [100, SIZE - 100], source)
      t.is(high.readU8(0), 100)
      t.is(high.offset(10n).getSlice(5n, 20).offset(1).readU8(0), 116)
      t.is(low.offset(100).len, 0)
      t.true(low.offset(100).isEmpty)
      t.is(whole.getSlice(-0, -0).len, 0)
      t.is(whole.getSlice(10n, -0).len, 0)
      t.is(whole.subslice(-0, 10n).getRef('u8', -0).len, 1)
      t.is(whole.getArrayRef('u8', 1n, -0).len, 0)
      t.is(high.getArrayRef('u16', 2, 8).refAt(1n).toSlice().readU8(1), 105)
      t.is(high.getArrayRef('u16', 2, 8).toSlice().len, 16)
      t.is(high.asPtr() - low.asPtr(), 100n)
      t.is(high.subslice(1, 1).asPtr() - whole.asPtr(), 101n)
      t.is(high.asUint8Array()[7], 107)
      t.throws(() => low.offset(101), { code: 'ERR_OUT_OF_BOUNDS' })
      t.throws(() => low.getSlice(1, 100), { code: 'ERR_OUT_OF_BOUNDS' })
      t.throws(() => low.splitAt(101n), { code: 'ERR_OUT_OF_BOUNDS' })
      t.throws(() => low.getSlice(2n ** 64n - 1n, 1), { code: 'ERR_OVERFLOW' })
      t.throws(() => low.offset(-1), { code: 'ERR_OUT_OF_RANGE' })
      t.throws(() => low.getRef('u64', 93), { code: 'ERR_OUT_OF_BOUNDS' })
      t.throws(() => low.getArrayRef('u64', 0, 13), { code: 'ERR_OUT_OF_BOUNDS' })
      t.throws(() => low.getArrayRef('u64', 0, 2n ** 62n), { code: 'ERR_TOO_BIG' })
      t.throws(() => low.getRef('f64' as never, 0), { code: 'ERR_INVALID_ARG_TYPE' })
      t.throws(() => low.getArrayRef('u16', 0, 4).refAt(4), { code: 'ERR_OUT_OF_RANGE' })
    }
  }
})

test('references of all types load what they store', (t) => {
  for (const tracked of [false, true]) {
    for (const [source, make] of sources(tracked)) {
      const slice = make()
      for (const type of TYPES) {
        const ref = slice.getRef(type, 3)
        const array = slice.getArrayRef(type, 32, 4)
        const value = ref.len > 4 ? (n: number) => BigInt(n) : (n: number) => n
        for (let i = 0; i < 4; i += 1) {
          ref.store(value(100 + i))
          t.is(ref.load(), value(100 + i), `${source} ${type}`)
          t.is(slice.readObj(type, 3), value(100 + i), `${source} ${type}`)
          array.store(3, value(i))
          t.is(array.load(3), value(i))
          t.is(array.refAt(3).load(), value(i))
          t.throws(() => array.load(4), { code: 'ERR_OUT_OF_RANGE' })
          t.throws(() => array.store(-1, value(0)), { code: 'ERR_OUT_OF_RANGE' })
          t.throws(() => ref.store(2 ** 53), { code: 'ERR_OUT_OF_RANGE' })
          t.throws(() => ref.store('1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
        }
        t.deepEqual([ref.type, ref.len], [type, array.elementSize])
        t.deepEqual([array.type, array.len, array.isEmpty], [type, 4, false])
        t.true(slice.getArrayRef(type, 0, 0).isEmpty)
      }
    }
  }
})

test('atomic references are aligned, keep signs, and mark nothing', (t) => {
  for (const [source, make] of sources(true)) {
    const slice = make()
    const part = slice.subslice(8, 64)
    for (let i = 0; i < OFTEN; i += 1) {
      for (const type of ATOMIC_TYPES) {
        const { len } = part.getRef(type, 0)
        const integer = part.getAtomicRef(type, 16)
        const value = type.startsWith('i') ? -5 : 5
        integer.store(len === 8 ? BigInt(value) : value, Ordering.SeqCst)
        t.is(integer.load(Ordering.Relaxed), len === 8 ? BigInt(value) : value, `${source} ${type}`)
        t.is(integer.type, type)
        if (len > 1) t.throws(() => part.getAtomicRef(type, 17), { code: 'ERR_MISALIGNED' }, source)
        t.throws(() => integer.load(Ordering.Release), { code: 'ERR_OUT_OF_RANGE' })
        t.throws(() => integer.store(2n ** 64n, Ordering.Relaxed), { code: 'ERR_OUT_OF_RANGE' })
      }
      t.throws(() => part.getAtomicRef('u128' as never, 16), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    t.false(slice.bitmap?.dirtyAt(24) ?? true, source)
    part.getRef('u8', 16).store(1)
    t.true(slice.bitmap?.dirtyAt(24) ?? false, source)
  }
})

test('memory that may not be read or written is refused as ever', (t) => {
  const mapping = MmapRegion.build(null, SIZE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE)
  const region = new GuestRegionMmap(mapping, BASE)
  const map = GuestMemoryMmap.fromRegions([region])
  for (let i = 0; i < OFTEN; i += 1) {
    for (const slice of [mapping.getSlice(0, 16), region.getSlice(0, 16), map.getSlice(BASE, 16)]) {
      t.is(slice.readU32(0), 0)
      t.is(slice.getRef('u16', 0).load(), 0)
      t.is(slice.getAtomicRef('u16', 0).load(Ordering.Relaxed), 0)
      t.throws(() => slice.writeU8(1, 0), { code: 'ERR_PROTECTION' })
      t.throws(() => slice.getRef('u16', 0).store(1), { code: 'ERR_PROTECTION' })
      t.throws(() => slice.getArrayRef('u16', 0, 1).store(0, 1), { code: 'ERR_PROTECTION' })
      t.throws(() => slice.getAtomicRef('u16', 0).store(1, Ordering.Relaxed), { code: 'ERR_PROTECTION' })
    }
  }
})

/** One object of each class, after the objects that they are parts of were used often. */
function parts(map: GuestMemoryMmap): {
  slice: VolatileSlice
  ref: VolatileRef
  array: VolatileArrayRef
  integer: AtomicRef
} {
  for (let i = 0; i < OFTEN; i += 1) map.getSlice(BASE, 8).readU8(0)
  const slice = map.getSlice(BASE, 64)
  return {
    slice,
    ref: slice.getRef('u8', 0),
    array: slice.getArrayRef('u8', 0, 4),
    integer: slice.getAtomicRef('u8', 0),
  }
}

test('parts are instances of their classes, alike to nobody, and shown as such', (t) => {
  const map = GuestMemoryMmap.fromRanges([[BASE, SIZE]])
  const { slice, ref, array, integer } = parts(map)
  t.true(slice instanceof VolatileSlice && ref instanceof VolatileRef)
  t.true(array instanceof VolatileArrayRef && integer instanceof AtomicRef)
  t.is(slice.constructor, VolatileSlice)
  t.deepEqual(Reflect.ownKeys(slice), [])
  t.is(inspect(slice), 'VolatileSlice { 64 B }')
  t.is(inspect(ref), 'VolatileRef { u8 }')
  t.is(inspect(array), 'VolatileArrayRef { 4 x u8 }')
  t.is(inspect(integer), 'AtomicRef { u8 }')
  t.true(isDeepStrictEqual(slice, slice))
  t.false(isDeepStrictEqual(slice, map.getSlice(BASE, 64)))
  t.not(slice.asVolatileSlice(), slice)
  const frozen = Object.freeze(map.getSlice(BASE, 8))
  frozen.writeU8(7, 0)
  t.is(frozen.readU8(0), 7)
  t.is(frozen.asUint8Array()[0], 7)
})

/** All methods and getters of a class. */
function members(prototype: object): [string, (this: unknown) => unknown][] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { get, value }]) => {
    const member = get ?? value
    return name === 'constructor' || typeof member !== 'function' ? [] : [[name, member as () => unknown]]
  })
}

test('members refuse what is of another class, and work on go', (t) => {
  const map = GuestMemoryMmap.fromRanges([[BASE, SIZE]])
  const { slice, ref, array, integer } = parts(map)
  const classes: [object, object[]][] = [
    [VolatileSlice.prototype, [ref, array, integer]],
    [VolatileRef.prototype, [slice, array, integer]],
    [VolatileArrayRef.prototype, [slice, ref, integer]],
    [AtomicRef.prototype, [slice, ref, array]],
  ]
  const proxied = [slice, ref, array, integer].map((it) => new Proxy(it, {}))
  for (const [prototype, others] of classes) {
    for (const [name, member] of members(prototype)) {
      for (const other of [
        ...others,
        ...proxied,
        map,
        {},
        Object.create(prototype),
        prototype,
        null,
        undefined,
        1,
        'text',
      ]) {
        const call = (): unknown => Reflect.apply(member, other, [])
        t.throws(call, { instanceOf: TypeError, message: /Illegal invocation/ }, name)
      }
    }
  }
  t.is(slice.readU8(0), 0)
  t.is(ref.load(), 0)
})

test('a slice is taken where a slice is asked for, and nothing else is', (t) => {
  const map = GuestMemoryMmap.fromRanges([[BASE, SIZE]])
  const { slice, ref, array } = parts(map)
  map.writeU64(0x0102030405060708n, BASE)
  const target = map.getSlice(BASE + 64, 8)
  slice.copyToVolatileSlice(target)
  t.is(map.readU64(BASE + 64), 0x0102030405060708n)
  array.copyToVolatileSlice(target.offset(4))
  t.is(map.readU64(BASE + 64), 0x0506070805060708n)
  for (const other of [ref, array, map, {}, new Proxy(target, {}), Object.create(target), null, 1]) {
    t.throws(() => slice.copyToVolatileSlice(other as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => new GuestRegionMmap(slice as never, 0), { code: 'ERR_INVALID_ARG_TYPE' })
})

function takers(): [string, (memory: GuestMemoryMmap) => object, (held: never) => number | bigint][] {
  const take = (choose: (all: ReturnType<typeof parts>) => object) => (memory: GuestMemoryMmap) => choose(parts(memory))
  return [
    ['a slice', take(({ slice }) => slice), (slice: VolatileSlice) => slice.readU8(0)],
    ['a part of a slice', take(({ slice }) => slice.splitAt(1)[0]), (slice: VolatileSlice) => slice.readU8(0)],
    ['a reference', take(({ ref }) => ref), (ref: VolatileRef) => ref.load()],
    ['an array reference', take(({ array }) => array), (array: VolatileArrayRef) => array.load(0)],
    ['an element', take(({ array }) => array.refAt(0)), (ref: VolatileRef) => ref.load()],
    ['an atomic reference', take(({ integer }) => integer), (ref: AtomicRef) => ref.load(Ordering.SeqCst)],
    [
      'a slice with its native half',
      take(({ slice }) => (slice.asPtr(), slice)),
      (slice: VolatileSlice) => slice.asUint8Array()[0] as number,
    ],
    [
      'a slice of a mapping',
      (memory) => {
        const mapping = MmapRegion.fromFile(regionOf(memory).fileOffset as never, SIZE)
        for (let i = 0; i < OFTEN; i += 1) mapping.getSlice(0, 8).readU8(0)
        return mapping.getSlice(0, 8)
      },
      (slice: VolatileSlice) => slice.readU8(0),
    ],
  ]
}

for (const [what, take, read] of takers()) {
  test.serial(`${what} of memory that was used often keeps it mapped, and lets go of it`, async (t) => {
    const name = freshName()
    const held = new Held(() => take(namedMemory(name)))
    await settle()
    t.true(mappingsOf(name) > 0)
    t.is(
      held.use((value) => Number(read(value as never))),
      MARK,
    )
    held.letGo()
    t.true(await eventually(isGone(name)))
  })
}

test.serial('parts work when no object of their class was alive for a while', async (t: ExecutionContext) => {
  const map = GuestMemoryMmap.fromRanges([[BASE, SIZE]])
  for (let round = 0; round < 4; round += 1) {
    for (let i = 0; i < 100; i += 1) {
      map.getSlice(BASE, 8).writeU8(i, 1)
      t.is(map.getSlice(BASE, 8).getRef('u8', 1).load(), i)
    }
    await settle()
  }
})
