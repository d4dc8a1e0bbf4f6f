// Calls of `ByteAccess`, `VolatileTransfer` and `VolatileMemory` on everything that has them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { actOf } from './acts.js'
import type { Draft, Thing } from './draft.js'
import { defineFile } from './layouts.js'
import { length, order, place, reach } from './numbers.js'
import { atomicType, bytesFor, objectOf, scalarType, scalarTypeCode, scalarValue } from './values.js'

/** Adds steps that use an object. */
export type Call = (draft: Draft, on: Thing) => void
export type Calls = readonly (readonly [weight: number, call: Call])[]

const SHORT = ['U8', 'I8', 'U16', 'I16', 'U32', 'I32', 'U64', 'I64']

/** Now and then a call is made until it is hot. */
function repeated(draft: Draft, code: string): void {
  const times = draft.chance.weighted([
    [20, 1],
    [3, 3],
    [1, 40],
  ])
  draft.do(times === 1 ? code : `repeat(${times}, () => ${code})`)
}

function copy(draft: Draft, on: Thing, method: string): void {
  const bytes = bytesFor(draft)
  draft.do(`showing(${bytes}, () => ${on.name}.${method}(${bytes}, ${place(draft, on)}))`)
}

/** A type that was made before can be used again, with all that its getters do. */
function object(draft: Draft): { type: string; value: string } {
  const { type, value } = objectOf(draft)
  if (type.startsWith("'") || draft.chance.percent(60)) return { type, value }
  return { type: draft.define('type', type).name, value }
}

export const access: Calls = [
  ...['read', 'write', 'readSlice', 'writeSlice'].map((method) => {
    return [3, (draft: Draft, on: Thing) => copy(draft, on, method)] as const
  }),
  [
    3,
    (draft, on) => {
      const [value, at] = [scalarValue(draft, 'u8'), place(draft, on)]
      repeated(draft, `${on.name}.fill(${value}, ${at}, ${reach(draft, on)})`)
    },
  ],
  [5, (draft, on) => repeated(draft, `${on.name}.readObj(${object(draft).type}, ${place(draft, on)})`)],
  [
    5,
    (draft, on) => {
      const { type, value } = object(draft)
      repeated(draft, `${on.name}.writeObj(${type}, ${value}, ${place(draft, on)})`)
    },
  ],
  [3, (draft, on) => repeated(draft, `${on.name}.load('${atomicType(draft)}', ${place(draft, on)}, ${order(draft)})`)],
  [
    3,
    (draft, on) => {
      const type = atomicType(draft)
      const value = scalarValue(draft, type)
      repeated(draft, `${on.name}.store('${type}', ${value}, ${place(draft, on)}, ${order(draft)})`)
    },
  ],
  [4, (draft, on) => repeated(draft, `${on.name}.read${draft.chance.among(SHORT)}(${place(draft, on)})`)],
  [
    5,
    (draft, on) => {
      const name = draft.chance.among(SHORT)
      const value = scalarValue(draft, name.toLowerCase())
      repeated(draft, `${on.name}.write${name}(${value}, ${place(draft, on)})`)
    },
  ],
]

const TRANSFERS = ['readVolatileFrom', 'readExactVolatileFrom', 'writeVolatileTo', 'writeAllVolatileTo']

/** A file, or what only looks like one. */
function fileLike(draft: Draft): string {
  const { chance } = draft
  if (!draft.has('file') || chance.percent(15)) return defineFile(draft, chance.among([1, 16, 0x1000, 0x2345])).name
  const file = draft.pick('file').name
  return chance.weighted<() => string>([
    [10, () => file],
    [3, () => `${file}.fd`],
    [1, () => `getting({ fd: ${file}.fd }, 'fd', () => ${actOf(draft)})`],
    [1, () => (draft.has('fileOffset') ? draft.pick('fileOffset').name : file)],
    [
      1,
      () => chance.among(['-1', '2 ** 31 - 1', '0.5', 'null', '{}', "{ fd: '3' }", '{ fd: NaN }', '{ fd: 3n ** 99n }']),
    ],
  ])()
}

function volatileIo(draft: Draft): string {
  return draft.chance.percent(40) ? bytesFor(draft) : fileLike(draft)
}

export const transfers: Calls = [
  [
    5,
    (draft, on) => {
      const io = volatileIo(draft)
      const call = `${on.name}.${draft.chance.among(TRANSFERS)}(${place(draft, on)}, ${io}, ${reach(draft, on)})`
      draft.do(/^bytes\d+$/.test(io) ? `showing(${io}, () => ${call})` : call)
    },
  ],
]

export const asyncTransfers: Calls = [
  [
    2,
    (draft, on) => {
      const method = draft.chance.among(TRANSFERS)
      draft.do(`await ${on.name}.${method}Async(${place(draft, on)}, ${fileLike(draft)}, ${reach(draft, on)})`)
    },
  ],
]

/** Windows on what an object has, by offset. */
export const windows: Calls = [
  [1, (draft, on) => draft.do(`[${on.name}.len, ${on.name}.isEmpty]`)],
  [1, (draft, on) => void draft.define('slice', `${on.name}.asVolatileSlice()`, { ranges: on.ranges })],
  [
    2,
    (draft, on) => {
      const type = scalarType(draft)
      draft.define('ref', `${on.name}.getRef('${type}', ${place(draft, on)})`, { type })
    },
  ],
  [
    2,
    (draft, on) => {
      const type = scalarType(draft)
      draft.define('array', `${on.name}.getArrayRef('${type}', ${place(draft, on)}, ${length(draft)})`, { type })
    },
  ],
  [
    2,
    (draft, on) => {
      const type = atomicType(draft)
      draft.define('word', `${on.name}.getAtomicRef('${type}', ${place(draft, on)})`, { type })
    },
  ],
  [1, (draft, on) => draft.do(`${on.name}.getRef(${scalarTypeCode(draft)}, ${place(draft, on)})`)],
]

/** A part of something that has memory, as a slice. */
export const slicing: Calls = [
  [
    3,
    (draft, on) => {
      const [at, count] = [place(draft, on), reach(draft, on)]
      const size = Number.isSafeInteger(Number(count)) ? Number(count) : 16
      draft.define('slice', `${on.name}.getSlice(${at}, ${count})`, { ranges: [{ start: 0n, size }] })
    },
  ],
]

/** What slices can do besides. */
export const slices: Calls = [
  ...access,
  ...transfers,
  ...windows,
  ...slicing,
  [2, (draft, on) => draft.do(`${on.name}.splitAt(${place(draft, on)})`)],
  [2, (draft, on) => void draft.define('slice', `${on.name}.splitAt(${place(draft, on)})[1]`, { ranges: on.ranges })],
  [
    3,
    (draft, on) => {
      const [at, count] = [place(draft, on), reach(draft, on)]
      draft.define('slice', `${on.name}.subslice(${at}, ${count})`, { ranges: on.ranges })
    },
  ],
  [2, (draft, on) => void draft.define('slice', `${on.name}.offset(${place(draft, on)})`, { ranges: on.ranges })],
  [2, (draft, on) => elements(draft, on, 'copyTo')],
  [2, (draft, on) => elements(draft, on, 'copyFrom')],
  [1, (draft, on) => draft.do(`${on.name}.copyToVolatileSlice(${draft.pick('slice').name})`)],
  [1, (draft, on) => draft.do(`${on.name}.asPtr()`)],
  [1, (draft, on) => void draft.define('bytes', `${on.name}.asUint8Array()`)],
  [1, (draft, on) => void draft.define('part', `${on.name}.bitmap`)],
  [
    3,
    (draft, on) => {
      const io = volatileIo(draft)
      const method = draft.chance.among(['readVolatile', 'readExactVolatile', 'writeVolatile', 'writeAllVolatile'])
      draft.do(`[${on.name}.${method}(${io}), ${/^bytes\d+$/.test(io) ? io : '0'}]`)
    },
  ],
]

function elements(draft: Draft, on: Thing, method: string): void {
  const bytes = bytesFor(draft)
  draft.do(`showing(${bytes}, () => ${on.name}.${method}(${bytes}))`)
}
