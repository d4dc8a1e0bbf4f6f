/**
 * Structs of integers, read and written through a window.
 *
 * A struct says once how it lies in memory, and is read a million times. So each gets functions of its own, as one would write
 * them by hand. Of `struct({ addr: 'le64', flags: 'be16' })`:
 *
 *     read                                          write
 *     (view, at) => ({                              (finder, address, value) => {
 *       "addr": view.getBigUint64(at + 0, true),      const v0 = unsigned(value["addr"])
 *       "flags": view.getUint16(at + 8, false),       if (v0 === undefined) return …
 *     })                                              const v1 = value["flags"] …
 *                                                     view.setBigUint64(at + 0, v0, true) …
 *
 * A loop over the fields is no way: an object to which names are put one by one costs 15 ns for each of them, all of such a
 * function 25 ns. Functions are made of text, which a program may forbid (`--disallow-code-generation-from-strings`).
 * Then, and for structs that have anything else than integers of up to 64 bits, arrays of them, and structs, the native methods
 * answer. Arrays of structs are read by the same functions, an element after the other: natively each takes 1.7 µs.
 */
import type * as VmMemory from '../../index'
import { CodeOf, defineProperty, isArray, keys, stringify } from '../intrinsics'
import { realm } from '../realm'
import { enter, isCalm, keeps, leave } from './ends'
import { Existing } from './existing'
import { type Finder, isI64, isU64, safeInteger, toBigInt } from './finder'
import { kindOf, type ScalarKind } from './places/kinds'
import type { Window } from './window'

type StructType = VmMemory.StructType

export interface StructCode {
  /** In bytes. */
  readonly size: number
  readonly read: (view: Window['view'], offset: number) => object
  /**
   * Reads the fields of a value, in order, and writes them if each is certainly good; null for structs that have arrays in
   * them. What it could not write is returned as a value for the native method, which reads no field again that was read here.
   */
  readonly write: ((finder: Finder, address: unknown, value: object) => object | undefined) | null
}

/** Structs that are used so often get functions: to make those takes as long as some 50 uses without them. */
const WORTH_FROM = 16

/** Longer functions are more than the engine likes: of a struct, and of the structs of an array in it. */
const MAX_FIELDS = 64

/** Longer arrays in a struct are copied faster than read element by element. */
const MAX_ELEMENTS = 256

/** `get…` and `set…` of views for a kind of integer, and what asks whether a variable is one. */
interface Accessor {
  readonly name: string
  readonly isBigEndian: boolean
  fits(v: string): string
}

function accessor(name: string, fits: (v: string) => string, isBigEndian = false): Accessor {
  return { name, isBigEndian, fits }
}

const fitsU16 = (v: string): string => `typeof ${v} === 'number' && (${v} & 0xffff) === ${v}`
const fitsU32 = (v: string): string => `typeof ${v} === 'number' && ${v} >>> 0 === ${v}`
const fitsU64 = (v: string): string => `(${v} = unsigned(${v})) !== undefined`

/** By the form of a kind, in its order; null of integers that views have no methods for. */
const ACCESSORS: readonly (Accessor | null)[] = [
  accessor('Uint8', (v) => `typeof ${v} === 'number' && (${v} & 0xff) === ${v}`),
  accessor('Int8', (v) => `typeof ${v} === 'number' && (${v} << 24) >> 24 === ${v}`),
  accessor('Uint16', fitsU16),
  accessor('Int16', (v) => `typeof ${v} === 'number' && (${v} << 16) >> 16 === ${v}`),
  accessor('Uint32', fitsU32),
  accessor('Int32', (v) => `typeof ${v} === 'number' && (${v} | 0) === ${v}`),
  accessor('BigUint64', fitsU64),
  accessor('BigInt64', (v) => `typeof ${v} === 'bigint' && isI64(${v})`),
  accessor('Uint16', fitsU16, true),
  accessor('Uint32', fitsU32, true),
  accessor('BigUint64', fitsU64, true),
  null,
]

function accessorOf(type: unknown): Accessor | null {
  const kind = kindOf(type)
  return kind === null ? null : (ACCESSORS[kind.form] as Accessor | null)
}

/** The bigint of a value that is certainly one of 64 bits without a sign. */
function unsigned(value: unknown): bigint | undefined {
  if (typeof value === 'number') return safeInteger(value) < 0 ? undefined : toBigInt(value)
  return typeof value === 'bigint' && isU64(value) ? value : undefined
}

/** A value whose first fields were read. The native method reads the others when it comes to them. */
function half(value: Record<string, unknown>, names: readonly string[], read: readonly unknown[]): object {
  const object = {}
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] as string
    const descriptor =
      index < read.length
        ? { __proto__: null, enumerable: true, value: read[index] }
        : { __proto__: null, enumerable: true, get: () => value[name] }
    defineProperty(object, name, descriptor as PropertyDescriptor)
  }
  return object
}

/** How a literal has a property of this name. Without brackets, `__proto__` would be no property. */
const keyOf = (name: string): string => (name === '__proto__' ? '["__proto__"]' : stringify(name))

/** The classes of arrays of integers, by which functions name them. */
const ARRAYS = 'Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, BigUint64Array, BigInt64Array'

/** What makes the value of a struct that begins at an offset; null where it has something that views cannot read. */
function literalOf({ fields, offsets }: StructType, start: number): string | null {
  const names = keys(fields)
  if (names.length > MAX_FIELDS) return null
  let text = '{'
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] as string
    const value = valueOf(fields[name] as VmMemory.ByteValued, start + (offsets[name] as number))
    if (value === null) return null
    text += `${keyOf(name)}: ${value},`
  }
  return `${text}}`
}

/** What makes the value of a field; null where views cannot read it. */
function valueOf(type: VmMemory.ByteValued, offset: number): string | null {
  const integer = accessorOf(type)
  if (integer !== null) return `view.get${integer.name}(at + ${offset}, ${!integer.isBigEndian})`
  if (isStruct(type)) return literalOf(type, offset)
  // The fields of a struct are frozen copies.
  if (!isArray(type)) return null
  const element = type[0] as VmMemory.ByteValued
  const length = type[1] as number
  if (isStruct(element)) return listLiteralOf(element, length, offset)
  const elements = accessorOf(element)
  if (elements === null || length > MAX_ELEMENTS) return null
  const { size } = kindOf(element) as ScalarKind
  const get = `view.get${elements.name}(at + index * ${size}, ${!elements.isBigEndian})`
  return `((at) => {
    const array = new ${elements.name}Array(${length});
    for (let index = 0; index < ${length}; index += 1) array[index] = ${get};
    return array;
  })(at + ${offset})`
}

/** What makes an array of structs; null where it would be long. A literal, since assigning elements may call setters. */
function listLiteralOf(type: StructType, length: number, offset: number): string | null {
  if (keys(type.fields).length * length > MAX_FIELDS) return null
  let text = '['
  for (let index = 0; index < length; index += 1) {
    const value = literalOf(type, offset + index * type.size)
    if (value === null) return null
    text += `${value},`
  }
  return `${text}]`
}

/**
 * The text of what writes a struct: one part reads the fields and sees that each is good, the other one writes them. A struct
 * in it is read where its field is. Where a value turns out to be none, the text tells what was read so far, with all that is
 * around it:
 *
 *     { a: 1, inner: { b: 2, c: 'x' }, d: 3 }   half(value, names[0], [1, half(g2, names[1], [2, 'x'])])
 */
class WriteCode {
  /** The names of the fields of each struct. */
  readonly names: string[][] = []
  #reads = ''
  #writes = ''
  #fields = 0
  /** Where the next byte goes. */
  #end = 0

  /**
   * Adds the fields of a struct at an offset. Returns what tells all of them, and null where it has something else than integers
   * and such structs. `tell` makes what tells a part of them.
   */
  add(
    { fields, offsets, size }: StructType,
    value: string,
    start: number,
    tell: (part: string) => string,
  ): string | null {
    const place = this.names.length
    const names = keys(fields)
    this.names[place] = names
    const half = (given: string): string => `half(${value}, names[${place}], [${given}])`
    let given = ''
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index] as string
      const type = fields[name]
      const before = given
      const field = `g${this.#fields}`
      this.#fields += 1
      if (this.#fields > MAX_FIELDS) return null
      this.#reads += `const ${field} = ${value}[${stringify(name)}];`
      const offset = start + (offsets[name] as number)
      this.#padTo(offset)
      let read: string | null = field
      if (isStruct(type)) {
        this.#reads += `if (typeof ${field} !== 'object' || ${field} === null) return ${tell(half(before + field))};`
        read = this.add(type, field, offset, (part) => tell(half(before + part)))
      } else if (!this.#addInteger(type, field, offset, tell(half(before + field)))) read = null
      if (read === null) return null
      given += `${read},`
    }
    this.#padTo(start + size)
    return half(given)
  }

  #addInteger(type: unknown, field: string, offset: number, otherwise: string): boolean {
    const integer = accessorOf(type)
    if (integer === null) return false
    const value = `v${field}`
    this.#reads += `let ${value} = ${field}; if (!(${integer.fits(value)})) return ${otherwise};`
    this.#writes += `view.set${integer.name}(at + ${offset}, ${value}, ${!integer.isBigEndian});`
    this.#end += (kindOf(type) as ScalarKind).size
    return true
  }

  #padTo(offset: number): void {
    for (; this.#end < offset; this.#end += 1) this.#writes += `view.setUint8(at + ${this.#end}, 0);`
  }

  /** The function, for a struct of this size that was added. */
  text(size: number, all: string): string {
    return `(finder, address, value) => {
      ${this.#reads}
      const at = finder.locate(address, ${size});
      const { window } = finder;
      if (at < 0 || window.isTracked || !enter()) return ${all};
      const { view } = window;
      ${this.#writes}
      leave();
      if (!isCalm() && !keeps(window, finder, at, ${size})) return ${all};
    }`
  }
}

function makeCode(type: StructType): StructCode | null {
  const literal = literalOf(type, 0)
  if (literal === null) return null
  const writes = new WriteCode()
  const all = writes.add(type, 'value', 0, (part) => part)
  const write = all === null ? 'null' : writes.text(type.size, all)
  const text = `'use strict';
    const { ${ARRAYS} } = realm;
    return { size: ${type.size}, read: (view, at) => (${literal}), write: ${write} }`
  try {
    const make = new CodeOf(
      'realm',
      'unsigned',
      'isI64',
      'half',
      'names',
      'enter',
      'leave',
      'isCalm',
      'keeps',
      text,
    ) as (...given: unknown[]) => StructCode
    return make(realm, unsigned, isI64, half, writes.names, enter, leave, isCalm, keeps)
  } catch {
    // Functions must not be made of text here.
    return null
  }
}

class StructStamp extends Existing {
  #code: StructCode | null = null
  #uses = 0

  /** Lets a struct type have functions of its own, once they are worth it. */
  static put(type: object): object {
    return new StructStamp(type)
  }

  static has(type: object): type is StructType {
    return #code in type
  }

  static code(type: object): StructCode | null {
    if (!(#code in type)) return null
    return type.#code ?? (type.#uses < WORTH_FROM ? this.#use(type) : null)
  }

  static #use(stamp: StructStamp): StructCode | null {
    stamp.#uses += 1
    if (stamp.#uses === WORTH_FROM) stamp.#code = makeCode(stamp as unknown as StructType)
    return stamp.#code
  }
}

function isStruct(type: unknown): type is StructType {
  return typeof type === 'object' && type !== null && StructStamp.has(type)
}

export const stampStruct = StructStamp.put

/** The functions of a struct; null for what is none, and before they are worth it. */
export function codeOf(type: unknown): StructCode | null {
  return typeof type === 'object' && type !== null ? StructStamp.code(type) : null
}
