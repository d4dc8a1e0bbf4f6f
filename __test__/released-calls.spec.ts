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
  pageSize,
} from '../index.js'

const SIZE = 4 * pageSize()
const { Acquire, Release } = Ordering
/** Good ones, odd ones, the border, and what is far away. */
const PLACES = [0, 1, 6, SIZE - 4, SIZE - 1, SIZE, SIZE + 1, 2 ** 40, 2n ** 63n, 2n ** 64n - 1n]
const COUNTS = [0, 1, 16, SIZE, SIZE + 1, 2 ** 40, 2n ** 64n - 1n]

type Call = [title: string, call: () => unknown]
/** What is called of a region, and of its map. */
function calls(region: GuestRegionMmap): Call[] {
  const memory = GuestMemoryMmap.fromRegions([region])
  const guard = new GuestMemoryAtomic(memory).memory()
  const within = PLACES.filter((place) => place < SIZE)
  const made: Call[] = []
  for (const count of COUNTS) {
    for (const place of PLACES) {
      made.push([`region.getSlice(${place}, ${count})`, () => region.getSlice(place, count)])
    }
    for (const place of within) {
      made.push([`map.getSlice(${place}, ${count})`, () => memory.getSlice(place, count)])
      made.push([`guard.getSlice(${place}, ${count})`, () => guard.getSlice(place, count)])
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
