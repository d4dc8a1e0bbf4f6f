// Waiting for the lock: its order, and those that leave the line.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import test from 'ava'
import { rejection } from '../refusal.js'
import { Agent } from './agent.js'
import { TIMED_OUT, isFree, newAtomic, readU32, writeU32 } from './atomic.js'

/** The first three are over at once, the others never. */
const TIMES = [0, -0, 5e-324, 2 ** 31, 2 ** 53, 2 ** 64, 2 ** 64 * 1000, 1e25, 1e300, Number.MAX_VALUE, Infinity]
const NO_TIMES = [-5e-324, -1, -1e300, -Number.MAX_VALUE, -Infinity, NaN]
const HELD = { code: 'ERR_LOCK_HELD' }

test.serial('a lock that another thread holds is waited for, as long as one wants', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('lock')
  t.is(atomic.tryLock(), null)
  t.throws(() => atomic.lock({ timeout: 0 }), TIMED_OUT)
  const start = performance.now()
  t.throws(() => atomic.lock({ timeout: 30 }), TIMED_OUT)
  t.true(performance.now() - start >= 29, 'not before the time')
  await agent.call('unlock')
  atomic.lock({ timeout: 0 }).dispose()
  t.true(isFree(atomic))
})

test.serial('a thread that waits gets the lock when it is given back', async (t) => {
  const atomic = newAtomic()
  const [first, second] = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  const guard = atomic.lock()
  const locking = await first.beginBlocking('lock', { timeout: 30_000 })
  const updating = await second.beginBlocking('update')
  guard.dispose()
  t.is(await locking.result, 'locked')
  t.is(atomic.tryLock(), null)
  await first.call('unlock')
  t.is(await updating.result, 1)
  t.true(isFree(atomic))
})

test.serial(
  'any time that is not negative may be waited for: what is longer than a clock counts is no limit',
  async (t) => {
    const atomic = newAtomic()
    for (const timeout of TIMES) atomic.lock({ timeout }).dispose()
    for (const timeout of NO_TIMES) {
      t.throws(() => atomic.lock({ timeout }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }, String(timeout))
    }
    const agent = await Agent.start(t, atomic)
    for (const timeout of TIMES.slice(3)) {
      const guard = atomic.lock()
      const locking = await agent.beginBlocking('lock', { timeout })
      guard.dispose()
      t.is(await locking.result, 'locked', String(timeout))
      const waiting = atomic.lockAsync({ timeout })
      await agent.call('unlock')
      ;(await waiting).dispose()
    }
    t.true(isFree(atomic))
  },
)

test.serial('lockAsync and synchronize wait for any such time, too', async (t) => {
  const atomic = newAtomic()
  for (const timeout of TIMES) (await atomic.lockAsync({ timeout })).dispose()
  for (const timeout of TIMES) await t.notThrowsAsync(atomic.synchronize({ timeout }), String(timeout))
  for (const timeout of NO_TIMES) {
    await t.throwsAsync(atomic.lockAsync({ timeout }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
    await t.throwsAsync(atomic.synchronize({ timeout }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
  for (const timeout of TIMES.slice(3)) {
    const guard = atomic.memory()
    atomic.update((map) => map.clone())
    const ended = atomic.synchronize({ timeout })
    guard.dispose()
    await t.notThrowsAsync(ended, String(timeout))
  }
})

test.serial('a time is not over before word of what was free comes, however busy the thread is', async (t) => {
  const atomic = newAtomic()
  const locking = atomic.lockAsync({ timeout: 0.1 })
  const ended = atomic.synchronize({ timeout: 0.1 })
  const start = performance.now()
  while (performance.now() - start < 20);
  ;(await locking).dispose()
  await t.notThrowsAsync(ended)
  t.true(isFree(atomic))
})

test.serial('a thread does not wait for itself', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const guard = atomic.lock()
  t.throws(() => atomic.lock(), HELD)
  t.throws(() => atomic.clone().update((map) => map), HELD)
  t.is(atomic.tryLock(), null)
  guard.dispose()

  // Nor for what could not be delivered while it waits.
  await agent.call('lock')
  const pending = atomic.lockAsync()
  t.throws(() => atomic.lock(), HELD)
  t.throws(() => atomic.lock({ timeout: 5 }), HELD)
  t.throws(() => atomic.update((map) => map), HELD)
  t.is(atomic.tryLock(), null)
  const second = atomic.lockAsync()
  await agent.call('unlock')
  ;(await pending).dispose()
  ;(await second).dispose()
  t.true(isFree(atomic))
})

test.serial('first come, first served, whether one blocks or not', async (t) => {
  const atomic = newAtomic()
  const agents = await Promise.all([1, 2, 3, 4].map(() => Agent.start(t, atomic)))
  const [first, second, third, fourth] = agents as [Agent, Agent, Agent, Agent]
  const signAsync = async (name: number): Promise<void> => {
    const lock = await atomic.lockAsync()
    const length = readU32(atomic, 0)
    writeU32(atomic, name, 4 + 4 * length)
    writeU32(atomic, length + 1, 0)
    lock.dispose()
  }
  const guard = atomic.lock()
  const pending = [
    (await first.beginBlocking('lockAndSign', 1)).result,
    signAsync(2),
    (await second.beginBlocking('updateAndSign', 3)).result,
    (await third.begin('lockAsyncAndSign', 4)).result,
  ]
  await third.call('read', 0) // so that it is in line
  pending.push((await fourth.beginBlocking('lockAndSign', 5)).result, signAsync(6))
  t.is(readU32(atomic, 0), 0)
  guard.dispose()
  // It has been given to the first already, so nobody can come between.
  t.is(atomic.tryLock(), null)
  await Promise.all(pending)
  t.is(readU32(atomic, 0), 6)
  t.deepEqual(
    [1, 2, 3, 4, 5, 6].map((i) => readU32(atomic, 4 * i)),
    [1, 2, 3, 4, 5, 6],
  )
})

test.serial('waiters that abort, time out or die are skipped', async (t) => {
  const atomic = newAtomic()
  const agents = await Promise.all([1, 2, 3, 4, 5].map(() => Agent.start(t, atomic)))
  const [timed, blocked, waiting, leaving, last] = agents as [Agent, Agent, Agent, Agent, Agent]
  const controller = new AbortController()
  const guard = atomic.lock()
  const timedOut = await timed.begin('lock', { timeout: 150 })
  await blocked.beginBlocking('lock')
  const aborted = atomic.lockAsync({ signal: controller.signal })
  const late = atomic.lockAsync({ timeout: 10 })
  await waiting.begin('lockAsync')
  await leaving.begin('lockAsync')
  const served = await last.beginBlocking('lockAndSign', 9)

  controller.abort()
  const reasons = await Promise.all([aborted, late, timedOut.result].map(rejection))
  t.like(reasons[0], { name: 'AbortError' })
  t.like(reasons[1], TIMED_OUT)
  t.like(reasons[2], TIMED_OUT)
  await blocked.terminate()
  await waiting.terminate()
  await leaving.begin('exit')
  t.is(await leaving.exit, 0)
  t.is(readU32(atomic, 0), 0)
  guard.dispose()
  await served.result
  t.is(readU32(atomic, 4), 9)
  t.true(isFree(atomic))
})

test.serial('a lock granted to a thread that dies before it hears of it goes to the next', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const guard = atomic.lock()
  await agent.begin('lockAsyncAndSpin')
  await agent.inside()
  const next = atomic.lockAsync()
  guard.dispose()
  t.is(await Promise.race([next, setTimeout(50, 'not yet')]), 'not yet')
  await agent.terminate()
  ;(await next).dispose()
  t.true(isFree(atomic))
})

/** Counts what a thread keeps on its heap. The snapshot is taken while the thread waits: each look lets the engine in. */
async function heapNodes(worker: Worker): Promise<number> {
  const snapshot = await text(await worker.getHeapSnapshot())
  return Number(/"node_count":(\d+)/.exec(snapshot)?.[1])
}

for (const task of ['lock', 'update'] as const) {
  test.serial(`a thread that waits in ${task} keeps nothing of its looks for orders to end`, async (t) => {
    const atomic = newAtomic()
    const agent = await Agent.start(t, atomic)
    const guard = atomic.lock()
    const waiting = await agent.beginBlocking(task)
    // The first one leaves something behind.
    await heapNodes(agent.worker)
    const before = await heapNodes(agent.worker)
    await setTimeout(2000)
    const after = await heapNodes(agent.worker)
    // It looks every 10 ms, less often where threads wait for a processor.
    t.true(after - before < 30, `${after - before} objects more than ${before}`)
    guard.dispose()
    await waiting.result
  })
}
