/**
 * What the fast paths use of the language, as it is now: somebody may replace it. No method is among it that asks objects
 * for their class, as `subarray` does, which would give buffers away.
 */
import { types } from 'node:util'

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype)

/** A getter of all typed arrays, which no object can pretend to have. */
function getter<T>(name: string | symbol): (this: unknown) => T {
  return Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: unknown) => T
}

/** The name of the class; undefined of what is no typed array. */
export const tagOf = getter<string | undefined>(Symbol.toStringTag)
export const lengthOf = getter<number>('length')
export const byteLengthOf = getter<number>('byteLength')
export const byteOffsetOf = getter<number>('byteOffset')
export const bufferOf = getter<ArrayBufferLike>('buffer')
export const { set } = Uint8Array.prototype
export const Bytes = Uint8Array
export const Shared = SharedArrayBuffer

export const { asIntN, asUintN } = BigInt
export const { load: atomicLoad, store: atomicStore } = Atomics
export const { isArray } = Array
export const { isInteger } = Number
export const { isProxy } = types

/** A `DataView` whose methods nobody can replace. */
export class View extends DataView<ArrayBuffer> {}
Object.defineProperties(View.prototype, Object.getOwnPropertyDescriptors(DataView.prototype))
