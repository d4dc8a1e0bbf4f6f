// What is done while a built-in is replaced, and what has to be right when it is back.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert'
import { AtomicBitmap, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, Ordering } from '../../index.js'

const SIZE = 0x1000
const bytes = Uint8Array.of(1, 2, 3, 4)
const out = new Uint8Array(4)
const type = ['u16', 2]

/** Objects that nobody has used yet. */
export function newObjects() {
  const map = GuestMemoryMmap.fromRanges([
    [0, SIZE],
    [SIZE, SIZE],
    [4 * SIZE, SIZE],
  ])
  const tracked = GuestMemoryMmap.fromRanges([[0, SIZE]], { bitmap: true })
  const other = GuestMemoryMmap.fromRanges([[8 * SIZE, SIZE]])
  return { map, tracked, other, atomic: new GuestMemoryAtomic(map), slice: map.getSlice(SIZE, 64) }
}

/** Each call by itself: what one of them throws must not hide the others. No built-in is used here, by whatever syntax. */
export const CALLS = [
  ({ map }) => map.readU8(0),
  ({ map }) => map.readU32(SIZE),
  ({ map }) => map.writeU16(0x0102, 4 * SIZE),
  ({ map }) => map.readU64(4 * SIZE),
  ({ map }) => map.addressInRange(2 * SIZE),
  ({ map }) => map.addressInRange(SIZE),
  ({ map }) => map.findRegion(SIZE + 5),
  ({ map }) => map.findRegion(3 * SIZE),
  ({ map }) => map.checkRange(0, 2 * SIZE),
  ({ map }) => map.views(SIZE, 16),
  ({ map }) => map.readSlice(out, SIZE),
  ({ map }) => map.writeSlice(bytes, 8),
  ({ map }) => map.fill(7, 16, 8),
  ({ map }) => map.readObj(type, 4),
  ({ map }) => map.load('u16', 2, Ordering.Acquire),
  ({ map }) => map.store('u32', 7, 4, Ordering.Release),
  ({ map }) => map.findRegion(0).buffer,
  ({ map }) => map.iter(),
  ({ tracked }) => tracked.writeU8(1, 5),
  ({ tracked }) => tracked.writeU64(1n, 8),
  ({ tracked }) => tracked.writeU64(1n, 8),
  ({ tracked }) => tracked.findRegion(0).bitmap,
  ({ tracked }) => tracked.findRegion(0).bitmap.sliceAt(1).sliceAt(1).markDirty(0, 1),
  ({ tracked }) => tracked.getSlice(0, 8).bitmap.dirtyAt(0),
  ({ tracked }) => tracked.withViews(0, 8, ([view]) => (view[0] = 1)),
  ({ tracked }) => tracked.dirtyRanges(),
  ({ tracked }) => tracked.findRegion(0).readU8(5),
  ({ tracked }) => tracked.findRegion(0).readU8(5),
  ({ tracked }) => tracked.findRegion(0).readU8(5),
  (objects) => (objects.guard = objects.atomic.memory()),
  ({ guard }) => guard.readU8(0),
  ({ guard }) => guard.readU8(1),
  ({ guard }) => guard.readU8(2),
  ({ guard }) => guard.clone().intoInner(),
  ({ guard }) => guard.dispose(),
  ({ atomic, other }) => atomic.update(() => other),
  ({ atomic }) => atomic.memory().readU8(8 * SIZE),
  ({ atomic, map }) => atomic.lock().replace(map),
  ({ atomic }) => atomic.memory().dispose(),
]

/** Makes all calls; errors are nobody's business here. Slices get their fast paths late. */
export function use(objects) {
  for (let round = 0; round < 2; round += 1) {
    for (let i = 0; i < CALLS.length; i += 1) {
      try {
        CALLS[i](objects)
      } catch {}
    }
  }
  for (let i = 0; i < 40; i += 1) {
    try {
      objects.slice.readU8(i)
    } catch {}
  }
}

/** What must hold, whatever happened before. */
export function check({ map, tracked, other, atomic, slice }) {
  for (let round = 0; round < 3; round += 1) {
    for (const [index, region] of [...map.iter()].entries()) {
      const start = [0, SIZE, 4 * SIZE][index]
      assert.equal(region.startAddr, BigInt(start))
      assert.equal(map.findRegion(start), region)
      assert.equal(map.findRegion(start + SIZE - 1), region)
      assert.ok(map.addressInRange(start) && map.addressInRange(start + SIZE - 1))
      assert.ok(region.buffer instanceof ArrayBuffer && region.buffer.byteLength === SIZE)
      map.writeU8(40 + index + round, start + 9)
      assert.equal(region.readU8(9), 40 + index + round)
      assert.equal(new Uint8Array(region.buffer)[9], 40 + index + round)
      assert.equal(map.views(start + 9, 1)[0][0], 40 + index + round)
    }
    for (const at of [2 * SIZE, 4 * SIZE - 1, 5 * SIZE]) {
      assert.ok(!map.addressInRange(at))
      assert.equal(map.findRegion(at), null)
      assert.throws(() => map.readU8(at), { code: 'ERR_INVALID_GUEST_ADDRESS' })
    }
    const { bitmap } = tracked.findRegion(0)
    assert.ok(bitmap instanceof AtomicBitmap)
    bitmap.reset()
    tracked.writeU8(round, 3)
    assert.ok(bitmap.dirtyAt(0) && bitmap.sliceAt(1).dirtyAt(0) && tracked.getSlice(0, 8).bitmap.dirtyAt(0))
    slice.writeU8(60 + round, 63)
    assert.equal(map.readU8(SIZE + 63), 60 + round)
    assert.equal(
      atomic.update(() => other),
      other,
    )
    assert.equal(atomic.memory().intoInner(), other)
    atomic.lock().replace(map)
    const guard = atomic.memory()
    assert.equal(guard.readU8(9), 40 + round)
    assert.equal(guard.findRegion(0), map.findRegion(0))
    guard.dispose()
    assert.throws(() => guard.readU8(9), { code: 'ERR_DISPOSED' })
    assert.ok(map.findRegion(0) instanceof GuestRegionMmap)
  }
}
