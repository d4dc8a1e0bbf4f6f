// Zero-copy: buffers and views are the memory itself.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import {
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MmapRegion,
  Ordering,
  PROT_READ,
} from 'vm-memory'
import { check } from './checks.mjs'

const SIZE = 0x4000

check('the buffer of a region is its memory, and always the same object', () => {
  const region = GuestRegionMmap.fromRange(0x1000, SIZE)
  assert.ok(region.buffer instanceof ArrayBuffer)
  assert.equal(region.buffer.byteLength, SIZE)
  assert.equal(region.buffer, region.buffer)
  new Uint8Array(region.buffer)[3] = 9
  assert.equal(region.readU8(3), 9)
  region.writeU32(0x01020304, 4)
  assert.equal(new DataView(region.buffer).getUint32(4, true), 0x01020304)
})

check('views are the memory, and lie where they were asked for', () => {
  const region = GuestRegionMmap.fromRange(0x1000, SIZE)
  const view = region.asUint8Array(16, 4)
  view.set([1, 2, 3, 4])
  assert.equal(region.readU32(16), 0x04030201)
  const [first, ...others] = GuestMemoryMmap.fromRegions([region]).views(0x1010, 2)
  assert.deepEqual([[...first], others.length], [[1, 2], 0])
})

check('atomics of the language and of the package meet in the same memory', () => {
  const region = GuestRegionMmap.fromRange(0, SIZE)
  const words = new Int32Array(region.buffer)
  Atomics.add(words, 2, 5)
  assert.equal(region.load('i32', 8, Ordering.SeqCst), 5)
  region.store('i32', -1, 8, Ordering.SeqCst)
  assert.equal(Atomics.load(words, 2), -1)
  assert.equal(Atomics.add(new BigInt64Array(region.buffer), 2, 2n ** 40n), 0n)
  assert.equal(region.readU64(16), 2n ** 40n)
})

check('a shared buffer is the memory, or refused by its code', () => {
  const region = GuestRegionMmap.fromRange(0, SIZE)
  let shared
  try {
    shared = region.sharedBuffer
  } catch (error) {
    assert.equal(error.code, 'ERR_UNSUPPORTED')
    return
  }
  assert.ok(shared instanceof SharedArrayBuffer)
  new Uint8Array(shared)[1] = 3
  assert.equal(region.readU8(1), 3)
})

check('memory without the right is refused, not touched', () => {
  const region = new GuestRegionMmap(MmapRegion.build(null, SIZE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE), 0)
  assert.equal(region.readU8(0), 0)
  assert.throws(() => region.writeU8(1, 0), { code: 'ERR_PROTECTION' })
  assert.throws(() => region.buffer, { code: 'ERR_PROTECTION' })
})
