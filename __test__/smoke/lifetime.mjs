// That memory stays mapped for as long as something of it is used, and not for ever.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { GuestMemoryAtomic, GuestMemoryMmap } from 'vm-memory'
import { check } from './checks.mjs'
import { canWatch, collect, eventually, isMapped, namedMemory } from './garbage.mjs'

// Made in functions of their own: what an async function had in its hands may stay in its frame.
const bufferOf = (name) => namedMemory(name).findRegion(0).buffer
const holder = (name) => ({ buffer: bufferOf(name) })

check('a buffer keeps its memory mapped', async () => {
  const held = holder('smoke-buffer')
  new Uint8Array(held.buffer)[0] = 42
  if (canWatch) await eventually(() => !isMapped('smoke-buffer'))
  else collect()
  assert.equal(new Uint8Array(held.buffer)[0], 42)
  assert.ok(!canWatch || isMapped('smoke-buffer'))
  held.buffer = null
  assert.ok(!canWatch || (await eventually(() => !isMapped('smoke-buffer'))), 'it is mapped for ever')
})

check('memory that was dropped is unmapped', async () => {
  if (!canWatch) return
  namedMemory('smoke-dropped')
  assert.ok(await eventually(() => !isMapped('smoke-dropped')))
})

check('a map that was replaced is unmapped once its guard is disposed of', async () => {
  if (!canWatch) return
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const guard = (() => {
    atomic.lock().replace(namedMemory('smoke-replaced'))
    return atomic.memory()
  })()
  atomic.lock().replace(new GuestMemoryMmap())
  assert.ok(isMapped('smoke-replaced'))
  guard.dispose()
  assert.ok(await eventually(() => !isMapped('smoke-replaced')))
})
