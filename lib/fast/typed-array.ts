/** The intrinsics of typed arrays as they are now: somebody may replace them. */

const prototype: object = Object.getPrototypeOf(Uint8Array.prototype)

/** A getter of all typed arrays, which no object can pretend to have. */
function getter<T>(name: string | symbol): (this: unknown) => T {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get as (this: unknown) => T
}

/** The name of the class; undefined of what is no typed array. */
export const tagOf = getter<string | undefined>(Symbol.toStringTag)
export const lengthOf = getter<number>('length')
export const byteLengthOf = getter<number>('byteLength')
export const byteOffsetOf = getter<number>('byteOffset')
export const bufferOf = getter<ArrayBufferLike>('buffer')
export const { set, subarray } = Uint8Array.prototype
