// Two threads that change one map at the same time.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test, { type ExecutionContext } from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap } from '../../index.js'
import { Agent } from './agent.js'

const COUNT = 60

/** Two threads insert regions, at the same time; how many there are then. */
async function insertInTwoThreads(t: ExecutionContext, task: string): Promise<number> {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const agents = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  await Promise.all(agents.map((agent, i) => agent.call(task, { first: i * COUNT, count: COUNT })))
  return atomic.memory().numRegions
}

test.serial('two threads that change the map by update lose nothing', async (t) => {
  t.is(await insertInTwoThreads(t, 'insertByUpdate'), 2 * COUNT)
})

test.serial('two threads that read the map before they take the lock lose changes', async (t) => {
  const left = await insertInTwoThreads(t, 'insertByReadingFirst')
  t.true(left < 2 * COUNT, `${left} of ${2 * COUNT} regions are left`)
})
