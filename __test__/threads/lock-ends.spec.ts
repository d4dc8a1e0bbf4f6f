// The lock of threads that end, however they do.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { Agent } from './agent.js'
import { isFree, newAtomic } from './atomic.js'
import { run } from './script.js'

test.serial('a thread that is blocked in lock() or update() ends within 200 ms of terminate()', async (t) => {
  const atomic = newAtomic()
  const guard = atomic.lock()
  for (const task of ['lock', 'update']) {
    const times: number[] = []
    for (let round = 0; round < 3; round += 1) {
      const agent = await Agent.start(t, atomic)
      await agent.beginBlocking(task)
      times.push(await agent.terminate())
    }
    times.sort((a, b) => a - b)
    t.log(task, times.map((time) => `${time.toFixed(1)} ms`).join(', '))
    t.true((times[1] as number) < 200)
  }
  guard.dispose()
  t.true(isFree(atomic))
})

test.serial('process.exit() of the main thread is not held up by threads that wait', async (t) => {
  t.deepEqual(await run('exit-with-waiters.mjs'), { code: 0, output: 'exiting\n', errors: '' })
})

const LOSSES: [how: string, lose: (agent: Agent) => Promise<unknown>][] = [
  ...(['is terminated', 'exits', 'returns', 'throws'] as const).map((how): (typeof LOSSES)[number] => [
    how,
    (agent) => agent.end(how),
  ]),
  [
    'loses its guard to a collection',
    async (agent) => {
      await agent.call('loseLock')
      await agent.call('collect')
    },
  ],
]

for (const [how, lose] of LOSSES) {
  test.serial(`a holder that ${how} gives the lock back, and the map stays as it was`, async (t) => {
    const atomic = newAtomic()
    const before = atomic.memory().intoInner()
    const [holder, blocked] = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
    await holder.call('lock')
    const pending = atomic.lockAsync()
    const updating = await blocked.beginBlocking('update')
    await lose(holder)
    ;(await pending).dispose()
    t.is(await updating.result, 1)
    t.true(isFree(atomic))
    t.deepEqual([...atomic.memory()], [...before])
    if (how === 'throws') t.is(holder.errors[0]?.message, 'uncaught')
    else t.deepEqual(holder.errors, [])
  })
}

test.serial('an update that never returns ends with its thread', async (t) => {
  const atomic = newAtomic()
  const before = atomic.memory().intoInner()
  const [agent, blocked] = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  await agent.begin('updateForEver')
  await agent.inside()
  t.is(atomic.tryLock(), null)
  const waiting = await blocked.beginBlocking('lock')
  await agent.terminate()
  t.is(await waiting.result, 'locked')
  await blocked.call('unlock')
  t.true(isFree(atomic))
  t.is(atomic.memory().intoInner(), before)
})

test.serial('an update that throws or exits leaves map and lock as they were', async (t) => {
  const atomic = newAtomic()
  const before = atomic.memory().intoInner()
  const agent = await Agent.start(t, atomic)
  await t.throwsAsync(agent.call('updateAndThrow'), { message: 'from within' })
  t.true(isFree(atomic))
  await agent.begin('updateAndExit')
  t.is(await agent.exit, 0)
  t.true(isFree(atomic))
  t.is(atomic.memory().intoInner(), before)
})
