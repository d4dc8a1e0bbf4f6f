// What no program does in earnest: objects with other methods than their class has, and foreign ones.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Draft } from './draft.js'
import { place } from './numbers.js'

/** Own properties, which the package is not to believe. */
const REPLACED: readonly (readonly [kind: 'map' | 'guard' | 'region' | 'slice' | 'atomic', member: string])[] = [
  ['map', 'memory'],
  ['map', 'findRegion'],
  ['map', 'iter'],
  ['guard', 'memory'],
  ['guard', 'dispose'],
  ['guard', 'intoInner'],
  ['guard', 'clone'],
  ['region', 'buffer'],
  ['region', 'bitmap'],
  ['region', 'startAddr'],
  ['region', 'size'],
  ['region', 'asUint8Array'],
  ['slice', 'len'],
  ['slice', 'getSlice'],
  ['atomic', 'memory'],
]

/** Of a class, for the length of one call. */
const PATCHED = [
  ['GuestMemoryLoadGuard.prototype', 'memory'],
  ['GuestMemoryLoadGuard.prototype', 'dispose'],
  ['GuestMemoryMmap.prototype', 'findRegion'],
  ['GuestMemoryMmap.prototype', 'iter'],
  ['GuestRegionMmap.prototype', 'asUint8Array'],
  ['GuestRegionMmap.prototype', 'readObj'],
  ['VolatileSlice.prototype', 'readU8'],
  ['Array.prototype', '0'],
  ['Object.prototype', 'bitmap'],
  ['Object.prototype', 'fd'],
] as const

function replacement(draft: Draft): string {
  const { chance } = draft
  return chance.weighted<() => string>([
    [2, () => `() => ${draft.pick('map').name}`],
    [2, () => '() => null'],
    [1, () => 'new ArrayBuffer(8)'],
    [1, () => '0'],
    [1, () => "() => { throw new RangeError('replaced') }"],
  ])()
}

export function mischief(draft: Draft): void {
  const { chance } = draft
  chance.weighted<() => void>([
    [
      3,
      () => {
        const [kind, member] = chance.among(REPLACED.filter(([each]) => draft.has(each)))
        const { name } = draft.pick(kind)
        draft.do(
          `void Object.defineProperty(${name}, '${member}', { value: ${replacement(draft)}, configurable: true })`,
        )
      },
    ],
    [
      3,
      () => {
        const [owner, member] = chance.among(PATCHED)
        const map = draft.pickMap()
        const call = `${map.name}.${chance.among(['views', 'findRegion', 'readU32', 'toRegionAddr'])}`
        draft.do(`patched(${owner}, '${member}', ${replacement(draft)}, () => ${call}(${place(draft, map)}, 4))`)
      },
    ],
    [
      2,
      () => {
        const [method, object] = [draft.pick('map'), draft.has('slice') ? draft.pick('slice') : draft.pick('region')]
        const member = chance.among(['readU8', 'read', 'writeU16', 'readObj', 'load', 'views', 'findRegion'])
        draft.do(`${method.name}.${member}.call(${object.name}, ${place(draft, object)}, 0, 4)`)
      },
    ],
    [1, () => draft.do(`${draft.pickMap().name}.readU8.call(${chance.among(['null', '{}', '1', 'Proxy'])}, 0)`)],
    [1, () => draft.do(`Object.create(${draft.pickMap().name}).readU8(0)`)],
    [1, () => draft.do(`void Object.freeze(${draft.pick(chance.percent(50) ? 'region' : 'map').name})`)],
    [1, () => draft.do(`new (class extends ${chance.among(['GuestMemoryMmap', 'MmapRegion'])} {})(0x1000)`)],
    [1, () => draft.do(`void Object.setPrototypeOf(${draft.pick('map').name}, GuestMemoryLoadGuard.prototype)`)],
  ])()
}
