// `lockAsync`: what ends it, and what it leaves alone.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { GuestMemoryMmap } from '../../index.js'
import { refusesArgument, rejection } from '../refusal.js'
import { Agent } from './agent.js'
import { TIMED_OUT, isFree, newAtomic } from './atomic.js'
import { run } from './script.js'

test.serial('lockAsync rejects with what its signal was aborted with', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('lock')
  t.like(await rejection(atomic.lockAsync({ signal: AbortSignal.abort() })), { name: 'AbortError' })
  const timedOut = await rejection(atomic.lockAsync({ signal: AbortSignal.timeout(10) }))
  t.true(timedOut instanceof DOMException)
  t.like(timedOut, { name: 'TimeoutError' })
  const controller = new AbortController()
  const reason = new Error('changed my mind')
  const waiting = atomic.lockAsync({ signal: controller.signal, timeout: 60_000 })
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  // Nobody is left in line.
  await agent.call('unlock')
  t.true(isFree(atomic))
  // Aborted before, it does not even try.
  await t.throwsAsync(atomic.lockAsync({ signal: AbortSignal.abort(reason) }), { is: reason })
  t.true(isFree(atomic))
})

test.serial('an abort after the grant does nothing', async (t) => {
  const atomic = newAtomic()
  const controller = new AbortController()
  const guard = await atomic.lockAsync({ signal: controller.signal, timeout: 20 })
  controller.abort()
  await setTimeout(40)
  t.is(atomic.tryLock(), null)
  guard.replace(new GuestMemoryMmap())
  t.is(atomic.memory().numRegions, 0)
})

test.serial('lockAsync gives up after its time', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  ;(await atomic.lockAsync({ timeout: 0 })).dispose()
  await agent.call('lock')
  await t.throwsAsync(atomic.lockAsync({ timeout: 0 }), TIMED_OUT)
  await t.throwsAsync(atomic.lockAsync({ timeout: 15 }), TIMED_OUT)
  const endless = atomic.lockAsync({ timeout: Infinity })
  await agent.call('unlock')
  ;(await endless).dispose()
})

test.serial('wrong options are refused, by rejection where there is a promise', async (t) => {
  const atomic = newAtomic()
  for (const timeout of [-1, NaN, -Infinity]) {
    t.throws(() => atomic.lock({ timeout }), { code: 'ERR_OUT_OF_RANGE' })
    await t.throwsAsync(atomic.lockAsync({ timeout }), { code: 'ERR_OUT_OF_RANGE' })
  }
  for (const timeout of ['1', null, {}] as unknown as number[]) {
    refusesArgument(t, () => atomic.lock({ timeout }))
    await t.throwsAsync(atomic.lockAsync({ timeout }), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const signal of [{}, { aborted: false }, null] as unknown as AbortSignal[]) {
    await t.throwsAsync(atomic.lockAsync({ signal }), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.true(isFree(atomic))
})

test.serial('lockAsync leaves the event loop and the thread pool alone', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('lock')
  let granted = 0
  const waiting = Array.from({ length: 32 }, async () => {
    const lock = await atomic.lockAsync()
    granted += 1
    lock.dispose()
  })
  for (let turns = 0; turns < 100; turns += 1) await setImmediate()
  // The pool has four threads: if the waiters sat on those, nothing of this could be done.
  t.true((await fs.promises.readFile(fileURLToPath(import.meta.url))).length > 0)
  await Promise.all(Array.from({ length: 8 }, () => fs.promises.stat(process.execPath)))
  t.is(granted, 0)
  await agent.call('unlock')
  await Promise.all(waiting)
  t.is(granted, 32)
})

test.serial('a pending lockAsync keeps the process, as pending I/O does, and nothing else of it', async (t) => {
  t.deepEqual(await run('pending-lock.mjs', 'wait'), { code: 0, output: 'granted\n', errors: '' })
  t.deepEqual(await run('pending-lock.mjs'), { code: 0, output: '', errors: '' })
})
