// Look-ups by numbers that are no addresses leave nothing behind; types that are getters are read as they are natively.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, type ByteValued } from '../index.js'

const SIZE = 0x1000
const ODD = [Number.MIN_VALUE, 1e-16, 0.5, 1 - 2 ** -53, -Number.MIN_VALUE, NaN, Infinity, -0.5]

/** Three regions, two of which touch. */
function newMap(): GuestMemoryMmap {
  const map = GuestMemoryMmap.fromRanges([
    [0, SIZE],
    [SIZE, SIZE],
    [4 * SIZE, SIZE],
  ])
  for (const at of [0, SIZE, 4 * SIZE]) map.writeU8(1 + at / SIZE, at)
  return map
}

const ENDS = [0, SIZE - 1, SIZE, 2 * SIZE - 1, 2 * SIZE, 4 * SIZE, 5 * SIZE - 1, 5 * SIZE]

/** What a map answers, everywhere that matters. */
function answers(map: GuestMemoryMmap): unknown[] {
  return ENDS.map((at) => [
    map.findRegion(at)?.startAddr,
    map.findRegion(BigInt(at))?.len,
    map.addressInRange(at),
    map.checkRange(at, 1),
    map.checkRange(at, SIZE),
    map.addressInRange(at) && map.views(at, 1).map(([byte]) => byte),
  ])
}

const CALLS: readonly [string, (map: GuestMemoryMmap, at: number, odd: number) => unknown][] = [
  ['views with an odd count', (map, at, odd) => map.views(at, odd)],
  ['views at an odd address', (map, at, odd) => map.views(at + odd, 1)],
  ['findRegion', (map, at, odd) => map.findRegion(at + odd)],
  ['addressInRange', (map, at, odd) => map.addressInRange(at + odd)],
  ['checkRange with an odd length', (map, at, odd) => map.checkRange(at, odd)],
  ['checkRange at an odd address', (map, at, odd) => map.checkRange(at + odd, 1)],
  ['toRegionAddr', (map, at, odd) => map.toRegionAddr(at + odd)],
  ['getSlice', (map, at, odd) => map.getSlice(at, odd)],
  ['readObj of an odd number', (map, at, odd) => map.readObj(['u8', odd], at)],
  ['readU8', (map, at, odd) => map.readU8(at + odd)],
]

for (const [name, call] of CALLS) {
  test(`${name} changes no later answer`, (t) => {
    const expected = answers(newMap())
    for (const odd of ODD) {
      for (const at of ENDS) {
        const map = newMap()
        // The last access was just before, in another region or in none.
        if (map.addressInRange(Math.max(at - 1, 0))) map.readU8(Math.max(at - 1, 0))
        for (let use = 0; use < 3; use += 1) {
          try {
            call(map, at, odd)
          } catch {
            // Refused, or not where the sum is an address again: here it matters what comes after.
          }
        }
        t.deepEqual(answers(map), expected, `${at} ${odd}`)
        t.is(map.findRegion(0), map.findRegion(1))
        map.views(0, 1)[0]![0] = 77
        t.is(map.readU8(SIZE), 2)
      }
    }
  })
}

/** An array whose elements are getters that act, and what was read of it. */
function acting(elements: readonly unknown[], act: (index: number) => void): { type: ByteValued; read: number[] } {
  const read: number[] = []
  const type: unknown[] = [undefined, undefined]
  for (const [index, element] of elements.entries()) {
    const get = (): unknown => {
      read.push(index)
      act(index)
      return element
    }
    Object.defineProperty(type, index, { get })
  }
  return { type: type as unknown as ByteValued, read }
}

test('a getter in the type that disposes of the guard does not take the memory away', (t) => {
  for (const isReplaced of [false, true]) {
    for (const index of [0, 1]) {
      const atomic = new GuestMemoryAtomic(newMap())
      const guard = atomic.memory()
      for (let use = 0; use < 4; use += 1) guard.readU8(use)
      const { type, read } = acting(['u8', 2], (at) => {
        if (at !== index) return
        guard.dispose()
        if (isReplaced) atomic.update(() => GuestMemoryMmap.fromRanges([[0, SIZE]]))
      })
      t.deepEqual(guard.readObj(type, 0), Uint8Array.of(1, 0))
      t.deepEqual(read, [0, 1])
      t.throws(() => guard.readU8(0), { code: 'ERR_DISPOSED' })
      const other = atomic.memory()
      t.is(other.readU8(0), isReplaced ? 0 : 1)
      t.is(other.numRegions, isReplaced ? 1 : 3)
    }
  }
})

test('a getter in the type that writes disposes of nothing else, and is read once', (t) => {
  const atomic = new GuestMemoryAtomic(newMap())
  const guard = atomic.memory()
  for (let use = 0; use < 4; use += 1) guard.readU8(use)
  const { type, read } = acting(['u16', 1], () => guard.dispose())
  guard.writeObj(type, Uint16Array.of(0x0201) as never, 2)
  t.deepEqual(read, [0, 1])
  t.is(atomic.memory().readU16(2), 0x0201)
})

test('the elements of a type are read once, in order, and no further than natively', (t) => {
  const map = newMap()
  const region = map.findRegion(0) as GuestRegionMmap
  for (let use = 0; use < 40; use += 1) region.readU8(map.readU8(SIZE))
  for (const target of [map, region]) {
    const cases: readonly [readonly unknown[], number[], boolean][] = [
      [['u8', 4], [0, 1], true],
      [['be16', 4], [0, 1], true],
      [['u128', 1], [0, 1], true],
      [['u9', 4], [0], false],
      [[{}, 4], [0], false],
      [['u8', 0.5], [0, 1], false],
      [['u8', -1], [0, 1], false],
      [['u8', 2 ** 40], [0, 1], false],
    ]
    for (const [elements, expected, isGood] of cases) {
      const { type, read } = acting(elements, () => {})
      if (isGood) target.readObj(type, 8)
      else t.throws(() => target.readObj(type, 8))
      t.deepEqual(read, expected, String(elements[0]))
    }
  }
})

test('a receiver that is none is refused before the type is read', (t) => {
  const guard = new GuestMemoryAtomic(newMap()).memory()
  for (let use = 0; use < 4; use += 1) guard.readU8(use)
  guard.dispose()
  const { type, read } = acting(['u8', 2], () => {})
  t.throws(() => guard.readObj(type, 0), { code: 'ERR_DISPOSED' })
  t.throws(() => guard.writeObj(type, Uint8Array.of(1, 2) as never, 0), { code: 'ERR_DISPOSED' })
  t.throws(() => GuestMemoryMmap.prototype.readObj.call({}, type, 0), { instanceOf: TypeError })
  t.deepEqual(read, [])
})
