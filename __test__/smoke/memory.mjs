// Maps, access by copy, errors, and what the console shows.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { GuestAddress, GuestMemoryMmap, GuestRegionMmap, pageSize } from 'vm-memory'
import { check } from './checks.mjs'

const HIGH = 2n ** 63n

const memory = () =>
  GuestMemoryMmap.fromRanges([
    [0x1000, 0x10000],
    [HIGH, 0x10000],
  ])

check('a map has regions at 64-bit addresses, with a hole between', () => {
  const map = memory()
  assert.equal(map.numRegions, 2)
  assert.equal(map.lastAddr, HIGH + 0xffffn)
  assert.deepEqual(
    [...map].map(({ startAddr }) => startAddr),
    [0x1000n, HIGH],
  )
  assert.equal(map.addressInRange(HIGH - 1n), false)
  assert.equal(map.findRegion(HIGH + 1n)?.startAddr, HIGH)
  assert.ok(pageSize() >= 4096)
})

const SCALARS = [
  ['u8', 0xff],
  ['i8', -128],
  ['u16', 0xfffe],
  ['i16', -2],
  ['u32', 0xffff_fffe],
  ['i32', -(2 ** 31)],
  ['u64', 2n ** 64n - 1n],
  ['i64', -(2n ** 63n)],
  ['u128', 2n ** 128n - 1n],
  ['i128', -(2n ** 127n)],
  ['be16', 0x0102],
  ['be32', 0x01020304],
  ['le64', 0x0102030405060708n],
]
for (const [type, value] of SCALARS) {
  check(`a ${type} is read as it was written`, () => {
    const map = memory()
    for (const address of [0x1001, HIGH + 0x100n]) {
      map.writeObj(type, value, address)
      assert.equal(map.readObj(type, address), value)
    }
  })
}

check('bytes are copied in and out, in the order of the guest', () => {
  const map = memory()
  map.writeObj('be32', 0x01020304, 0x2000)
  const bytes = new Uint8Array(4)
  map.readSlice(bytes, 0x2000)
  assert.deepEqual([...bytes], [1, 2, 3, 4])
  const block = new Uint8Array(0x8000).map((_, i) => i % 251)
  map.writeSlice(block, HIGH)
  const copy = new Uint8Array(block.length)
  map.readSlice(copy, HIGH)
  assert.deepEqual(copy, block)
})

check('what upstream refuses is an error with its name, code and fields', () => {
  const map = memory()
  assert.throws(() => map.readU8(0), { name: 'GuestMemoryError', code: 'ERR_INVALID_GUEST_ADDRESS', addr: 0n })
  assert.throws(() => map.readU64(HIGH + 0xffffn), { code: 'ERR_PARTIAL_BUFFER', expected: 8, completed: 1 })
  assert.throws(() => GuestMemoryMmap.fromRanges([...twice(0x1000)]), { code: 'ERR_MEMORY_REGION_OVERLAP' })
})

function* twice(address) {
  yield [address, 0x1000]
  yield [address, 0x1000]
}

check('arguments are checked, and nothing is truncated', () => {
  const map = memory()
  for (const wrong of [-1, 2n ** 64n, 1.5, 2 ** 53]) {
    assert.throws(() => map.readU8(wrong), { code: 'ERR_OUT_OF_RANGE' }, String(wrong))
  }
  assert.throws(() => map.readU8('0x1000'), TypeError)
  assert.throws(() => map.writeU8(256, 0x1000), RangeError)
  assert.equal(GuestAddress.checkedAdd(2n ** 64n - 1n, 1), null)
})

check('writes to a tracked region are seen by its bitmap', () => {
  const region = GuestRegionMmap.fromRange(0, 4 * pageSize(), null, { bitmap: true })
  region.writeU8(1, 2 * pageSize())
  assert.deepEqual(
    [0, 1, 2, 3].map((page) => region.bitmap.dirtyAt(page * pageSize())),
    [false, false, true, false],
  )
})

check('a map shows itself on the console', () => {
  assert.match(inspect(memory()), /GuestMemoryMmap[^]*64 KiB/)
})
