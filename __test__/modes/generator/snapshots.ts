// Atomics, their guards and locks, and tickets for other threads.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Calls } from './access.js'
import { actOf } from './acts.js'
import type { Draft, Thing } from './draft.js'
import { memory } from './maps.js'
import { odd } from './numbers.js'

/** What another thread does. */
const BODIES = [
  '(atomic) => atomic.update((map) => map.removeRegion(...[...map].map((r) => [r.startAddr, r.size])[0])[0]).numRegions',
  '(atomic) => atomic.update((map) => map.clone()).numRegions',
  '(atomic) => atomic.memory().writeU32(0xdeadbeef, atomic.memory().findRegion(0)?.startAddr ?? 0)',
  '(atomic) => atomic.lock({ timeout: 10 }).dispose()',
  '(atomic) => atomic.tryLock() === null',
  '(atomic) => [...atomic.memory()].map((r) => [r.startAddr, r.size, r.bitmap?.getAndReset()])',
]

/** A map, or what is none. */
function mapLike(draft: Draft): string {
  const { chance } = draft
  return chance.weighted<() => string>([
    [10, () => draft.pickMap().name],
    [2, () => 'new GuestMemoryMmap()'],
    [1, () => odd(draft, 0n)],
    [1, () => `Object.create(${draft.pickMap().name})`],
    [1, () => `getting({}, 'memory', () => ${actOf(draft)})`],
    [1, () => `new Proxy(${draft.pickMap().name}, {})`],
    [1, () => draft.pick('atomic').name],
  ])()
}

function updater(draft: Draft): string {
  const { chance } = draft
  return chance.weighted<() => string>([
    [4, () => '(map) => map'],
    [4, () => `() => ${mapLike(draft)}`],
    [2, () => '(map) => map.clone()'],
    [2, () => '(map) => map.removeRegion([...map][0].startAddr, [...map][0].size)[0]'],
    [2, () => `(map) => [${actOf(draft).replace(/^{.*}$/, '0')}, map][1]`],
    [1, () => `() => ${actOf(draft)}`],
    [1, () => 'async (map) => map'],
    [1, () => 'null'],
  ])()
}

function lockOptions({ chance }: Draft): string {
  return chance.among([
    '',
    '',
    '{ timeout: 0 }',
    '{ timeout: 5 }',
    '{ timeout: -1 }',
    "{ timeout: '5' }",
    'null',
    '{}',
    '5',
  ])
}

/** None that waits: which of two threads comes first is chance. */
function asyncLockOptions(draft: Draft): string {
  return draft.chance.weighted<() => string>([
    [5, () => '{ timeout: 0 }'],
    [1, () => '{ signal: AbortSignal.abort() }'],
    [1, () => `{ timeout: ${draft.chance.among(['-1', 'NaN', "'5'", '1n', 'null'])} }`],
    [1, () => `getting({ timeout: 0 }, 'timeout', () => ${actOf(draft)})`],
    [1, () => '{ timeout: 0, signal: {} }'],
  ])()
}

export const atomics: Calls = [
  [8, (draft, on) => void draft.define('guard', `${on.name}.memory()`, { ranges: on.ranges })],
  [3, (draft, on) => void draft.define('lock', `${on.name}.lock(${lockOptions(draft)})`)],
  [2, (draft, on) => void draft.define('lock', `${on.name}.tryLock()`)],
  [2, (draft, on) => void draft.define('lock', `await ${on.name}.lockAsync(${asyncLockOptions(draft)})`)],
  // A lock that nobody holds, and one that is held for longer than one waits.
  [
    1,
    (draft, on) => {
      const atomic = draft.define('atomic', `new GuestMemoryAtomic(${mapLike(draft)})`, { ranges: on.ranges })
      draft.define('lock', `await ${atomic.name}.lockAsync()`)
      draft.do(`await ${atomic.name}.lockAsync({ timeout: 1 })`)
    },
  ],
  [4, (draft, on) => draft.do(`${on.name}.update(${updater(draft)})`)],
  [1, (draft, on) => void draft.define('map', `${on.name}.update(${updater(draft)})`, { ranges: on.ranges })],
  [1, (draft, on) => void draft.define('atomic', `${on.name}.clone()`, { ranges: on.ranges })],
  [1, (draft, on) => void draft.define('ticket', `${on.name}.share()`, { ranges: on.ranges })],
  [3, (draft, on) => void draft.define('atomic', `new GuestMemoryAtomic(${mapLike(draft)})`, { ranges: on.ranges })],
  // A map is changed while someone looks at it, as hot-plug does.
  [
    2,
    (draft, on) => {
      const guard = draft.define('guard', `${on.name}.memory()`, { ranges: on.ranges })
      draft.do(`${on.name}.update(${updater(draft)})`)
      use(draft, guard)
      use(draft, draft.define('guard', `${on.name}.memory()`, { ranges: on.ranges }))
    },
  ],
]

/** Two of anything that a guard can do. */
function use(draft: Draft, guard: Thing): void {
  for (let i = 0; i < 2; i += 1) draft.chance.weighted(memory)(draft, guard)
}

export const guards: Calls = [
  ...memory,
  [4, (draft, on) => draft.do(`${on.name}${draft.chance.among(['.dispose', '[disposal]'])}()`)],
  [2, (draft, on) => void draft.define('guard', `${on.name}.clone()`, { ranges: on.ranges })],
  [2, (draft, on) => void draft.define('map', `${on.name}.intoInner()`, { ranges: on.ranges })],
  [1, (draft, on) => void draft.define('ticket', `${on.name}.share()`, { ranges: on.ranges })],
]

export const locks: Calls = [
  [3, (draft, on) => draft.do(`${on.name}.replace(${mapLike(draft)})`)],
  [3, (draft, on) => draft.do(`${on.name}${draft.chance.among(['.dispose', '[disposal]'])}()`)],
]

export const tickets: Calls = [
  [2, (draft, on) => void draft.define('atomic', `GuestMemoryAtomic.fromShared(${on.name})`, { ranges: on.ranges })],
  [2, (draft, on) => void draft.define('map', `GuestMemoryMmap.fromShared(${on.name})`, { ranges: on.ranges })],
  [1, (draft, on) => draft.do(`GuestMemoryMmap.fromShared(getting({ ...${on.name} }, 'id', () => ${actOf(draft)}))`)],
]

/** Another thread uses and replaces a map. It takes as long as hundreds of other steps. */
export function elsewhere(draft: Draft): void {
  const atomic = draft.pick('atomic')
  draft.do(`await elsewhere(${atomic.name}.share(), ${draft.chance.among(BODIES)})`)
  draft.define('guard', `${atomic.name}.memory()`, { ranges: atomic.ranges })
}
