// What happens in the middle of a call: while an argument is read, or in a callback.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Kind } from '../program.js'
import type { Draft } from './draft.js'

/** By the kind of object that it needs. */
const ACTS: readonly (readonly [weight: number, kind: Kind, act: (name: string, draft: Draft) => string])[] = [
  [6, 'guard', (guard) => `${guard}.dispose()`],
  [2, 'guard', (guard) => `${guard}.intoInner()`],
  [3, 'lock', (lock) => `${lock}.dispose()`],
  [2, 'lock', (lock, draft) => `${lock}.replace(${draft.pick('map').name})`],
  [3, 'atomic', (atomic, draft) => `${atomic}.update(() => ${draft.pick('map').name})`],
  [1, 'atomic', (atomic) => `${atomic}.lock().dispose()`],
  [1, 'atomic', (atomic) => `${atomic}.memory().dispose()`],
  [2, 'region', (region) => `steal(${region}.buffer)`],
  [2, 'region', (region) => `${region}.bitmap.reset()`],
  [2, 'region', (region) => `${region}.writeU32(0x5a5a5a5a, 0)`],
  [3, 'bytes', (bytes) => `steal(${bytes}.buffer)`],
  [2, 'bytes', (bytes) => `${bytes}.buffer.resize(5)`],
  [2, 'bytes', (bytes) => `${bytes}.buffer.resize(40)`],
  [2, 'bytes', (bytes) => `${bytes}.buffer.grow(40)`],
  [1, 'bytes', (bytes) => `${bytes}.fill(0x11)`],
  [2, 'map', (map) => `${map}.writeU64(0x0123456789abcdefn, ${map}.lastAddr - 7n)`],
  [1, 'fileOffset', (file) => `${file}.dispose()`],
  [1, 'bitmap', (bitmap) => `${bitmap}.enlarge(0x3000)`],
  [1, 'bitmap', (bitmap) => `MmapRegionBuilder.newWithBitmap(0x1000, ${bitmap})`],
  [1, 'mapping', (mapping) => `new GuestRegionMmap(${mapping}, 0x100000)`],
  [1, 'builder', (builder) => `${builder}.build()`],
  [1, 'ticket', (ticket) => `GuestMemoryAtomic.fromShared(${ticket})`],
]

/** The code of an act on something that there is. */
export function actOf(draft: Draft): string {
  const { chance } = draft
  if (chance.percent(5)) return "{ throw new RangeError('enough') }"
  const possible = ACTS.filter(([, kind]) => draft.has(kind))
  if (possible.length === 0) return 'turn()'
  const [kind, act] = chance.weighted(possible.map(([weight, kind, act]) => [weight, [kind, act] as const]))
  return act(draft.pick(kind).name, draft)
}
