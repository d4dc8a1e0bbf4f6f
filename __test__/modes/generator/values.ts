// What is read and written: types and their values, and bytes that JavaScript hands in.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { actOf } from './acts.js'
import type { Draft, Thing } from './draft.js'
import { literal, odd } from './numbers.js'

const ATOMIC_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64', 'usize', 'isize']
const OTHER_TYPES = ['u128', 'i128', 'le16', 'le32', 'le64', 'leSize', 'be16', 'be32', 'be64', 'beSize']
const ODD_TYPES = ["'u7'", "''", "'U8'", 'null', 'undefined', '8', "Object('u8')", "{ toString: () => 'u8' }", "'f64'"]

export function atomicType({ chance }: Draft): string {
  return chance.among(chance.percent(95) ? ATOMIC_TYPES : OTHER_TYPES)
}

export function scalarType({ chance }: Draft): string {
  return chance.among(chance.percent(70) ? ATOMIC_TYPES : OTHER_TYPES)
}

/** As code; a few are none. */
export function scalarTypeCode(draft: Draft): string {
  return draft.chance.percent(4) ? draft.chance.among(ODD_TYPES) : `'${scalarType(draft)}'`
}

function bitsOf(type: string): number {
  return /size$/i.test(type) ? 64 : Number(/\d+$/.exec(type)?.[0] ?? 8)
}

/** A value that fits a type, one of the first that do not, or an odd one. */
export function scalarValue(draft: Draft, type: string): string {
  const { chance } = draft
  const bits = BigInt(bitsOf(type))
  const isSigned = type.startsWith('i')
  const [min, max] = isSigned ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n]
  const value = chance.weighted<() => bigint>([
    [8, () => (isSigned ? BigInt.asIntN(Number(bits), chance.bits()) : BigInt.asUintN(Number(bits), chance.bits()))],
    [1, () => min],
    [1, () => max],
    [1, () => min - 1n],
    [1, () => max + 1n],
    [1, () => (1n << 64n) + 5n],
  ])()
  if (chance.percent(8)) return odd(draft, value)
  if (value >= 0n && bits < 64n) return chance.percent(90) ? String(value) : `${value}n`
  return value < 0n && bits < 64n ? chance.among([`${value}`, `${value}`, `${value}n`]) : literal(draft, value)
}

const COUNTS = [0, 1, 2, 3, 4, 8, 31, 33]

/** A type of `readObj` and `writeObj`, and a value for it. */
export function objectOf(draft: Draft): { type: string; value: string } {
  const { chance } = draft
  if (chance.percent(10)) return structOf(draft)
  if (chance.percent(50)) {
    const type = scalarType(draft)
    return { type: chance.percent(3) ? scalarTypeCode(draft) : `'${type}'`, value: scalarValue(draft, type) }
  }
  const type = scalarType(draft)
  const count = chance.weighted([
    [9, chance.among(COUNTS)],
    [1, 1500],
  ])
  return { type: arrayType(draft, type, count), value: arrayValue(draft, type, count) }
}

/** A struct whose fields are of any types, some of them wrong, and a value that may lack some or have getters that act. */
function structOf(draft: Draft): { type: string; value: string } {
  const { chance } = draft
  const fields = ['a', 'b', 'c', 'd'].slice(0, 1 + chance.below(4)).map((name) => {
    if (chance.percent(75)) {
      const type = scalarType(draft)
      return { type: `${name}: '${type}'`, value: `${name}: ${scalarValue(draft, type)}` }
    }
    const { type, value } = objectOf(draft)
    return { type: `${name}: ${type}`, value: `${name}: ${value}` }
  })
  const options = chance.percent(20) ? ', { packed: true }' : ''
  const type = `struct({ ${fields.map((field) => field.type).join(', ')} }${options})`
  const values = fields.map(({ value }) => value).filter(() => !chance.percent(3))
  const value = `{ ${values.join(', ')} }`
  return chance.weighted<() => { type: string; value: string }>([
    [8, () => ({ type, value })],
    [1, () => ({ type: `[${type}, 2]`, value: `[${value}, ${value}]` })],
    [1, () => ({ type, value: `getting(${value}, '${chance.among(['a', 'b'])}', () => ${actOf(draft)})` })],
    [1, () => ({ type, value: `new Proxy(${value}, {})` })],
  ])()
}

function arrayType(draft: Draft, type: string, count: number): string {
  const { chance } = draft
  const plain = `['${type}', ${count}]`
  return chance.weighted<() => string>([
    [14, () => plain],
    [1, () => `['${type}', ${count}n]`],
    [1, () => `['${type}', ${odd(draft, BigInt(count))}]`],
    [2, () => `getting(${plain}, ${chance.below(2)}, () => ${actOf(draft)})`],
    [1, () => `getting(${plain}, 'length', () => ${actOf(draft)})`.replace(plain, `Object.create(${plain})`)],
    [1, () => `new Proxy(${plain}, {})`],
    [1, () => `Object.assign(${plain}, { extra: 1 })`],
    [1, () => `['${type}', ${count}, ${count}]`],
    [1, () => `['${type}']`],
    [1, () => `[${chance.among(ODD_TYPES)}, ${count}]`],
    [1, () => `new (class extends Array {})('${type}', ${count})`],
    [1, () => `{ 0: '${type}', 1: ${count}, length: 2 }`],
  ])()
}

function arrayValue(draft: Draft, type: string, count: number): string {
  const { chance } = draft
  const few = Math.min(count, 8)
  const elements = (length: number) => Array.from({ length }, () => scalarValue(draft, type)).join(', ')
  const TypedArray = typedArrayOf(type)
  const bytes = count * (bitsOf(type) / 8)
  return chance.weighted<() => string>([
    [
      5,
      () => (count === few ? `[${elements(count)}]` : `Array.from({ length: ${count} }, (_, i) => ${element(type)})`),
    ],
    [5, () => `new ${TypedArray}(pattern(${bytes}, ${chance.below(256)}).buffer)`],
    [1, () => `[${elements(chance.below(9))}]`],
    [1, () => `new Uint8Array(${count})`],
    [1, () => `new Float64Array(${count})`],
    [1, () => `getting([${elements(few || 1)}], 0, () => ${actOf(draft)})`],
    [1, () => `[${[odd(draft, 1n), ...Array.from({ length: Math.max(0, few - 1) }, () => '1')].join(', ')}]`],
    [1, () => `Array.from({ length: ${count} })`],
    [1, () => `Object.defineProperty(new ${TypedArray}(${count}), 'length', { value: ${chance.below(9)} })`],
    [1, () => (draft.has('bytes') ? draft.pick('bytes').name : 'null')],
    [1, () => `new Set([${elements(few)}])`],
    [1, () => `{ length: ${count}, 0: 1, 1: 2 }`],
  ])()
}

const element = (type: string): string => (bitsOf(type) < 64 ? 'i % 100' : 'BigInt(i)')

/** The class of the same elements in JavaScript; for 128 bits there is none. */
function typedArrayOf(type: string): string {
  const bits = bitsOf(type)
  if (bits >= 64) return type.startsWith('i') ? 'BigInt64Array' : 'BigUint64Array'
  return `${type.startsWith('i') ? 'Int' : 'Uint'}${bits}Array`
}

const TYPED_ARRAYS = [
  'Uint8Array',
  'Int8Array',
  'Uint8ClampedArray',
  'Uint16Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigUint64Array',
]

/** A typed array for elements of a type, mostly. */
export function defineElements(draft: Draft, type: string): Thing {
  const { chance } = draft
  const TypedArray = chance.percent(70) ? typedArrayOf(type) : chance.among(TYPED_ARRAYS)
  return draft.define('bytes', `new ${TypedArray}(pattern(${8 * chance.below(12)}, ${chance.below(256)}).buffer)`)
}

/** Bytes to copy from or to: of every kind that there is, and that may change while it is used. */
export function defineBytes(draft: Draft): Thing {
  const { chance } = draft
  const length = chance.weighted<() => number>([
    [6, () => chance.below(25)],
    [3, () => chance.among([0x1000, 0xfff, 0x1001, 0x2000, 0x801])],
    [1, () => chance.among([0x10000, 0x10001, 0x18000])],
  ])()
  const bytes = `pattern(${length}, ${chance.below(256)})`
  const region = draft.has('region') ? draft.pick('region') : null
  const small = Math.min(length, 32)
  const code = chance.weighted<() => string>([
    [12, () => bytes],
    [2, () => `pattern(${length + 16}).subarray(5, ${length + 5})`],
    [2, () => `new DataView(pattern(${length + 16}).buffer, 3, ${length})`],
    // Not of the pool: where a buffer lies in that depends on what was made before.
    [1, () => `Buffer.from(${bytes}.buffer)`],
    [2, () => `new ${chance.among(TYPED_ARRAYS)}(pattern(${8 * chance.below(12)}).buffer)`],
    [2, () => `new Uint8Array(new SharedArrayBuffer(${length}))`],
    [2, () => `new Uint8Array(new SharedArrayBuffer(${small}, { maxByteLength: 64 }))`],
    [2, () => `new Uint8Array(new ArrayBuffer(${small}, { maxByteLength: 64 }))`],
    [1, () => `new Uint8Array(new ArrayBuffer(${small}, { maxByteLength: 64 }), 0, ${small})`],
    [1, () => `Object.defineProperty(${bytes}, 'length', { value: ${chance.among([0, 1, 5000])} })`],
    [1, () => `Object.defineProperty(${bytes}, 'byteLength', { get: () => ${actOf(draft).replace(/^{.*}$/, '0')} })`],
    [1, () => `Object.setPrototypeOf(${bytes}, null)`],
    [1, () => `new (class extends Uint8Array { static get [Symbol.species]() { return Array } })(${length})`],
    [1, () => chance.among(['[1, 2, 3]', 'new ArrayBuffer(8)', "'bytes'", 'null', '{ length: 4 }'])],
    [2, () => (region ? `${region.name}.asUint8Array(${chance.below(32)}, ${length})` : bytes)],
    [1, () => (region ? `new Uint8Array(${region.name}.buffer)` : bytes)],
    [1, () => (region ? `new DataView(${region.name}.buffer, ${chance.below(32)}, ${small})` : bytes)],
  ])()
  return draft.define('bytes', code)
}

export function bytesFor(draft: Draft): string {
  const isNew = !draft.has('bytes') || draft.chance.percent(35)
  return (isNew ? defineBytes(draft) : draft.pick('bytes')).name
}
