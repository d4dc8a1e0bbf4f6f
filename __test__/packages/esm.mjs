// An ES module that depends on the package.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import whole, * as names from 'vm-memory'
import { GuestMemoryMmap, Ordering } from 'vm-memory'

const require = createRequire(import.meta.url)
const required = require('vm-memory')
assert.equal(whole, required)
assert.equal(required.GuestMemoryMmap, GuestMemoryMmap)
for (const name of Object.keys(required)) assert.equal(names[name], required[name], name)
assert.equal(GuestMemoryMmap.fromRanges([[0, 4096]]).load('u8', 0, Ordering.SeqCst), 0)
assert.match(require('vm-memory/package.json').version, /^\d+\.\d+\.\d+$/)
await assert.rejects(import('vm-memory/dist/index.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
console.log('fine')
