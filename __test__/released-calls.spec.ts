// Of memory that was released, all methods say so, whatever place they are asked for, and nothing about that place.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import {
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegion,
  Ordering,
  PROT_NONE,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  type VolatileMemory,
  pageSize,
} from '../index.js'

const SIZE = 4 * pageSize()
const { Acquire, Release, SeqCst } = Ordering
const ATOMIC_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64', 'usize', 'isize'] as const
/** Good ones, odd ones, the border, and what is far away. */
const PLACES = [0, 1, 6, SIZE - 4, SIZE - 1, SIZE, SIZE + 1, 2 ** 40, 2n ** 63n, 2n ** 64n - 1n]
const COUNTS = [0, 1, 16, SIZE, SIZE + 1, 2 ** 40, 2n ** 64n - 1n]

type Call = [title: string, call: () => unknown]
type Atomic = Pick<GuestRegionMmap, 'load' | 'store'>

function* atomics(name: string, memory: Atomic, places: readonly (number | bigint)[]): Generator<Call> {
  for (const type of ATOMIC_TYPES) {
    for (const place of places) {
      const value = /64|size/.test(type) ? 1n : 1
      yield [`${name}.load('${type}', ${place})`, () => memory.load(type, place, Acquire)]
      yield [`${name}.store('${type}', ${value}, ${place})`, () => memory.store(type, value, place, Release)]
    }
  }
  yield [`${name}.load('u32', 1, order 4)`, () => memory.load('u32', 1, 4)]
}

function* parts(name: string, memory: VolatileMemory): Generator<Call> {
  yield [`${name}.asVolatileSlice()`, () => memory.asVolatileSlice()]
  for (const place of PLACES) {
    yield [`${name}.getRef(${place})`, () => memory.getRef('u32', place)]
    yield [`${name}.getRef(u128, ${place})`, () => memory.getRef('u128', place)]
    yield [`${name}.getAtomicRef(${place})`, () => memory.getAtomicRef('u32', place)]
    for (const count of COUNTS) {
      yield [`${name}.getSlice(${place}, ${count})`, () => memory.getSlice(place, count)]
      yield [`${name}.getArrayRef(${place}, ${count})`, () => memory.getArrayRef('u16', place, count)]
    }
  }
}

/** What is called of a region, of its map, and of slices and references of it, which were made before it was released. */
function calls(region: GuestRegionMmap): Call[] {
  const memory = GuestMemoryMmap.fromRegions([region])
  const guard = new GuestMemoryAtomic(memory).memory()
  const slices = {
    slice: region.asVolatileSlice(),
    part: memory.getSlice(1, 16),
    empty: region.getSlice(8, 0),
    'empty at the end': region.getSlice(SIZE, 0),
  }
  const array = region.getArrayRef('u32', 0, 4)
  const within = PLACES.filter((place) => place < SIZE)
  const made: Call[] = [
    ...atomics('region', region, PLACES),
    ...atomics('map', memory, within),
    ...atomics('guard', guard, within),
    ...parts('region', region),
    ['array.load(4)', () => array.load(4)],
    ['array.store(4)', () => array.store(4, 1)],
    ['array.refAt(4)', () => array.refAt(4)],
  ]
  for (const place of within) {
    for (const count of COUNTS) {
      made.push([`map.getSlice(${place}, ${count})`, () => memory.getSlice(place, count)])
      made.push([`guard.getSlice(${place}, ${count})`, () => guard.getSlice(place, count)])
    }
  }
  for (const [name, slice] of Object.entries(slices)) {
    made.push(...atomics(name, slice, PLACES), ...parts(name, slice))
    for (const place of PLACES) {
      made.push([`${name}.splitAt(${place})`, () => slice.splitAt(place)])
      made.push([`${name}.offset(${place})`, () => slice.offset(place)])
      made.push([`${name}.subslice(${place}, 16)`, () => slice.subslice(place, 16)])
      made.push([`${name}.readU8(${place})`, () => slice.readU8(place)])
    }
  }
  return made
}

function errorOf(call: () => unknown): { code?: string; hint?: string } | null {
  try {
    call()
    return null
  } catch (error) {
    return error as { code?: string }
  }
}

/** Those of some calls that do not throw a code, or have a hint. */
function others(made: readonly Call[], code: string): string[] {
  const found: string[] = []
  for (const [title, call] of made) {
    const error = errorOf(call)
    if (error?.code !== code || 'hint' in error) found.push(`${title}: ${error?.code} ${error?.hint ?? ''}`)
  }
  return found
}

for (const bitmap of [false, true]) {
  for (const rounds of [0, 1, 4]) {
    test(`ERR_DISPOSED, without a hint, for every place: bitmap ${bitmap}, after ${rounds} uses`, (t) => {
      const region = GuestRegionMmap.fromRange(0, SIZE, null, { bitmap })
      const made = calls(region)
      for (let round = 0; round < rounds; round += 1) for (const [, call] of made) errorOf(call)
      region.release()
      t.deepEqual(others(made, 'ERR_DISPOSED'), [])
      t.deepEqual(others(made, 'ERR_DISPOSED'), [])
      const mapping = new MmapRegion(SIZE, { bitmap })
      const ofMapping = [...parts('mapping', mapping)]
      for (let round = 0; round < rounds; round += 1) for (const [, call] of ofMapping) errorOf(call)
      mapping.release()
      t.deepEqual(others(ofMapping, 'ERR_DISPOSED'), [])
    })

    test(`types of arguments are checked before: bitmap ${bitmap}, after ${rounds} uses`, (t) => {
      const region = GuestRegionMmap.fromRange(0, SIZE, null, { bitmap })
      const slice = region.getSlice(0, 16)
      const array = slice.getArrayRef('u32', 0, 4)
      const one = slice.getRef('u32', 0)
      const atomic = slice.getAtomicRef('u32', 0)
      const odd = 'x' as never
      const wrong: Call[] = [
        ['array.load', () => array.load(odd)],
        ['array.refAt', () => array.refAt(odd)],
        ['ref.store', () => one.store(odd)],
        ['atomic.load', () => atomic.load(odd)],
        ['atomic.store', () => atomic.store(odd, SeqCst)],
        ['slice.offset', () => slice.offset(odd)],
        ['slice.splitAt', () => slice.splitAt(odd)],
        ['slice.readU8', () => slice.readU8(odd)],
        ['slice.copyTo', () => slice.copyTo(odd)],
      ]
      for (const [name, memory] of Object.entries({ region, slice })) {
        wrong.push(
          [`${name}.getSlice`, () => memory.getSlice(odd, 1)],
          [`${name}.getSlice, count`, () => memory.getSlice(0, odd)],
          [`${name}.getRef`, () => memory.getRef(odd, 0)],
          [`${name}.getRef, offset`, () => memory.getRef('u32', odd)],
          [`${name}.getArrayRef`, () => memory.getArrayRef(odd, 0, 1)],
          [`${name}.getArrayRef, n`, () => memory.getArrayRef('u32', 0, odd)],
          [`${name}.getAtomicRef`, () => memory.getAtomicRef(odd, 0)],
          [`${name}.getAtomicRef, offset`, () => memory.getAtomicRef('u32', odd)],
          [`${name}.load`, () => memory.load(odd, 1, Acquire)],
          [`${name}.load, addr`, () => memory.load('u32', odd, Acquire)],
          [`${name}.load, order`, () => memory.load('u32', 1, odd)],
          [`${name}.store`, () => memory.store('u32', odd, 1, Release)],
        )
      }
      for (let round = 0; round < rounds; round += 1) {
        for (const [, call] of wrong) errorOf(call)
        for (const use of [() => slice.readU8(0), () => array.load(0), () => one.load(), () => atomic.load(Acquire)])
          use()
      }
      region.release()
      t.deepEqual(others(wrong, 'ERR_INVALID_ARG_TYPE'), [])
    })
  }
}

test('where the protection forbids an access, there is no hint either', (t) => {
  const mapping = MmapRegion.build(null, SIZE, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE)
  const region = new GuestRegionMmap(mapping, 0)
  const memory = GuestMemoryMmap.fromRegions([region])
  const slice = region.getSlice(0, 16)
  const made: Call[] = []
  for (const [name, each] of Object.entries({ region, memory, slice })) {
    made.push([`${name}.load`, () => each.load('u32', 4, Acquire)], [`${name}.readU8`, () => each.readU8(0)])
    made.push([`${name}.store`, () => each.store('u32', 1, 4, Release)], [`${name}.fill`, () => each.fill(1, 0, 8)])
  }
  t.deepEqual(others(made, 'ERR_PROTECTION'), [])
})

test('places that memory lacks have their hints as before', (t) => {
  const region = GuestRegionMmap.fromRange(0, SIZE)
  const memory = GuestMemoryMmap.fromRegions([region])
  for (const call of [
    () => region.getSlice(SIZE - 8, 16),
    () => memory.getSlice(SIZE - 8, 16),
    () => region.load('u32', 1, Acquire),
    () => memory.load('u32', 1, Acquire),
    () => region.load('u32', SIZE, Acquire),
  ]) {
    const error = errorOf(call)
    t.is(error?.code, 'ERR_INVALID_BACKEND_ADDRESS', String(call))
    t.regex(String(error?.hint), /reaches beyond the end|not a multiple of 4/, String(call))
  }
})
