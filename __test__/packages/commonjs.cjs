// A CommonJS module that depends on the package.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const assert = require('node:assert/strict')
const { GuestMemoryAtomic, GuestMemoryMmap } = require('vm-memory')

const guard = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 4096]])).memory()
guard.writeU32(7, 0)
assert.equal(guard.readU32(0), 7)
const importIt = async () => {
  const imported = await import('vm-memory')
  assert.equal(imported.GuestMemoryMmap, GuestMemoryMmap)
  console.log('fine')
}
importIt()
