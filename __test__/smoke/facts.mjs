// What runtimes differ in.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { GuestRegionMmap, memfdCreate, pageSize } from 'vm-memory'
import { fact } from './checks.mjs'
import { closeForeign } from './foreign-descriptor.mjs'
import { canWatch, collect, eventually, isMapped, namedMemory } from './garbage.mjs'

const GIB = 2 ** 30
/** Nothing is sought beyond: no guest has as much in one region. */
const LONG = 1024 * GIB

/** Whether there can be a buffer of this length; null where there cannot even be a mapping. */
async function canBe(length) {
  try {
    const { byteLength } = GuestRegionMmap.fromRange(0, length).buffer
    assert.equal(byteLength, length)
    return true
  } catch (error) {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return false
    if (error.code === 'ERR_MMAP') return null
    throw error
  } finally {
    // The address space is not endless either.
    collect()
    await setImmediate()
  }
}

fact('longestBuffer', async () => {
  let possible = GIB
  let refused
  while (possible < LONG && refused === undefined) {
    const next = 2 * possible
    const answer = await canBe(next)
    if (answer === null) return { atLeast: possible }
    if (answer) possible = next
    else refused = next
  }
  if (refused === undefined) return { atLeast: possible }
  while (refused - possible > pageSize()) {
    const middle = possible + Math.floor((refused - possible) / 2 / pageSize()) * pageSize()
    if (await canBe(middle)) possible = middle
    else refused = middle
  }
  return { exactly: possible }
})

fact('sharedBuffer', () => {
  try {
    const { sharedBuffer } = GuestRegionMmap.fromRange(0, pageSize())
    return Atomics.wait(new Int32Array(sharedBuffer), 0, 1) === 'not-equal'
  } catch (error) {
    assert.equal(error.code, 'ERR_UNSUPPORTED')
    return false
  }
})

fact('foreignDescriptors', () => (canWatch ? closeForeign(memfdCreate('smoke-foreign', pageSize())) : null))

fact('using', () => {
  try {
    return typeof new Function('{ using nothing = null }') === 'function'
  } catch (error) {
    assert.ok(error instanceof SyntaxError)
    return false
  }
})

fact('transferable', () => {
  const region = GuestRegionMmap.fromRange(0, pageSize())
  const { buffer } = region
  new Uint8Array(buffer)[0] = 1
  let moved
  try {
    moved = structuredClone(buffer, { transfer: [buffer] })
  } catch (error) {
    return error.name
  }
  const isMemory = (() => {
    region.writeU8(2, 0)
    return new Uint8Array(moved)[0] === 2
  })()
  return isMemory ? 'memory' : 'copy'
})

fact('collectedInLoop', () => {
  if (!canWatch) return null
  namedMemory('smoke-loop')
  for (let round = 0; round < 20 && isMapped('smoke-loop'); round += 1) collect()
  return !isMapped('smoke-loop')
})

fact('collectedBetweenTurns', async () => {
  if (!canWatch) return null
  namedMemory('smoke-turns')
  return eventually(() => !isMapped('smoke-turns'))
})
