/** Integers as references have them: by the name of a type, and how each lies in memory. */
import type * as VmMemory from '../../../index'
import * as intrinsics from '../../intrinsics'
import { load, low, signed64, store, store64, unsigned64 } from '../mailbox'
import { ATOMIC, type Window } from '../window'

// Taken out of the import, which would be looked up at each use.
const { asIntN, asUintN, atomicLoad, atomicStore } = intrinsics

/** How an integer lies in memory. `structs.ts` has a list in this order. */
const enum Form {
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  U64,
  I64,
  Be16,
  Be32,
  Be64,
  /** Of 128 bits, which are left to the native methods. */
  Wide,
}

export class ScalarKind {
  constructor(
    readonly name: VmMemory.ScalarType,
    /** In bytes. */
    readonly size: number,
    readonly form: Form,
    readonly isAtomic: boolean,
  ) {}
}

/** Of what has no type, such as a slice. */
export const NO_KIND = new ScalarKind('u8', 1, Form.U8, false)

const U8 = new ScalarKind('u8', 1, Form.U8, true)
const I8 = new ScalarKind('i8', 1, Form.I8, true)
const U16 = new ScalarKind('u16', 2, Form.U16, true)
const I16 = new ScalarKind('i16', 2, Form.I16, true)
const U32 = new ScalarKind('u32', 4, Form.U32, true)
const I32 = new ScalarKind('i32', 4, Form.I32, true)
const U64 = new ScalarKind('u64', 8, Form.U64, true)
const I64 = new ScalarKind('i64', 8, Form.I64, true)
const USIZE = new ScalarKind('usize', 8, Form.U64, true)
const ISIZE = new ScalarKind('isize', 8, Form.I64, true)
const U128 = new ScalarKind('u128', 16, Form.Wide, false)
const I128 = new ScalarKind('i128', 16, Form.Wide, false)
const LE16 = new ScalarKind('le16', 2, Form.U16, false)
const LE32 = new ScalarKind('le32', 4, Form.U32, false)
const LE64 = new ScalarKind('le64', 8, Form.U64, false)
const LE_SIZE = new ScalarKind('leSize', 8, Form.U64, false)
const BE16 = new ScalarKind('be16', 2, Form.Be16, false)
const BE32 = new ScalarKind('be32', 4, Form.Be32, false)
const BE64 = new ScalarKind('be64', 8, Form.Be64, false)
const BE_SIZE = new ScalarKind('beSize', 8, Form.Be64, false)

/** The kind that a type names; null of what is no name of a type. */
export function kindOf(type: unknown): ScalarKind | null {
  switch (type) {
    case 'u8':
      return U8
    case 'i8':
      return I8
    case 'u16':
      return U16
    case 'i16':
      return I16
    case 'u32':
      return U32
    case 'i32':
      return I32
    case 'u64':
      return U64
    case 'i64':
      return I64
    case 'usize':
      return USIZE
    case 'isize':
      return ISIZE
    case 'u128':
      return U128
    case 'i128':
      return I128
    case 'le16':
      return LE16
    case 'le32':
      return LE32
    case 'le64':
      return LE64
    case 'leSize':
      return LE_SIZE
    case 'be16':
      return BE16
    case 'be32':
      return BE32
    case 'be64':
      return BE64
    case 'beSize':
      return BE_SIZE
    default:
      return null
  }
}

/** Reads an integer; undefined where that is left to the native method. */
export function readScalar({ view }: Window, { form }: ScalarKind, offset: number): number | bigint | undefined {
  switch (form) {
    case Form.U8:
      return view.getUint8(offset)
    case Form.I8:
      return view.getInt8(offset)
    case Form.U16:
      return view.getUint16(offset, true)
    case Form.I16:
      return view.getInt16(offset, true)
    case Form.U32:
      return view.getUint32(offset, true)
    case Form.I32:
      return view.getInt32(offset, true)
    case Form.U64:
      return view.getBigUint64(offset, true)
    case Form.I64:
      return view.getBigInt64(offset, true)
    case Form.Be16:
      return view.getUint16(offset)
    case Form.Be32:
      return view.getUint32(offset)
    case Form.Be64:
      return view.getBigUint64(offset)
    case Form.Wide:
      return undefined
  }
}

/** Whether a value is one of a kind, as the engine has it: others, such as bigints of 32 bits, are left to the native method. */
function fits(form: Form, value: unknown): boolean {
  switch (form) {
    case Form.U8:
      return typeof value === 'number' && (value & 0xff) === value
    case Form.I8:
      return typeof value === 'number' && (value << 24) >> 24 === value
    case Form.U16:
    case Form.Be16:
      return typeof value === 'number' && (value & 0xffff) === value
    case Form.I16:
      return typeof value === 'number' && (value << 16) >> 16 === value
    case Form.U32:
    case Form.Be32:
      return typeof value === 'number' && value >>> 0 === value
    case Form.I32:
      return typeof value === 'number' && (value | 0) === value
    case Form.U64:
    case Form.Be64:
      return typeof value === 'bigint' && asUintN(64, value) === value
    case Form.I64:
      return typeof value === 'bigint' && asIntN(64, value) === value
    case Form.Wide:
      return false
  }
}

/** Writes an integer, and marks its page; whether it did, or left that to the native method. */
export function writeScalar(window: Window, { form, size }: ScalarKind, offset: number, value: unknown): boolean {
  if (!fits(form, value)) return false
  if (window.isTracked) {
    if (form >= Form.Be16) return false
    return size === 8 ? window.write64(offset, size, value as bigint) : window.write(offset, size, value as number)
  }
  const { view } = window
  switch (form) {
    case Form.U8:
    case Form.I8:
      view.setUint8(offset, value as number)
      break
    case Form.U16:
    case Form.I16:
      view.setUint16(offset, value as number, true)
      break
    case Form.U32:
    case Form.I32:
      view.setUint32(offset, value as number, true)
      break
    case Form.U64:
    case Form.I64:
      view.setBigUint64(offset, value as bigint, true)
      break
    case Form.Be16:
      view.setUint16(offset, value as number)
      break
    case Form.Be32:
      view.setUint32(offset, value as number)
      break
    case Form.Be64:
      view.setBigUint64(offset, value as bigint)
      break
  }
  return true
}

/** Loads an integer that is aligned. Windows begin on a page of the host, so what is aligned in them is aligned there. */
export function loadAtomic(window: Window, { form }: ScalarKind, offset: number): number | bigint {
  switch (form) {
    case Form.U8:
      return atomicLoad(window.bytes, offset)
    case Form.I8:
      return (atomicLoad(window.bytes, offset) << 24) >> 24
    case Form.U16:
      return atomicLoad(window.u16, offset >> 1)
    case Form.I16:
      return (atomicLoad(window.u16, offset >> 1) << 16) >> 16
    case Form.U32:
      return atomicLoad(window.u32, offset >> 2)
    case Form.I32:
      return atomicLoad(window.u32, offset >> 2) | 0
    case Form.I64:
      return asIntN(64, atomicLoad(window.u64, offset >> 3))
    default:
      return atomicLoad(window.u64, offset >> 3)
  }
}

/** Stores an integer that is aligned, and marks nothing; whether it did, or left that to the native method. */
export function storeAtomic(window: Window, { form }: ScalarKind, offset: number, value: unknown): boolean {
  if (!fits(form, value)) return false
  switch (form) {
    case Form.U8:
    case Form.I8:
      atomicStore(window.bytes, offset, value as number)
      break
    case Form.U16:
    case Form.I16:
      atomicStore(window.u16, offset >> 1, value as number)
      break
    case Form.U32:
    case Form.I32:
      atomicStore(window.u32, offset >> 2, value as number)
      break
    default:
      atomicStore(window.u64, offset >> 3, value as bigint)
      break
  }
  return true
}

/** The same, and marks the page where memory is tracked. */
export function storeAndMark(window: Window, kind: ScalarKind, offset: number, value: unknown): boolean {
  if (!window.isTracked) return storeAtomic(window, kind, offset, value)
  const { form, size } = kind
  if (!fits(form, value)) return false
  return size === 8
    ? window.write64(offset, ATOMIC + size, value as bigint)
    : window.write(offset, ATOMIC + size, value as number)
}

/** Loads an integer by the mailbox; undefined where that is left to the native method. */
export function loadByMail(number: number, { form, size }: ScalarKind, address: unknown): number | bigint | undefined {
  if (!load(number, size, address)) return undefined
  switch (form) {
    case Form.I8:
      return (low() << 24) >> 24
    case Form.I16:
      return (low() << 16) >> 16
    case Form.I32:
      return low() | 0
    case Form.I64:
      return signed64()
    default:
      return size === 8 ? unsigned64() : low()
  }
}

/** Stores an integer by the mailbox, which marks its page; whether it did, or left that to the native method. */
export function storeByMail(number: number, { form, size }: ScalarKind, value: unknown, address: unknown): boolean {
  if (!fits(form, value)) return false
  return size === 8 ? store64(number, value as bigint, address) : store(number, size, value as number, address)
}
