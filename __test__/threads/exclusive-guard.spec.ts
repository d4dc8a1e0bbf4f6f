// Guards of the lock, and who can use them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { GuestMemoryAtomic, type GuestMemoryExclusiveGuard, GuestMemoryMmap } from '../../index.js'
import { Agent } from './agent.js'
import { isFree, newAtomic } from './atomic.js'
import { run } from './script.js'

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

test.serial('a guard that is disposed of while replace looks at its argument stays disposed of', async (t) => {
  t.deepEqual(await run('disposed-by-argument.mjs'), { code: 0, output: 'ERR_DISPOSED, unlocked', errors: '' })
})

test.serial('update says that its function must not be asynchronous', (t) => {
  const atomic = newAtomic()
  const expected = {
    instanceOf: TypeError,
    code: 'ERR_INVALID_ARG_TYPE',
    message:
      'The "the result of fn" argument must be a GuestMemoryMmap or a GuestMemoryLoadGuard. ' +
      'Received a Promise, and fn must not be async',
  }
  t.throws(() => atomic.update((async (map: GuestMemoryMmap) => map) as never), expected)
  t.throws(() => atomic.update((() => Promise.resolve(new GuestMemoryMmap())) as never), expected)
  t.throws(() => atomic.update((() => ({})) as never), { message: /Received an object$/ })
  t.true(isFree(atomic))
})

test.serial('a promise in place of a map is named', (t) => {
  const promise = Promise.resolve(new GuestMemoryMmap()) as never
  t.throws(() => newAtomic().lock().replace(promise), { message: /Received a Promise$/ })
  t.throws(() => new GuestMemoryAtomic(promise), { message: /Received a Promise$/ })
})
