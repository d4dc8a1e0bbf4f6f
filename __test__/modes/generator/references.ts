// One value in memory, or several.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Calls } from './access.js'
import { index, order } from './numbers.js'
import { bytesFor, defineElements, scalarValue } from './values.js'

export const refs: Calls = [
  [2, (draft, on) => draft.do(`${on.name}.load()`)],
  [3, (draft, on) => draft.do(`${on.name}.store(${scalarValue(draft, on.type ?? 'u8')})`)],
  [1, (draft, on) => draft.do(`[${on.name}.type, ${on.name}.len]`)],
  [1, (draft, on) => void draft.define('part', `${on.name}.bitmap`)],
  [1, (draft, on) => void draft.define('slice', `${on.name}.toSlice()`, { ranges: SMALL })],
]

export const arrays: Calls = [
  [2, (draft, on) => draft.do(`${on.name}.load(${index(draft)})`)],
  [3, (draft, on) => draft.do(`${on.name}.store(${index(draft)}, ${scalarValue(draft, on.type ?? 'u8')})`)],
  [1, (draft, on) => draft.do(`[${on.name}.type, ${on.name}.len, ${on.name}.isEmpty, ${on.name}.elementSize]`)],
  [1, (draft, on) => void draft.define('part', `${on.name}.bitmap`)],
  [1, (draft, on) => void draft.define('slice', `${on.name}.toSlice()`, { ranges: SMALL })],
  [1, (draft, on) => void draft.define('ref', `${on.name}.refAt(${index(draft)})`, { type: on.type ?? 'u8' })],
  ...['copyTo', 'copyFrom'].map((method): Calls[number] => [
    2,
    (draft, on) => {
      const isLike = draft.chance.percent(70)
      const bytes = isLike ? defineElements(draft, on.type ?? 'u8').name : bytesFor(draft)
      draft.do(`showing(${bytes}, () => ${on.name}.${method}(${bytes}))`)
    },
  ]),
  [
    1,
    (draft, on) => {
      const slice = draft.has('slice') ? draft.pick('slice').name : 'null'
      draft.do(`${on.name}.copyToVolatileSlice(${slice})`)
    },
  ],
]

export const words: Calls = [
  [2, (draft, on) => draft.do(`${on.name}.load(${order(draft)})`)],
  [3, (draft, on) => draft.do(`${on.name}.store(${scalarValue(draft, on.type ?? 'u8')}, ${order(draft)})`)],
  [1, (draft, on) => draft.do(`${on.name}.type`)],
]

const SMALL = [{ start: 0n, size: 8 }]
