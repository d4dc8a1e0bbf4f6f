// Random programs. A seed and a number make the same program for ever, as long as this folder stays as it is.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Kind, Step } from '../program.js'
import type { Call, Calls } from './access.js'
import { slices } from './access.js'
import { Chance } from './chance.js'
import { Draft } from './draft.js'
import { callFunction } from './functions.js'
import { defineFileOffset, defineMap, defineRegion } from './layouts.js'
import { maps, trackers } from './maps.js'
import { bitmaps, builders, fileOffsets, makers, mappings, parts, regions } from './mappings.js'
import { mischief } from './mischief.js'
import { arrays, refs, words } from './references.js'
import { atomics, elsewhere, guards, locks, tickets } from './snapshots.js'
import { defineBytes } from './values.js'

/** What is done with an object that there is, and how often. */
const USES: readonly (readonly [weight: number, kind: Kind, calls: Calls])[] = [
  [24, 'map', maps],
  [16, 'guard', guards],
  [14, 'region', regions],
  [14, 'slice', slices],
  [10, 'atomic', atomics],
  [4, 'lock', locks],
  [2, 'ticket', tickets],
  [3, 'mapping', mappings],
  [3, 'builder', builders],
  [2, 'fileOffset', fileOffsets],
  [3, 'ref', refs],
  [4, 'array', arrays],
  [3, 'word', words],
  [4, 'bitmap', bitmaps],
  [2, 'part', parts],
  [2, 'tracker', trackers],
]

/** What is done at any time. */
const OTHERS: readonly (readonly [weight: number, act: (draft: Draft) => void])[] = [
  [2, defineMap],
  [2, (draft) => defineRegion(draft, { start: BigInt(draft.chance.below(8)) << 16n, size: 0x1000 })],
  [2, defineBytes],
  [3, (draft) => draft.chance.weighted(makers)(draft)],
  [4, callFunction],
  [3, mischief],
  [4, (draft) => draft.do('state()')],
  [1, (draft) => draft.do('await turn()')],
  [1, (draft) => draft.do('await collect()')],
]

/** What programs begin with that are about a rare kind of object. */
const INTRODUCTIONS: readonly (readonly [kind: Kind, introduce: (draft: Draft) => unknown])[] = [
  ['map', () => {}],
  ['region', () => {}],
  ['slice', () => {}],
  [
    'guard',
    (draft) => draft.define('guard', `${draft.pick('atomic').name}.memory()`, { ranges: draft.pick('map').ranges }),
  ],
  ['lock', (draft) => draft.define('lock', `${draft.pick('atomic').name}.lock()`)],
  [
    'ticket',
    (draft) => draft.define('ticket', `${draft.pick(draft.chance.among<Kind>(['map', 'atomic'])).name}.share()`),
  ],
  ['mapping', (draft) => draft.define('mapping', 'new MmapRegion(0x2345, { bitmap: true })', { ranges: LOW })],
  ['builder', (draft) => draft.define('builder', 'new MmapRegionBuilder(0x1000)', { ranges: LOW })],
  ['fileOffset', (draft) => defineFileOffset(draft, 0x1000)],
  ['ref', (draft) => draft.define('ref', `${draft.pick('slice').name}.getRef('u32', 0)`, { type: 'u32' })],
  ['array', (draft) => draft.define('array', `${draft.pick('slice').name}.getArrayRef('u16', 0, 3)`, { type: 'u16' })],
  ['word', (draft) => draft.define('word', `${draft.pick('region').name}.getAtomicRef('u32', 0)`, { type: 'u32' })],
  ['bitmap', (draft) => draft.define('bitmap', 'new AtomicBitmap(0x5000, 0x1000)')],
  ['part', (draft) => draft.define('part', 'new AtomicBitmap(0x5000, 0x1000).sliceAt(0x1000)')],
  ['tracker', (draft) => draft.define('tracker', `${draft.pick('map').name}.trackWrites()`)],
]
const LOW = [{ start: 0n, size: 0x1000 }]

/** How much more often the object that a program is about is used. */
const FOCUS = 5

const LENGTHS = [10, 20, 40, 80]

/** How many programs of a hundred have another thread in them, which takes long to start. */
const THREADED = 4

/**
 * The steps of a program. A hot one is the same program with objects that were used before anything else is done with
 * them, until they have their fast paths.
 */
export function generate(seed: number, program: number, isHot: boolean): Step[] {
  const draft = new Draft(new Chance(seed, program), isHot)
  const { chance } = draft
  const map = defineMap(draft)
  draft.define('atomic', `new GuestMemoryAtomic(${map.name})`, { ranges: map.ranges })
  const range = chance.among(map.ranges)
  const found = `${map.name}.findRegion(${range.start}n)`
  const region = draft.define('region', found, { ranges: [{ start: 0n, size: range.size }] })
  draft.define('slice', `${region.name}.asVolatileSlice()`, { ranges: region.ranges })
  const [subject, introduce] = chance.among(INTRODUCTIONS)
  introduce(draft)
  const length = chance.among(LENGTHS)
  const threadAt = chance.percent(THREADED) ? chance.below(length) : -1
  for (let i = 0; i < length; i += 1) {
    if (i === threadAt) elsewhere(draft)
    nextUse(draft, subject)
  }
  draft.do('state()')
  return draft.steps
}

function nextUse(draft: Draft, subject: Kind): void {
  const { chance } = draft
  const uses = USES.filter(([, kind]) => draft.has(kind)).map(([weight, kind, calls]) => {
    const use = () => (chance.weighted(calls) satisfies Call)(draft, draft.pick(kind))
    return [kind === subject ? weight * FOCUS : weight, use] as const
  })
  const others = OTHERS.map(([weight, act]) => [weight, () => void act(draft)] as const)
  chance.weighted([...uses, ...others])()
}
