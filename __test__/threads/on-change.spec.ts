// Listeners to the changes of a map, in the thread that makes them and in others.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from '../../index.js'
import { Agent } from './agent.js'

const PAGE = 4096
const regionAt = (page: number): GuestRegionMmap => GuestRegionMmap.fromRange(page * PAGE, PAGE)
const mapOf = (...regions: GuestRegionMmap[]): GuestMemoryMmap => GuestMemoryMmap.fromRegions(regions)

type Change = Parameters<Parameters<GuestMemoryAtomic['onChange']>[0]>[0]

test('diff tells which regions came, went and stayed', (t) => {
  const [a, b, c] = [regionAt(0), regionAt(1), regionAt(2)]
  const first = mapOf(a, b)
  const second = mapOf(b, c)
  t.deepEqual(Object.keys(first.diff(second)), ['added', 'removed', 'kept'])
  const { added, removed, kept } = first.diff(second)
  t.true(added.length === 1 && added[0] === c)
  t.true(removed.length === 1 && removed[0] === a)
  t.true(kept.length === 1 && kept[0] === b)
  const back = new GuestMemoryAtomic(second).memory().diff(new GuestMemoryAtomic(first).memory())
  t.true(back.added[0] === a && back.removed[0] === c && back.kept[0] === b)
  // One that is alike is another one.
  const alike = mapOf(a).diff(mapOf(regionAt(0)))
  t.deepEqual([alike.added.length, alike.removed.length, alike.kept.length], [1, 1, 0])
  const nothing = new GuestMemoryMmap().diff(first)
  t.deepEqual([nothing.added.length, nothing.removed.length, nothing.kept.length], [2, 0, 0])
})

test('diff refuses what is no map, and guards that were disposed of', (t) => {
  const guard = new GuestMemoryAtomic(mapOf(regionAt(0))).memory()
  for (const value of [undefined, null, 5, {}, [], regionAt(1)]) {
    t.throws(() => guard.diff(value as GuestMemoryMmap), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  guard.dispose()
  t.throws(() => guard.diff(new GuestMemoryMmap()), { code: 'ERR_DISPOSED' })
  t.throws(() => new GuestMemoryMmap().diff(guard), { code: 'ERR_DISPOSED' })
})

/** Ways to replace a map by the one that `next` makes. */
const replacements: Record<
  string,
  (atomic: GuestMemoryAtomic, next: (map: GuestMemoryMmap) => GuestMemoryMmap) => void
> = {
  update: (atomic, next) => void atomic.update(next),
  'lock and replace': (atomic, next) => atomic.lock().replace(next(atomic.memory().intoInner())),
  'tryLock and replace': (atomic, next) => atomic.tryLock()?.replace(next(atomic.memory().intoInner())),
}

for (const [how, replace] of Object.entries(replacements)) {
  test(`a listener is told before ${how} returns, with the lock given back`, (t) => {
    const [a, b] = [regionAt(0), regionAt(1)]
    const atomic = new GuestMemoryAtomic(mapOf(a))
    const before = atomic.memory().intoInner()
    const changes: Change[] = []
    const listening = atomic.clone().onChange((change) => {
      changes.push(change)
      t.true(atomic.memory().intoInner() === change.current)
      atomic.lock().dispose()
    })
    replace(atomic, (map) => map.insertRegion(b))
    t.is(changes.length, 1)
    const { previous, current, added, removed, kept } = changes[0] as Change
    t.true(previous === before && current === atomic.memory().intoInner())
    t.true(added.length === 1 && added[0] === b)
    t.is(removed.length, 0)
    t.true(kept.length === 1 && kept[0] === a)
    // Another map of the same regions is a change, too.
    replace(atomic, (map) => map)
    t.is(changes.length, 2)
    t.like(changes[1], { added: [], removed: [] })
    listening[Symbol.dispose]()
    listening[Symbol.dispose]()
    replace(atomic, (map) => map)
    t.is(changes.length, 2)
  })
}

test('nothing is told of what did not happen', (t) => {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const listening = atomic.onChange(() => t.fail())
  new GuestMemoryAtomic(new GuestMemoryMmap()).update((map) => map)
  t.throws(() =>
    atomic.update(() => {
      throw new Error('no')
    }),
  )
  t.throws(() => atomic.lock().replace({} as GuestMemoryMmap))
  t.notThrows(() => listening[Symbol.dispose]())
})

test('what is no function is refused', (t) => {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  for (const value of [undefined, null, 5, {}]) {
    t.throws(() => atomic.onChange(value as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('listeners are told in their order, also of what one of them changes', (t) => {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const told: string[] = []
  using first = atomic.onChange(({ current }) => {
    told.push(`first ${current.numRegions}`)
    if (current.numRegions === 1) atomic.update((map) => map.insertRegion(regionAt(7)))
  })
  using second = atomic.clone().onChange(({ previous, current }) => {
    told.push(`second ${previous.numRegions}-${current.numRegions}`)
  })
  atomic.update((map) => map.insertRegion(regionAt(1)))
  t.deepEqual(told, ['first 1', 'second 0-1', 'first 2', 'second 1-2'])
  t.truthy(first && second)
})

test('a listener may end others, and add some, which hear of the next change', (t) => {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const told: string[] = []
  const more: Disposable[] = []
  const first = atomic.onChange(() => {
    told.push('first')
    second[Symbol.dispose]()
    more.push(atomic.onChange(() => told.push('third')))
  })
  const second = atomic.onChange(() => told.push('second'))
  atomic.update((map) => map)
  t.deepEqual(told, ['first'])
  first[Symbol.dispose]()
  atomic.update((map) => map)
  t.deepEqual(told, ['first', 'third'])
  for (const each of more) each[Symbol.dispose]()
})

test('what a listener throws is an uncaught exception, after replace, and keeps nobody from being told', (t) => {
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { GuestMemoryAtomic, GuestMemoryMmap } from ${JSON.stringify(new URL('../../index.js', import.meta.url).href)}
       process.on('uncaughtException', (error) => console.log('uncaught', error.message))
       const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
       atomic.onChange(() => { throw new Error('mine') })
       atomic.onChange(() => console.log('told'))
       atomic.update((map) => map)
       console.log('updated')`,
    ],
    { encoding: 'utf8' },
  )
  // Listeners do not keep the process alive.
  t.is(stdout, 'told\nupdated\nuncaught mine\n')
  t.is(status, 0)
})

test('a thread is told what others have changed, together, and each change once', async (t) => {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const agents = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  const known = new Set<GuestRegionMmap>()
  let last = atomic.memory().intoInner()
  let calls = 0
  using listening = atomic.onChange(({ previous, current, added, removed }) => {
    calls += 1
    t.true(previous === last)
    t.true(current !== previous)
    last = current
    for (const region of removed) t.true(known.delete(region))
    for (const region of added) t.true(known.size < known.add(region).size)
  })
  await Promise.all(agents.map((agent, i) => agent.call('insertByUpdate', { first: i * 50, count: 50 })))
  while (known.size < 100) await setImmediate()
  t.is(atomic.memory().numRegions, 100)
  t.true(calls <= 100)
  const told = calls
  t.truthy(listening)
  for (let i = 0; i < 20; i += 1) await setImmediate()
  t.is(calls, told)
})

test('listeners in a thread end with it', async (t) => {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const agent = await Agent.start(t, atomic)
  t.is(await agent.call('listen'), 0)
  atomic.update((map) => map.insertRegion(regionAt(3)))
  while ((await agent.call('heard')) !== 1);
  const ended = once(agent.worker, 'exit')
  await agent.terminate()
  await ended
  atomic.update((map) => map)
  t.pass()
})
