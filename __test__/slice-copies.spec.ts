// Copies from slice to slice, that happen often, too.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'

import { GuestMemoryMmap, type GuestRegionMmap, GuestRegionMmap as Region, type VolatileSlice } from '../index.js'

const PAGE = 4096

const regionOf = (memory: GuestMemoryMmap): GuestRegionMmap => memory.findRegion(0) as GuestRegionMmap

function warmUp(from: VolatileSlice, to: VolatileSlice): void {
  for (let use = 0; use < 20; use += 1) from.copyToVolatileSlice(to)
}

function count(slice: VolatileSlice): void {
  for (let offset = 0; offset < slice.len; offset += 1) slice.writeU8(offset & 0xff, offset)
}

for (const [from, to, length] of [
  [0, 8, 64],
  [8, 0, 64],
  [100, 37, 500],
  [37, 100, 500],
  [5, 5, 50],
] as const) {
  test(`${length} bytes at ${from} go to ${to} as if by way of a copy`, (t) => {
    const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
    // By two objects, which may have windows of their own on the same memory.
    const [one, other] = [memory.getSlice(from, length), regionOf(memory).getSlice(to, length)]
    warmUp(one, other)
    count(memory.getSlice(0, PAGE))
    const expected = new Uint8Array(PAGE)
    memory.readSlice(expected, 0)
    expected.copyWithin(to, from, from + length)
    one.copyToVolatileSlice(other)
    const found = new Uint8Array(PAGE)
    memory.readSlice(found, 0)
    t.deepEqual(found, expected)
  })
}

test('the shorter of the two is how much is copied, and no byte more', (t) => {
  const region = Region.fromRange(0, PAGE)
  const [long, short] = [region.getSlice(0, 100), region.getSlice(1000, 10)]
  warmUp(long, short)
  warmUp(short, long)
  region.fill(1, 0, 200)
  region.fill(2, 1000, 200)
  long.copyToVolatileSlice(short)
  t.is(region.readU8(1009), 1)
  t.is(region.readU8(1010), 2)
  region.fill(3, 1000, 10)
  short.copyToVolatileSlice(long)
  t.is(region.readU8(9), 3)
  t.is(region.readU8(10), 1)
})

test('a copy to tracked memory is marked', (t) => {
  const region = Region.fromRange(0, 2 * PAGE, null, { bitmap: true })
  const [from, to] = [region.getSlice(0, 16), region.getSlice(PAGE, 16)]
  warmUp(from, to)
  region.bitmap?.reset()
  from.copyToVolatileSlice(to)
  t.false(region.bitmap?.dirtyAt(0))
  t.true(region.bitmap?.dirtyAt(PAGE))
})

test('what is no slice is refused', (t) => {
  const slice = Region.fromRange(0, PAGE).getSlice(0, 16)
  warmUp(slice, slice)
  for (const wrong of [null, undefined, 1, {}, slice.asUint8Array(), slice.getRef('u8', 0), new Proxy(slice, {})]) {
    t.throws(() => slice.copyToVolatileSlice(wrong as VolatileSlice), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})
