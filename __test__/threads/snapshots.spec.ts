// Snapshots of threads, and the memory that they hold.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap } from '../../index.js'
import { BASE, MARK, freshName, isGone, namedMemory } from '../named-memory.js'
import { eventually, mappingsOf, settle } from '../process-resources.js'
import { Agent } from './agent.js'

/** Three threads with a snapshot each, of a map that has then been replaced. */
async function snapshots(t: ExecutionContext, name: string, address?: number): Promise<Agent[]> {
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const agents = await Promise.all([1, 2, 3].map(() => Agent.start(t, atomic)))
  for (const agent of agents) t.is(await agent.call('snapshot', address), address === undefined ? 1 : MARK)
  atomic.lock().replace(new GuestMemoryMmap())
  return agents
}

test.serial('old regions are unmapped with the last guard, though the other threads stay idle', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.call('disposeSnapshots')
  }
  t.true(await eventually(isGone(name)))
})

test.serial('threads that have read through their guards let go of old regions at a collection', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name, BASE)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.call('disposeSnapshots')
    await agent.call('collect')
  }
  t.true(await eventually(isGone(name)))
})

test.serial('guards that threads have dropped are given back at a collection', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name, BASE)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.call('dropSnapshots')
    await agent.call('collect')
  }
  t.true(await eventually(isGone(name)))
})

test.serial('guards of threads that were terminated hold nothing', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name, BASE)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.terminate()
  }
  t.true(await eventually(isGone(name)))
})

test.serial('threads that are terminated while they make buffers leave nothing mapped', async (t) => {
  const name = freshName()
  for (let round = 0; round < 16; round += 1) {
    const agent = await Agent.start(t, null)
    await agent.begin('makeBuffers', { file: name, count: 3000 })
    await agent.inside()
    await setTimeout((round % 8) / 2)
    await agent.terminate()
  }
  t.true(await eventually(isGone(name)), `${mappingsOf(name)} mappings are left`)
})
