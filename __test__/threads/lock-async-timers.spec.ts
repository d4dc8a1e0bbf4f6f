// `lockAsync` settles and the lock is not lost, whatever timers, listeners and signals of users do.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { isFree, newAtomic } from './atomic.js'

/** Replaces globals and methods for the time of a call. */
async function replaced(object: object, methods: Record<string, unknown>, call: () => Promise<void>): Promise<void> {
  const before = Object.keys(methods).map((name) => [name, Object.getOwnPropertyDescriptor(object, name)] as const)
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(object, name, { configurable: true, writable: true, value })
  }
  try {
    await call()
  } finally {
    for (const [name, descriptor] of before) if (descriptor) Object.defineProperty(object, name, descriptor)
  }
}

const FAIL = (): never => {
  throw new RangeError('replaced')
}

test.serial('a timer that cannot be cancelled does not keep the guard', async (t) => {
  await replaced(globalThis, { clearTimeout: FAIL }, async () => {
    const atomic = newAtomic()
    const holder = atomic.lock()
    const waiting = atomic.lockAsync({ timeout: 30 })
    holder.dispose()
    const guard = await waiting
    guard.dispose()
    // The timer that was not cancelled fires, and takes nothing.
    await sleep(60)
    t.true(isFree(atomic))
  })
})

test.serial('a listener that cannot be removed does not keep the guard', async (t) => {
  const controller = new AbortController()
  Object.defineProperty(controller.signal, 'removeEventListener', { value: FAIL })
  await replaced(EventTarget.prototype, { removeEventListener: FAIL }, async () => {
    const atomic = newAtomic()
    const holder = atomic.lock()
    const waiting = atomic.lockAsync({ signal: controller.signal, timeout: 1000 })
    holder.dispose()
    const guard = await waiting
    guard.dispose()
    t.true(isFree(atomic))
  })
})

test.serial('a wait that ends by its time or its signal ends, though nothing can be cancelled', async (t) => {
  await replaced(globalThis, { clearTimeout: FAIL }, async () => {
    const atomic = newAtomic()
    const holder = atomic.lock()
    await t.throwsAsync(atomic.lockAsync({ timeout: 5 }), { code: 'ERR_LOCK_TIMEOUT' })
    const controller = new AbortController()
    const waiting = atomic.lockAsync({ signal: controller.signal, timeout: 1000 })
    controller.abort()
    t.like(await waiting.catch((error: unknown) => error), { name: 'AbortError' })
    holder.dispose()
    t.true(isFree(atomic))
  })
})

test.serial('a timer that cannot be started rejects, and leaves no listener and no request', async (t) => {
  const controller = new AbortController()
  await replaced(globalThis, { setTimeout: FAIL }, async () => {
    const atomic = newAtomic()
    // What is free needs no timer.
    const holder = atomic.lock()
    await t.throwsAsync(atomic.lockAsync({ signal: controller.signal, timeout: 5 }), { message: 'replaced' })
    holder.dispose()
    t.true(isFree(atomic))
    // An abort finds nobody who listens.
    controller.abort()
    t.true(isFree(atomic))
  })
})

test.serial('a signal that is aborted while the timer starts is heeded', async (t) => {
  const controller = new AbortController()
  const start = globalThis.setTimeout
  const setTimeout = (callback: () => void, delay: number): unknown => {
    controller.abort('at once')
    return start(callback, delay)
  }
  const atomic = newAtomic()
  const holder = atomic.lock()
  await replaced(globalThis, { setTimeout }, async () => {
    const waiting = atomic.lockAsync({ signal: controller.signal, timeout: 60_000 })
    t.is(await waiting.catch((error: unknown) => error), 'at once')
  })
  holder.dispose()
  t.true(isFree(atomic))
})

test.serial('a timer that fires while it is started is heeded', async (t) => {
  const atomic = newAtomic()
  const holder = atomic.lock()
  const setTimeout = (callback: () => void): number => {
    callback()
    return 0
  }
  await replaced(globalThis, { setTimeout }, async () => {
    await t.throwsAsync(atomic.lockAsync({ timeout: 60_000 }), { code: 'ERR_LOCK_TIMEOUT' })
  })
  holder.dispose()
  t.true(isFree(atomic))
})
