/**
 * What this package uses of the language, as it was when it was loaded: somebody may replace it afterwards, for a moment or for
 * good. So nothing that runs later takes a method off a prototype, not even `call`; nothing goes through an iterator (`for …
 * of`, destructuring of arrays, spreading), which is found by a name as well; and no method is among these that asks objects
 * for their class, as `subarray` does, which would give buffers away.
 *
 * All of it is of the addon's realm, so that answers are of one realm, and a test runner that takes the globals of its own realm
 * away does no harm.
 */
import { types } from 'node:util'
import { realm } from './realm'

const { Array, ArrayBuffer, Atomics, BigInt, DataView, Function, JSON, Number, Reflect, Symbol } = realm
const { bind, call } = Function.prototype

/** Makes a function of a method, which takes the receiver first. Nobody sees it called. */
export const uncurryThis = bind.bind(call) as unknown as <T, A extends unknown[], R>(
  method: (this: T, ...args: A) => R,
) => (receiver: unknown, ...args: A) => R

const typedArray: object = Object.getPrototypeOf(realm.Uint8Array.prototype)

/** The getter of a property, as a function; of what is not of its class, it throws. */
function getter<T>(prototype: object, name: string | symbol): (receiver: unknown) => T {
  return uncurryThis(Object.getOwnPropertyDescriptor(prototype, name)?.get as (this: unknown) => T)
}

/** The name of the class of a typed array; undefined of everything else. */
export const tagOf = getter<string | undefined>(typedArray, Symbol.toStringTag)
export const lengthOf = getter<number>(typedArray, 'length')
export const byteLengthOf = getter<number>(typedArray, 'byteLength')
export const byteOffsetOf = getter<number>(typedArray, 'byteOffset')
export const bufferOf = getter<ArrayBufferLike>(typedArray, 'buffer')
export const setBytes = uncurryThis(realm.Uint8Array.prototype.set)
export const fillBytes = uncurryThis(realm.Uint8Array.prototype.fill)

export const Buffer = ArrayBuffer
export const Bytes = realm.Uint8Array
export const U16 = realm.Uint16Array
export const U32 = realm.Uint32Array
export const U64 = realm.BigUint64Array
export const I64 = realm.BigInt64Array
export const I32 = realm.Int32Array
export const Numbers = realm.Float64Array

export const { apply, defineProperty, deleteProperty } = Reflect
export const { keys, setPrototypeOf } = Object
export const { asIntN, asUintN } = BigInt
export const { load: atomicLoad, store: atomicStore } = Atomics
export const { isArray } = Array
export const { isInteger, MAX_SAFE_INTEGER } = Number
export const toDouble = Number
export const { stringify } = JSON
/** Makes functions of text, where a program allows that. */
export const CodeOf = Function
export const { isProxy, isSharedArrayBuffer } = types

const { Array: List } = realm
const arrayPrototype = List.prototype
const { getPrototypeOf } = Object
const objectPrototype = getPrototypeOf(arrayPrototype)

/**
 * A new array of so many elements, which are assigned next; null where assigning them would call a setter, since somebody
 * has put elements on what arrays inherit from. To define them instead takes 600 ns for each, and to ask 3 ns.
 */
export function newList<T>(length: number): T[] | null {
  // So that no proxy is asked below.
  if (getPrototypeOf(arrayPrototype) !== objectPrototype) return null
  for (let index = 0; index < length; index += 1) if (index in arrayPrototype) return null
  return new List(length) as T[]
}

/** An array of an object. By the constructor: `Array.of` takes 300 ns, and a literal would be of another realm. */
export function listOf<T extends object>(object: T): T[] {
  // Not a length, since it is an object.
  // oxlint-disable-next-line no-new-array
  return new Array<T>(object)
}

/** An array of two. */
export function pairOf<T, U>(first: T, second: U): [T, U] {
  return new Array<T | U>(first, second) as [T, U]
}

/** A `DataView` whose methods nobody can replace. */
export class View extends DataView<ArrayBuffer> {
  // Written out: the one that is made by itself hands its arguments on by an iterator.
  // oxlint-disable-next-line no-useless-constructor
  constructor(buffer: ArrayBuffer) {
    super(buffer)
  }
}
Object.defineProperties(View.prototype, Object.getOwnPropertyDescriptors(DataView.prototype))
