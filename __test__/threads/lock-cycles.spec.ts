// The lock taken and given back again and again, by guards that need no native object of their own.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryExclusiveGuard, GuestMemoryMmap } from '../../index.js'
import { Held } from '../held.js'
import { BASE, freshName, isGone, namedMemory } from '../named-memory.js'
import { eventually, mappingsOf, settle } from '../process-resources.js'
import { Agent } from './agent.js'
import { isFree, newAtomic } from './atomic.js'

const DISPOSED = { code: 'ERR_DISPOSED' }

function lockOf(atomic: GuestMemoryAtomic): GuestMemoryExclusiveGuard {
  const guard = atomic.tryLock()
  if (guard === null) throw new Error('the lock is held')
  return guard
}

test.serial('a guard that has given the lock back has nothing to do with later ones', (t) => {
  const atomic = newAtomic()
  const map = atomic.memory().intoInner()
  const old: GuestMemoryExclusiveGuard[] = []
  for (let round = 0; round < 40; round += 1) {
    const guard = round % 2 === 0 ? lockOf(atomic) : atomic.lock()
    t.is(atomic.tryLock(), null)
    t.throws(() => atomic.lock(), { code: 'ERR_LOCK_HELD' })
    for (const each of old) {
      each.dispose()
      t.throws(() => each.replace(map), DISPOSED)
    }
    t.is(atomic.tryLock(), null)
    if (round % 3 === 0) guard.replace(map)
    else guard.dispose()
    t.true(isFree(atomic))
    old.push(guard)
  }
})

test.serial('a guard takes maps and load guards, and keeps the lock when it gets anything else', (t) => {
  const atomic = newAtomic()
  const other = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[8192, 4096]]))
  for (let round = 0; round < 40; round += 1) {
    const guard = lockOf(atomic)
    for (const wrong of [undefined, null, 1, {}, guard, atomic, Object.create(GuestMemoryMmap.prototype)]) {
      t.throws(() => guard.replace(wrong as never), {
        code: 'ERR_INVALID_ARG_TYPE',
        message: /^The "map" argument must be /,
      })
    }
    const gone = other.memory()
    gone.dispose()
    t.throws(() => guard.replace(gone), DISPOSED)
    t.false(isFree(atomic))
    guard.replace(round % 2 === 0 ? other.memory() : GuestMemoryMmap.fromRanges([[0, 4096]]))
    t.is(atomic.memory().lastAddr, round % 2 === 0 ? 12287n : 4095n)
    t.throws(() => guard.replace(new GuestMemoryMmap()), DISPOSED)
  }
  const map = GuestMemoryMmap.fromRanges([[0, 4096]])
  lockOf(atomic).replace(map)
  t.is(atomic.memory().intoInner(), map)
})

test.serial('clones of an atomic have one lock', (t) => {
  const atomic = newAtomic()
  const clone = atomic.clone()
  for (let round = 0; round < 40; round += 1) {
    const guard = lockOf(round % 2 === 0 ? atomic : clone)
    t.is(atomic.tryLock(), null)
    t.is(clone.tryLock(), null)
    guard.dispose()
  }
  const [first, second] = [newAtomic(), newAtomic()]
  const guards = [lockOf(first), lockOf(second)]
  t.false(isFree(first) || isFree(second))
  guards[0]?.dispose()
  t.true(isFree(first))
  t.false(isFree(second))
})

test.serial('whoever waits gets the lock that a guard gives back', async (t) => {
  const atomic = newAtomic()
  const guard = lockOf(atomic)
  const waiting = [atomic.lockAsync(), atomic.lockAsync()]
  guard.dispose()
  t.is(atomic.tryLock(), null, 'in line before')
  const granted = await (waiting[0] as (typeof waiting)[number])
  guard.dispose()
  t.is(atomic.tryLock(), null)
  granted.replace(GuestMemoryMmap.fromRanges([[0, 4096]]))
  ;(await (waiting[1] as (typeof waiting)[number])).dispose()
  t.true(isFree(atomic))
  ;(await atomic.lockAsync({ timeout: 0 })).dispose()
  t.true(isFree(atomic))
})

test.serial('guards are instances of their class, and methods refuse everything else', (t) => {
  const atomic = newAtomic()
  const { dispose, replace } = GuestMemoryExclusiveGuard.prototype
  for (let round = 0; round < 3; round += 1) {
    using guard = lockOf(atomic)
    t.true(guard instanceof GuestMemoryExclusiveGuard)
    t.deepEqual(Reflect.ownKeys(guard), [])
    t.is(inspect(guard), 'GuestMemoryExclusiveGuard {}')
    const others = [{}, atomic, atomic.memory(), new Proxy(guard, {}), Object.create(guard), null, undefined, 1]
    for (const other of others) {
      t.throws(() => dispose.call(other as never), { instanceOf: TypeError, message: /Illegal invocation/ })
      t.throws(() => replace.call(other as never, new GuestMemoryMmap()), { message: /Illegal invocation/ })
    }
    for (const other of others.filter((each) => each !== atomic)) {
      t.throws(() => GuestMemoryAtomic.prototype.tryLock.call(other as never), { message: /Illegal invocation/ })
      t.throws(() => GuestMemoryAtomic.prototype.lock.call(other as never), { message: /Illegal invocation/ })
    }
    t.false(isFree(atomic))
  }
  t.true(isFree(atomic))
})

test.serial('guards that are dropped give the lock back when they are collected, and no other does', async (t) => {
  const atomic = newAtomic()
  for (let round = 0; round < 5; round += 1) {
    for (let i = 0; i < 3; i += 1) lockOf(atomic).dispose()
    const held = new Held(() => (round % 2 === 0 ? lockOf(atomic) : atomic.lock()))
    await settle()
    t.is(atomic.tryLock(), null)
    held.letGo()
    t.true(await eventually(() => isFree(atomic)))
  }
})

test.serial('a guard keeps the memory of its atomic, and lets go of it', async (t) => {
  const name = freshName()
  const held = new Held(() => lockOf(new GuestMemoryAtomic(namedMemory(name))))
  await settle()
  t.is(mappingsOf(name), 1)
  held.use((guard) => guard.replace(GuestMemoryMmap.fromRanges([[BASE, 4096]])))
  t.true(await eventually(isGone(name)), 'replaced')
  const other = freshName()
  const dropped = new Held(() => lockOf(new GuestMemoryAtomic(namedMemory(other))))
  await settle()
  t.is(mappingsOf(other), 1)
  dropped.letGo()
  t.true(await eventually(isGone(other)), 'dropped')
})

test.serial('where the stack ends within a call, the lock is not lost', async (t) => {
  const atomic = newAtomic()
  let failed = 0
  // Each frame has a little more stack than the one within it, and tries when that has failed.
  const descend = (): void => {
    try {
      descend()
    } catch {
      failed += 1
    }
    if (failed < 200) atomic.tryLock()?.dispose()
  }
  descend()
  t.true(failed > 0, `failed ${failed} times`)
  t.true(await eventually(() => isFree(atomic)))
})

test.serial('a thread that is ended in the midst of its cycles leaves the lock free and the map whole', async (t) => {
  const atomic = newAtomic()
  for (let round = 0; round < 8; round += 1) {
    const agents = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
    for (const agent of agents) {
      await agent.begin('cycleLocks')
      await agent.inside()
    }
    await setTimeout(20 + round)
    await Promise.all(agents.map((agent) => agent.terminate()))
    t.true(isFree(atomic))
    t.is(atomic.memory().lastAddr, 4095n)
  }
})
