// Grace periods: who holds them up, and who does not.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from '../../index.js'
import { eventually } from '../process-resources.js'
import { Agent } from './agent.js'

const newAtomic = (): GuestMemoryAtomic => new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 4096]]))

function watch(promise: Promise<unknown>): { readonly isSettled: boolean } {
  const state = { isSettled: false }
  void promise.finally(() => {
    state.isSettled = true
  })
  return state
}

test('nothing is waited for where there are no guards, or only some on the current map', async (t) => {
  const atomic = newAtomic()
  await atomic.synchronize()
  const current = atomic.memory()
  t.is(await atomic.synchronize(), undefined)
  await atomic.synchronize({ timeout: 0 })
  t.is(current.readU8(0), 0)
})

test('each guard on an old map is waited for, clones too', async (t) => {
  const atomic = newAtomic()
  const guard = atomic.memory()
  const clone = guard.clone()
  atomic.update((map) => map)
  const other = atomic.memory()
  atomic.update((map) => map)
  const waiting = atomic.clone().synchronize()
  const state = watch(waiting)
  for (const each of [guard, other]) {
    each.dispose()
    await setTimeout(5)
    t.false(state.isSettled)
  }
  const late = clone.clone()
  clone.dispose()
  await setTimeout(5)
  t.false(state.isSettled)
  late.dispose()
  await waiting
})

test('guards that were taken afterwards are not waited for, whatever becomes of their map', async (t) => {
  const atomic = newAtomic()
  const old = atomic.memory()
  atomic.update((map) => map)
  const waiting = atomic.synchronize()
  const newer = atomic.memory()
  atomic.update((map) => map)
  old.dispose()
  await waiting
  await t.throwsAsync(atomic.synchronize({ timeout: 0 }), { code: 'ERR_LOCK_TIMEOUT' })
  newer.dispose()
  await atomic.synchronize({ timeout: 0 })
})

test('what came out of intoInner is no guard', async (t) => {
  const atomic = newAtomic()
  const map = atomic.memory().intoInner()
  atomic.update((current) => current.removeRegion(0, 4096)[0])
  await atomic.synchronize()
  t.is(map.readU8(0), 0)
})

test('a guard that was dropped holds nothing up once it is collected', async (t) => {
  const atomic = newAtomic()
  ;(() => atomic.memory().readU8(0))()
  atomic.update((map) => map)
  const state = watch(atomic.synchronize())
  t.true(await eventually(() => state.isSettled))
})

test('a time and a signal end the wait', async (t) => {
  const atomic = newAtomic()
  const guard = atomic.memory()
  atomic.update((map) => map)
  await t.throwsAsync(atomic.synchronize({ timeout: 5 }), {
    code: 'ERR_LOCK_TIMEOUT',
    message: 'synchronize(): a guard on an old map was still held after 5 ms',
  })
  const controller = new AbortController()
  const waiting = atomic.synchronize({ signal: controller.signal })
  controller.abort(new Error('mine'))
  await t.throwsAsync(waiting, { message: 'mine' })
  await t.throwsAsync(atomic.synchronize({ signal: AbortSignal.abort(new Error('before')) }), { message: 'before' })
  await t.throwsAsync(atomic.synchronize({ timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(atomic.synchronize({ signal: {} as AbortSignal }), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(atomic.synchronize(5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  guard.dispose()
  await atomic.synchronize({ timeout: 0 })
})

for (const ending of ['is terminated', 'exits', 'returns'] as const) {
  test(`a guard of a thread that ${ending} is waited for until then`, async (t) => {
    const atomic = newAtomic()
    const agent = await Agent.start(t, atomic)
    await agent.call('snapshot', 0)
    atomic.lock().replace(new GuestMemoryMmap())
    const waiting = atomic.synchronize()
    const state = watch(waiting)
    await setTimeout(20)
    t.false(state.isSettled)
    await agent.end(ending)
    await waiting
  })
}

test('an idle thread that has no guard holds nothing up', async (t) => {
  const atomic = newAtomic()
  const agents = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  for (const agent of agents) await agent.call('read', 0)
  atomic.update((map) => map)
  await atomic.synchronize()
  await agents[0]?.call('snapshot', 0)
  atomic.update((map) => map)
  const waiting = atomic.synchronize()
  const state = watch(waiting)
  await setTimeout(20)
  t.false(state.isSettled)
  await agents[0]?.call('disposeSnapshots')
  await waiting
})

/** Starts a thread that uses guards and sleeps; the function wakes it up, and returns how many regions it sees then. */
async function sleeper(
  t: ExecutionContext,
  atomic: GuestMemoryAtomic,
  way: string,
  loops: boolean,
): Promise<() => Promise<unknown>> {
  const signal = new SharedArrayBuffer(4)
  const worker = new Worker(new URL('sleeper.mjs', import.meta.url), {
    workerData: { ticket: atomic.share(), way, signal, loops },
    execArgv: [],
  })
  t.teardown(() => worker.terminate())
  t.deepEqual(await once(worker, 'message'), ['sleeps'])
  return async () => {
    const word = new Int32Array(signal)
    Atomics.store(word, 0, 1)
    Atomics.notify(word, 0)
    return ((await once(worker, 'message')) as [unknown])[0]
  }
}

// Where no barriers can be made for other threads, those are waited for until their event loops turn.
const isLinux = process.platform === 'linux'
const linuxTest = isLinux ? test : test.skip
if (!isLinux) test('skipped: barriers are made for other threads on Linux only', (t) => t.pass())

for (const loops of [false, true]) {
  const what = loops ? 'loops' : 'sleeps'
  for (const way of [
    'read and dispose',
    'dispose',
    'clone',
    'take the map out',
    'transfer asynchronously',
    'use it often',
  ]) {
    linuxTest(`a thread that ${what} and has no guard holds nothing up: ${way}`, async (t) => {
      const atomic = newAtomic()
      const wake = await sleeper(t, atomic, way, loops)
      for (const region of [0x10000, 0x20000]) {
        atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(region, 4096)))
        await atomic.synchronize({ timeout: 20_000 })
      }
      t.is(await wake(), 3)
    })
  }

  for (const way of ['keep a guard', 'keep one of two guards']) {
    linuxTest(`a thread that ${what} and has a guard is waited for: ${way}`, async (t) => {
      const atomic = newAtomic()
      const others = [await sleeper(t, atomic, 'dispose', false)]
      const wake = await sleeper(t, atomic, way, loops)
      others.push(await sleeper(t, atomic, 'read and dispose', true))
      atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(0x10000, 4096)))
      await t.throwsAsync(atomic.synchronize({ timeout: 20 }), { code: 'ERR_LOCK_TIMEOUT' })
      const waiting = atomic.synchronize()
      const state = watch(waiting)
      await setTimeout(20)
      t.false(state.isSettled)
      t.is(await wake(), 2)
      await waiting
      for (const each of others) t.is(await each(), 2)
    })
  }
}

test('many waits end together', async (t) => {
  const atomic = newAtomic()
  const guard = atomic.memory()
  atomic.update((map) => map)
  const waits = Array.from({ length: 100 }, () => atomic.synchronize())
  guard.dispose()
  t.is((await Promise.all(waits)).length, 100)
})
