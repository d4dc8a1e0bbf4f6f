// Guards of the lock, and who can use them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { type GuestMemoryExclusiveGuard, GuestMemoryMmap } from '../../index.js'
import { Agent } from './agent.js'
import { newAtomic } from './atomic.js'

const PAGE = 4096

test.serial('a guard of the lock is of the thread that took it: the others see its effects alone', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const guards: GuestMemoryExclusiveGuard[] = []
  for (let round = 0; round < 3; round += 1) {
    await agent.call('lock')
    const pending = atomic.lockAsync()
    await agent.call('replace', round)
    const guard = await pending
    guards.push(guard)
    t.is(atomic.memory().lastAddr, BigInt(round) * 65536n + BigInt(PAGE) - 1n)
    guard.dispose()
  }
  for (const guard of guards) t.throws(() => guard.replace(new GuestMemoryMmap()), { code: 'ERR_DISPOSED' })
})
