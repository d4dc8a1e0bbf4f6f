// `sharedBuffer`: guest memory that threads have as a SharedArrayBuffer.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { GuestRegionMmap } from '../../index.js'
import { MARK, freshName, isGone, namedMemory } from '../named-memory.js'
import { eventually, mappingsOf, settle } from '../process-resources.js'
import { Agent } from './agent.js'

const PAGE = 4096

/** Whether this runtime has the call, by the versions that brought it. */
function hasSharedBuffers(): boolean {
  if (process.versions.bun !== undefined) return true
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  const since: Record<number, number> = { 22: 23, 24: 16, 26: 1 }
  return major > 26 || minor >= (since[major] ?? Infinity)
}

if (hasSharedBuffers()) {
  test.serial('a shared buffer is the memory itself, in every thread that it is posted to', async (t) => {
    const region = GuestRegionMmap.fromRange(0, PAGE)
    const { sharedBuffer } = region
    t.true(sharedBuffer instanceof SharedArrayBuffer)
    t.is(sharedBuffer.byteLength, PAGE)
    t.is(region.sharedBuffer, sharedBuffer)
    const agent = await Agent.start(t, null)
    const adding = await agent.begin('add', { buffer: sharedBuffer, index: 4, times: 20_000 })
    const words = new Int32Array(sharedBuffer)
    for (let i = 0; i < 20_000; i += 1) Atomics.add(words, 4, 1)
    await adding.result
    t.is(region.readU32(16), 40_000)
  })

  test.serial('threads wait and notify each other on guest memory', async (t) => {
    const region = GuestRegionMmap.fromRange(0, PAGE)
    const agent = await Agent.start(t, null)
    const buffer = region.sharedBuffer
    region.writeU32(5, 0)
    t.is(await agent.call('waitFor', { buffer, index: 0, value: 0 }), 'not-equal')
    region.writeU32(0, 0)
    const waiting = await agent.begin('waitFor', { buffer, index: 0, value: 0 })
    while (Atomics.notify(new Int32Array(buffer), 0) === 0) await setTimeout(2)
    t.is(await waiting.result, 'ok')
  })

  test.serial('a shared buffer keeps the memory mapped in whatever thread it is, and lets go of it', async (t) => {
    const name = freshName()
    const agent = await Agent.start(t, null)
    await (() => {
      const buffer = [...namedMemory(name)][0]?.sharedBuffer
      return agent.begin('waitFor', { buffer, index: 0, value: MARK })
    })()
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.terminate()
    t.true(await eventually(isGone(name)))
  })
} else {
  test.serial('sharedBuffer is refused where the runtime cannot make one', (t) => {
    t.throws(() => GuestRegionMmap.fromRange(0, PAGE).sharedBuffer, { code: 'ERR_UNSUPPORTED' })
  })
}
