// Look-ups in maps, and maps that are derived from others.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { access, asyncTransfers, type Calls, slicing, transfers } from './access.js'
import { actOf } from './acts.js'
import type { Draft, Range, Thing } from './draft.js'
import { defineRegion } from './layouts.js'
import { length, literal, odd, place, reach } from './numbers.js'

const onlyWhere = (draft: Draft, on: Thing): Range =>
  on.ranges.length > 0 ? draft.chance.among(on.ranges) : { start: 0n, size: 0x1000 }

const lookUp = (member: string): Calls[number] => [
  2,
  (draft, on) => draft.do(`${on.name}.${member}(${place(draft, on)})`),
]

/** A callback of `tryAccess`. */
function callback(draft: Draft): string {
  const { chance } = draft
  return chance.weighted<() => string>([
    [6, () => '(offset, len, regionAddr, region) => len'],
    [2, () => '(offset, len) => len - 1'],
    [2, () => '(offset, len) => BigInt(len)'],
    [1, () => '(offset, len, regionAddr, region) => region.readSlice(new Uint8Array(len), regionAddr) ?? len'],
    [1, () => '() => 0'],
    [1, () => `(offset, len) => [len, ${length(draft)}][1]`],
    [3, () => `(offset, len) => [${actOf(draft).replace(/^{.*}$/, '0')}, len][1]`],
    [1, () => chance.among(["() => 'all'", '() => -1', '() => NaN', '() => 2n ** 64n', 'null', '() => undefined'])],
  ])()
}

const derivations: Calls = [
  [
    1,
    (draft, on) => {
      // To dispose of a map changes nothing.
      const first = on.kind === 'map' ? `${on.name}.dispose(), ` : ''
      draft.define('map', `(${first}${on.name}.memory())`, { ranges: on.ranges })
    },
  ],
  [
    2,
    (draft, on) => {
      const { start, size } = onlyWhere(draft, on)
      const gap = BigInt(draft.chance.among([0, 0, 1, 0x1000]))
      const added = { start: start + BigInt(size) + gap, size: draft.chance.among([7, 0x1000, 0x1001]) }
      const region = draft.has('region') && draft.chance.percent(25) ? draft.pick('region') : defineRegion(draft, added)
      draft.define('map', `${on.name}.insertRegion(${region.name})`, { ranges: [...on.ranges, added] })
    },
  ],
  [
    2,
    (draft, on) => {
      const range = onlyWhere(draft, on)
      const size = draft.chance.percent(85) ? literal(draft, BigInt(range.size)) : length(draft)
      draft.define('map', `${on.name}.removeRegion(${literal(draft, range.start)}, ${size})[0]`, {
        ranges: on.ranges.filter((each) => each !== range),
      })
    },
  ],
  [1, (draft, on) => draft.do(`${on.name}.removeRegion(${place(draft, on)}, ${length(draft)})`)],
]

const lookUps: Calls = [
  ...['findRegion', 'toRegionAddr', 'addressInRange', 'checkAddress', 'getHostAddress'].map(lookUp),
  [4, (draft, on) => draft.do(`${on.name}.checkRange(${place(draft, on)}, ${reach(draft, on)})`)],
  [2, (draft, on) => draft.do(`${on.name}.checkedOffset(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => draft.do(`[${on.name}.numRegions, ${on.name}.lastAddr]`)],
  [1, (draft, on) => draft.do(draft.chance.among([`[...${on.name}.iter()]`, `[...${on.name}]`]))],
  [
    2,
    (draft, on) => {
      const { start, size } = onlyWhere(draft, on)
      draft.define('region', `${on.name}.findRegion(${literal(draft, start)})`, { ranges: [{ start: 0n, size }] })
    },
  ],
  [3, (draft, on) => draft.do(`${on.name}.tryAccess(${reach(draft, on)}, ${place(draft, on)}, ${callback(draft)})`)],
  [4, (draft, on) => draft.do(`${on.name}.views(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => void draft.define('bytes', `${on.name}.views(${place(draft, on)}, ${reach(draft, on)})[0]`)],
  [1, (draft, on) => draft.do(`${on.name}.markDirty(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => void draft.define('tracker', `${on.name}.trackWrites()`)],
  [1, (draft, on) => draft.do(`${on.name}.dirtyRanges(${draft.chance.among(['', '{ reset: true }'])})`)],
  [
    1,
    (draft, on) => {
      const fill = '(views) => views.map((view) => view.fill(7).length)'
      draft.do(`${on.name}.withViews(${place(draft, on)}, ${reach(draft, on)}, ${fill})`)
    },
  ],
  [1, (draft, on) => draft.do(`${on.name}.diff(${draft.pickMap().name})`)],
  [1, (draft, on) => draft.do(`${on.name}.discard(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => draft.do(`${on.name}.advise(${draft.chance.among(["'normal'", "'sequential'", '7'])})`)],
  [1, (draft, on) => draft.do(`inspect(${on.name})`)],
  // What is asked for rightly after something odd is still there: the odd one meets the window of the access before.
  [
    3,
    (draft, on) => {
      const { start, size } = onlyWhere(draft, on)
      const [at, before] = [literal(draft, start + BigInt(size)), literal(draft, start)]
      const member = draft.chance.among(['views', 'checkRange', 'checkedOffset', 'getSlice', 'readU32'])
      draft.do(`${on.name}.readU8(${before})`)
      draft.do(`${on.name}.${member}(${draft.chance.percent(50) ? at : before}, ${odd(draft, 1n)})`)
      draft.do(`[${on.name}.findRegion(${before}), ${on.name}.findRegion(${at}), ${on.name}.views(${before}, 1)]`)
    },
  ],
]

/** On maps and on guards. */
export const memory: Calls = [
  ...access,
  ...access,
  ...transfers,
  ...asyncTransfers,
  ...slicing,
  ...lookUps,
  ...derivations,
]

export const maps: Calls = [
  ...memory,
  [1, (draft, on) => void draft.define('map', `${on.name}.clone()`, { ranges: on.ranges })],
  [1, (draft, on) => draft.do(`${on.name}[disposal]()`)],
  [1, (draft, on) => void draft.define('ticket', `${on.name}.share()`, { ranges: on.ranges })],
  [
    1,
    (draft, on) => {
      const regions = `[...${on.name}.iter()]${draft.chance.among(['', '.reverse()', '.slice(1)'])}`
      draft.define('map', `GuestMemoryMmap.fromRegions(${regions})`, { ranges: on.ranges })
    },
  ],
]

export const trackers: Calls = [
  [8, (draft, on) => draft.do(`${on.name}.harvest()`)],
  [1, (draft, on) => draft.do(`${on.name}.dispose()`)],
  [1, (draft, on) => draft.do(`${on.name}[disposal]()`)],
]
