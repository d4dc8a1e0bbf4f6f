// A program to be bundled: it works, has the fast paths, and users see the names that they know.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const assert = require('node:assert/strict')
const vm = require('vm-memory')

const { GuestMemoryAtomic, GuestMemoryLoadGuard, GuestMemoryMmap, GuestRegionMmap, VolatileSlice } = vm

const memory = GuestMemoryMmap.fromRanges([[0, 4096]])
const guard = new GuestMemoryAtomic(memory).memory()
for (let value = 0; value < 50; value += 1) {
  guard.writeU32(value, 8)
  assert.equal(memory.readU32(8), value)
}
assert.deepEqual(memory.readObj(['u16', 2], 8), Uint16Array.of(49, 0))

const isNative = (method) => Function.prototype.toString.call(method).includes('[native code]')
for (const { name, prototype } of [GuestMemoryLoadGuard, GuestMemoryMmap, GuestRegionMmap, VolatileSlice]) {
  assert.equal(isNative(prototype.readU32), false, `${name} has no fast paths`)
}

for (const [key, value] of Object.entries(vm)) {
  if (typeof value !== 'function') continue
  assert.equal(value.name, key)
  for (const [name, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(value.prototype ?? {}))) {
    if (typeof method === 'function' && name !== 'constructor') assert.equal(method.name, name, `${key}.${name}`)
  }
}
console.log('fine')
