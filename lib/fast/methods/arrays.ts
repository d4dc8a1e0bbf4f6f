/** `readObj` and `writeObj` of short arrays whose elements lie in memory as the host has them. */
import type * as VmMemory from '../../../index'
import { bufferOf, byteLengthOf, byteOffsetOf, Bytes, isArray, isInteger, isProxy, set, tagOf } from '../intrinsics'
import type { Kind } from './kind'

type Elements = ArrayLike<number | bigint>

interface ElementsClass {
  /** As `Symbol.toStringTag` tells it: the name of a class can be changed. */
  readonly tag: string
  readonly elementSize: number
  readonly make: new (length: number) => Elements
}

const U8 = { tag: 'Uint8Array', elementSize: 1, make: Uint8Array }
const I8 = { tag: 'Int8Array', elementSize: 1, make: Int8Array }
const U16 = { tag: 'Uint16Array', elementSize: 2, make: Uint16Array }
const I16 = { tag: 'Int16Array', elementSize: 2, make: Int16Array }
const U32 = { tag: 'Uint32Array', elementSize: 4, make: Uint32Array }
const I32 = { tag: 'Int32Array', elementSize: 4, make: Int32Array }
const U64 = { tag: 'BigUint64Array', elementSize: 8, make: BigUint64Array }
const I64 = { tag: 'BigInt64Array', elementSize: 8, make: BigInt64Array }

function elementsClass(type: unknown): ElementsClass | null {
  switch (type) {
    case 'u8':
      return U8
    case 'i8':
      return I8
    case 'u16':
    case 'le16':
      return U16
    case 'i16':
      return I16
    case 'u32':
    case 'le32':
      return U32
    case 'i32':
      return I32
    case 'u64':
    case 'usize':
    case 'le64':
    case 'leSize':
      return U64
    case 'i64':
    case 'isize':
      return I64
    default:
      return null
  }
}

/** In bytes. For longer ones, the memory of the array costs more than the call. */
const MAX_LENGTH = 64 * 1024

interface Form {
  readonly elements: ElementsClass
  readonly length: number
  /** In bytes. */
  readonly size: number
}

/** What `[type, length]` stands for, if it is worth a copy here. */
function formOf(type: unknown): Form | null {
  if (!isArray(type) || isProxy(type) || type.length !== 2) return null
  const elements = elementsClass(type[0])
  const length: unknown = type[1]
  if (elements === null || typeof length !== 'number' || !isInteger(length) || length <= 0) return null
  const size = length * elements.elementSize
  return size <= MAX_LENGTH ? { elements, length, size } : null
}

interface ArrayMethods {
  readArray(object: object, type: VmMemory.ByteValued, addr: unknown): Elements
  writeArray(object: object, type: VmMemory.ByteValued, value: unknown, addr: unknown): void
}

export function arrayMethods({ native, toNative, cursorOf }: Kind): ArrayMethods {
  return {
    readArray(object, type, addr) {
      const form = formOf(type)
      const cursor = cursorOf(object)
      const offset = form === null ? -1 : cursor.locate(addr, form.size)
      if (form === null || offset < 0) return native.readObj.call(toNative(object), type, addr) as Elements
      const array = new form.elements.make(form.length)
      set.call(new Bytes(bufferOf.call(array)), new Bytes(cursor.window.buffer, offset, form.size))
      return array
    },
    writeArray(object, type, value, addr) {
      const form = formOf(type)
      const cursor = cursorOf(object)
      const fits = form !== null && tagOf.call(value) === form.elements.tag && byteLengthOf.call(value) === form.size
      const offset = fits ? cursor.locate(addr, form.size) : -1
      if (form === null || offset < 0) return native.writeObj.call(toNative(object), type, value as bigint, addr)
      set.call(cursor.window.bytes, new Bytes(bufferOf.call(value), byteOffsetOf.call(value), form.size), offset)
      cursor.window.markDirty(offset, form.size)
    },
  }
}
