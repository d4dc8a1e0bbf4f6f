// Slices that no single window has, and the first access to a slice, which nothing is known of yet.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test, { type ExecutionContext } from 'ava'
import { GuestMemoryMmap, GuestRegionMmap, MmapRegion, type VolatileSlice } from '../index.js'

const GIB = 2 ** 30

/** Memory that lies on both sides of a slice, so that an access beyond its end would meet something. */
function sources(size: number, tracked: boolean): [string, (offset: number, count: number) => VolatileSlice][] {
  const options = { bitmap: tracked }
  const region = GuestRegionMmap.fromRange(0, size, null, options)
  const map = GuestMemoryMmap.fromRegions([region])
  const mapping = new MmapRegion(size, options)
  for (let i = 0; i < 40; i += 1) {
    for (const memory of [region, map]) memory.readU8(i)
    mapping.getSlice(0, 16).readU8(0)
  }
  return [
    ['a region', (offset, count) => region.getSlice(offset, count)],
    ['a map', (offset, count) => map.getSlice(offset, count)],
    ['a mapping', (offset, count) => mapping.getSlice(offset, count)],
    ['a slice', (offset, count) => region.asVolatileSlice().subslice(offset, count)],
  ]
}

/** Each of these is the first thing that is done with a slice of `length` bytes. */
function firstAccesses(length: number): ((slice: VolatileSlice) => unknown)[] {
  const bytes = new Uint8Array(8)
  return [
    (slice) => slice.readU8(length),
    (slice) => slice.readU16(length - 1),
    (slice) => slice.readU32(length - 3),
    (slice) => slice.readU64(length - 7),
    (slice) => slice.readU64(BigInt(length)),
    (slice) => slice.writeU8(1, length),
    (slice) => slice.writeU32(1, length - 3),
    (slice) => slice.readSlice(bytes, length - 7),
    (slice) => slice.writeSlice(bytes, length - 7),
    (slice) => slice.fill(1, length - 7, 8),
    (slice) => slice.load('u8', length, 0),
    (slice) => slice.readObj(['u8', 8], length - 7),
    (slice) => slice.writeObj(['u8', 8], bytes, length - 7),
    (slice) => slice.readU8(-1),
  ]
}

function refusesFirst(t: ExecutionContext, make: () => VolatileSlice, source: string): void {
  const { len } = make()
  for (const access of firstAccesses(len)) {
    const { code } = t.throws(() => access(make()), undefined, `${source}: ${access}`) as Error & { code?: string }
    t.regex(String(code), /^ERR_/)
  }
}

for (const tracked of [false, true]) {
  for (const [source, slice] of sources(0x10000, tracked)) {
    test(`the first access to a slice of ${source} does not reach beyond it (tracked: ${tracked})`, (t) => {
      refusesFirst(t, () => slice(0x1000, 64), source)
      refusesFirst(t, () => slice(0xffc0, 64), source)
      // What reaches to the end does.
      const part = slice(0x1000, 64)
      part.writeU64(7n, 56)
      t.is(slice(0x1000, 64).readU64(56), 7n)
      part.writeSlice(new Uint8Array(8).fill(3), 56)
      t.is(slice(0x1000, 64).readU8(63), 3)
      part.writeObj(['u16', 4], new Uint16Array(4).fill(0x0102), 56)
      t.is(slice(0x1000, 64).readU16(62), 0x0102)
      part.fill(9, 56, 8)
      t.deepEqual([slice(0x1000, 72).readU8(63), slice(0x1000, 72).readU8(64)], [9, 0])
      t.is(part.read(new Uint8Array(16), 60), 4)
    })
  }

  for (const [source, slice] of sources(3 * GIB, tracked)) {
    test(`a slice of ${source} that is longer than a window (tracked: ${tracked})`, (t) => {
      const start = GIB / 2
      const length = 2 * GIB
      refusesFirst(t, () => slice(start, length), source)
      // Where windows meet, which an access may cross.
      for (const border of [GIB - start, 2 * GIB - start]) {
        const long = slice(start, length)
        for (const at of [border - 8, border - 4, border - 1, border]) {
          long.writeU64(BigInt(at), at)
          t.is(long.readU64(at), BigInt(at))
          t.is(slice(start + at, 8).readU64(0), BigInt(at))
          long.writeSlice(new Uint8Array(64).fill(at & 0xff), at)
          t.deepEqual(long.readObj(['u8', 64], at), new Uint8Array(64).fill(at & 0xff))
        }
        t.is(long.subslice(border - 4, 8).readU32(2), long.readU32(border - 2))
      }
    })
  }
}
