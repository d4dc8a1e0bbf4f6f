/** `readObj` and `writeObj` of short arrays whose elements lie in memory as the host has them. */
import type * as VmMemory from '../../../index'
import { bufferOf, byteLengthOf, byteOffsetOf, set, subarray, tagOf } from '../typed-array'
import type { Kind } from './kind'

type Elements = ArrayLike<number | bigint>

interface ElementsClass {
  readonly name: string
  readonly BYTES_PER_ELEMENT: number
  new (length: number): Elements & { readonly buffer: ArrayBuffer }
}

const CLASSES: Readonly<Record<string, ElementsClass>> = Object.assign(Object.create(null), {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  le16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  le32: Uint32Array,
  i32: Int32Array,
  u64: BigUint64Array,
  usize: BigUint64Array,
  le64: BigUint64Array,
  leSize: BigUint64Array,
  i64: BigInt64Array,
  isize: BigInt64Array,
})

/** In bytes. The native methods are as fast for longer ones. */
const MAX_LENGTH = 64 * 1024

// As they are now: somebody may replace them.
const { isArray } = Array
const { isInteger } = Number
const Bytes = Uint8Array

interface ArrayMethods {
  readArray(object: object, type: VmMemory.ByteValued, addr: unknown): Elements
  writeArray(object: object, type: VmMemory.ByteValued, value: unknown, addr: unknown): void
}

export function arrayMethods({ native, enter, accessOf }: Kind): ArrayMethods {
  function classOf(type: unknown): ElementsClass | undefined {
    return isArray(type) && type.length === 2 && typeof type[0] === 'string' ? CLASSES[type[0]] : undefined
  }

  /** The length in bytes of an array that is worth a copy here, else 0. */
  function sizeOf(length: unknown, { BYTES_PER_ELEMENT }: ElementsClass): number {
    if (typeof length !== 'number' || !isInteger(length) || length <= 0) return 0
    const size = length * BYTES_PER_ELEMENT
    return size <= MAX_LENGTH ? size : 0
  }

  return {
    readArray(object, type, addr) {
      const elementsClass = classOf(type)
      if (elementsClass !== undefined) {
        const length: unknown = type[1]
        const size = sizeOf(length, elementsClass)
        const access = accessOf(object)
        const offset = size > 0 ? access.locate(addr, size) : -1
        if (offset >= 0) {
          const elements = new elementsClass(length as number)
          set.call(new Bytes(bufferOf.call(elements)), subarray.call(access.window.bytes, offset, offset + size))
          return elements
        }
      }
      return native.readObj.call(enter(object), type, addr) as Elements
    },
    writeArray(object, type, value, addr) {
      const elementsClass = classOf(type)
      if (elementsClass !== undefined && tagOf.call(value) === elementsClass.name) {
        const size = sizeOf(type[1], elementsClass)
        const access = accessOf(object)
        const offset = size > 0 && byteLengthOf.call(value) === size ? access.locate(addr, size) : -1
        if (offset >= 0) {
          set.call(access.window.bytes, new Bytes(bufferOf.call(value), byteOffsetOf.call(value), size), offset)
          access.window.markDirty(offset, size)
          return
        }
      }
      native.writeObj.call(enter(object), type, value as bigint, addr)
    },
  }
}
