/** `readObj` and `writeObj` of short arrays whose elements lie in memory as the host has them; `readObj` of arrays of structs. */
import type * as VmMemory from '../../../index'
import {
  bufferOf,
  byteLengthOf,
  byteOffsetOf,
  Bytes,
  defineProperty,
  isArray,
  isInteger,
  isProxy,
  newList,
  setBytes,
  tagOf,
  U32 as CellOf32,
  U64 as CellOf64,
} from '../../intrinsics'
import { realm } from '../../realm'
import { faultCount, isWhole } from '../alarm'
import { enter, isCalm, keeps, leave, stays } from '../ends'
import type { Finder } from '../finder'
import * as mailbox from '../mailbox'
import { codeOf, type StructCode } from '../structs'
import type { Window } from '../window'
import type { Kind, Methods } from './kind'

const { BigInt64Array, BigUint64Array, Int16Array, Int32Array, Int8Array, Uint16Array, Uint32Array, Uint8Array } = realm

type Elements = ArrayLike<number | bigint>
type Words = { [index: number]: number }

interface ElementsClass {
  /** As `Symbol.toStringTag` tells it: the name of a class can be changed. */
  readonly tag: string
  readonly elementSize: number
  readonly make: {
    new (length: number): Elements
    new (buffer: ArrayBufferLike, offset: number, length: number): Elements
  }
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

/** Two words in one. */
const cell = new CellOf64(1)
const halves = new CellOf32(bufferOf(cell))

/** Whether elements are two words that Rust moves in one access, so that nobody sees half of them. */
function isPair({ length, size }: Form, offset: number): boolean {
  return length === 2 && size === 8 && (offset & 7) === 0
}

/** Copies elements from a window into an array that is new; whether it may. */
function copyOut(array: Elements, form: Form, window: Window, offset: number): boolean {
  if (!enter()) return false
  const { length } = form
  const { elementSize, make } = form.elements as ElementsClass
  const { buffer } = window
  try {
    if (isPair(form, offset)) {
      cell[0] = window.u64[offset >>> 3] as bigint
      const words = array as Words
      words[0] = halves[0] as number
      words[1] = halves[1] as number
    } else if ((offset & (elementSize - 1)) === 0) {
      // Between arrays of one class. To see the array as bytes takes 1 µs, since short ones have no buffer yet.
      setBytes(array, new make(buffer, offset, length) as ArrayLike<number>)
    } else setBytes(new Bytes(bufferOf(array)), new Bytes(buffer, offset, length * elementSize))
  } finally {
    leave()
  }
  return isCalm() || stays(window)
}

/** Copies the elements of an array into a window; whether it did. */
function copyIn(finder: Finder, form: Form, value: Elements, offset: number): boolean {
  if (!enter()) return false
  const { window } = finder
  const { elementSize, make } = form.elements as ElementsClass
  try {
    if (isPair(form, offset)) {
      halves[0] = value[0] as number
      halves[1] = value[1] as number
      window.u64[offset >>> 3] = cell[0] as bigint
    } else if ((offset & (elementSize - 1)) === 0) {
      setBytes(new make(window.buffer, offset, form.length) as ArrayLike<number>, value as ArrayLike<number>)
    } else setBytes(window.bytes, new Bytes(bufferOf(value), byteOffsetOf(value), form.size), offset)
  } catch {
    // Another thread has enlarged what the array lies in; or the native method says what else there is.
    return false
  } finally {
    leave()
  }
  return isCalm() || keeps(window, finder, offset, form.size)
}

/** In bytes. For longer ones, the memory of the array costs more than the call. */
const MAX_LENGTH = 64 * 1024

/** What `[type, length]` stands for. */
interface Form {
  /** What to hand to a native method instead: it would read the elements again, which may be getters that act. */
  readonly type: VmMemory.ByteValued
  readonly element: unknown
  /** null where it is not worth a copy here. */
  readonly elements: ElementsClass | null
  /** Of an array of structs that are used often. */
  readonly code: StructCode | null
  readonly length: number
  /** In bytes. */
  readonly size: number
}

/**
 * The type that was read last. It is no proxy, which the runtime would have to be asked; what is in it is read again each time.
 */
let lastType: unknown = null
/** What the last type stood for: who reads many arrays has one type for them, or makes the same again and again. */
let lastForm: Form | null = null

const leftToNative = (type: VmMemory.ByteValued): Form => ({
  type,
  element: null,
  elements: null,
  code: null,
  length: 0,
  size: 0,
})

/** Reads a type once, in the order of the native methods. */
function formOf(type: VmMemory.ByteValued): Form {
  // What is no pair has no element that they would look at. (A proxy may be revoked, which `isArray` throws at.)
  if (type !== lastType && (isProxy(type) || !isArray(type))) return leftToNative(type)
  const pair = type as unknown as readonly unknown[]
  if (pair.length !== 2) return leftToNative(type)
  const element = pair[0]
  // Taken before the length is read: that may be a getter, which reads arrays, too.
  const known = lastForm !== null && element === lastForm.element ? lastForm : null
  const elements = known === null ? elementsClass(element) : known.elements
  const code = known === null ? codeOf(element) : known.code
  if (elements === null && code === null) return leftToNative(lazyPair(element, pair))
  const length = pair[1]
  lastType = type
  if (known !== null && length === known.length) return known
  const same = [element, length] as unknown as VmMemory.ByteValued
  const isCount = typeof length === 'number' && isInteger(length) && length > 0
  const elementSize = elements?.elementSize ?? (code as StructCode).size
  const size = isCount ? length * elementSize : MAX_LENGTH + 1
  if (size > MAX_LENGTH) return leftToNative(same)
  return (lastForm = { type: same, element, elements, code, length: length as number, size })
}

/** A pair whose second element is read when somebody asks: the native methods do when the first one is good. */
function lazyPair(element: unknown, type: readonly unknown[]): VmMemory.ByteValued {
  const pair: unknown[] = [element, undefined]
  const descriptor = { __proto__: null, configurable: true, enumerable: true, get: () => type[1] }
  defineProperty(pair, 1, descriptor as PropertyDescriptor)
  return pair as unknown as VmMemory.ByteValued
}

interface ArrayMethods {
  readArray(object: object, type: VmMemory.ByteValued, addr: unknown): Elements
  writeArray(object: object, type: VmMemory.ByteValued, value: unknown, addr: unknown): void
}

/*
 * The native methods look at their receiver first, then at the type, and a getter in it may dispose of the guard that they were
 * called on: they go on with what they have. So the cursor is held while a type is read. One that knows no memory is left to
 * them at once, before anything is read.
 */
export function arrayMethods<F extends Finder>({ native, toNative, cursorOf }: Kind<Methods, F>): ArrayMethods {
  function read(object: object, cursor: F, form: Form, addr: unknown): Elements {
    const { type, elements, code, length, size } = form
    if (code !== null) {
      const structs = readStructs(cursor, code, length, addr)
      if (structs !== null) return structs as unknown as Elements
    }
    if (elements === null) return native.readObj(toNative(object, cursor), type, addr) as Elements
    const offset = cursor.locate(addr, size)
    if (offset >= 0) {
      const array = new elements.make(length)
      if (copyOut(array, form, cursor.window, offset)) return array
    }
    if (cursor.number !== mailbox.NO_NUMBER) {
      const array = new elements.make(length)
      if (mailbox.readElements(cursor.number, array, elements.make, size, cursor.mailAddress(addr, size))) return array
    }
    return native.readObj(toNative(object, cursor), type, addr) as Elements
  }

  /** Null where that is left to the native method. */
  function readStructs(cursor: F, { size, read: readOne }: StructCode, length: number, addr: unknown): object[] | null {
    const structs = newList<object>(length)
    if (structs === null) return null
    const offset = cursor.locate(addr, length * size)
    if (offset < 0 || !enter()) return null
    const { window } = cursor
    const { view } = window
    try {
      for (let index = 0; index < length; index += 1) structs[index] = readOne(view, offset + index * size)
    } finally {
      leave()
    }
    return isCalm() || stays(window) ? structs : null
  }

  function write(object: object, cursor: F, form: Form, value: unknown, addr: unknown): void {
    const { type, elements, length, size } = form
    const faults = faultCount()
    const fits = elements !== null && tagOf(value) === elements.tag && byteLengthOf(value) === size && isWhole()
    const offset = fits ? cursor.locate(addr, size) : -1
    let done = false
    if (offset >= 0 && !cursor.window.isTracked) {
      done = copyIn(cursor, form, value as Elements, offset)
    } else if (fits) {
      const address = cursor.mailAddress(addr, size)
      done = mailbox.writeElements(cursor.number, value as Elements, elements.make, length, size, address)
    }
    if (!done || faultCount() !== faults) native.writeObj(toNative(object, cursor), type, value as bigint, addr)
  }

  return {
    readArray(object, type, addr) {
      const cursor = cursorOf(object)
      if (!cursor.knowsMemory()) return native.readObj(toNative(object, cursor), type, addr) as Elements
      const isHeld = cursor.hold()
      try {
        return read(object, cursor, formOf(type), addr)
      } finally {
        if (isHeld) cursor.letGo()
      }
    },
    writeArray(object, type, value, addr) {
      const cursor = cursorOf(object)
      if (!cursor.knowsMemory()) return native.writeObj(toNative(object, cursor), type, value as bigint, addr)
      const isHeld = cursor.hold()
      try {
        write(object, cursor, formOf(type), value, addr)
      } finally {
        if (isHeld) cursor.letGo()
      }
    },
  }
}
