/** `readObj` and `writeObj`: of one scalar by the methods for scalars, of a big-endian one by the view. */
import type * as VmMemory from '../../../index'
import { uncurryThis } from '../../intrinsics'
import { isCalm, stays } from '../ends'
import type { Finder } from '../finder'
import { OBJECT as theObject } from '../natives'
import { codeOf as structCode } from '../structs'
import { arrayMethods } from './arrays'
import type { Kind, Methods } from './kind'
import { structMethods } from './structs'

// Taken out of the import, which would be looked up at each use.
const codeOf = structCode
const OBJECT = theObject

type Objects = Pick<Methods, 'readObj' | 'writeObj'>
/** A method for scalars, which is told who calls it. */
type Called<K extends keyof Methods> = (
  ...args: [...Parameters<Methods[K]>, caller: typeof OBJECT]
) => ReturnType<Methods[K]>

export function objectMethods<F extends Finder>(kind: Kind<Methods, F>, scalars: Partial<Methods>): Objects {
  const { native, toNative, cursorOf } = kind
  const { readArray, writeArray } = arrayMethods(kind)
  const { readStruct, writeStruct } = structMethods(kind)
  // As functions: `call` may be anybody's by then.
  const readU8 = uncurryThis(scalars.readU8 as Called<'readU8'>)
  const readI8 = uncurryThis(scalars.readI8 as Called<'readI8'>)
  const readU16 = uncurryThis(scalars.readU16 as Called<'readU16'>)
  const readI16 = uncurryThis(scalars.readI16 as Called<'readI16'>)
  const readU32 = uncurryThis(scalars.readU32 as Called<'readU32'>)
  const readI32 = uncurryThis(scalars.readI32 as Called<'readI32'>)
  const readU64 = uncurryThis(scalars.readU64 as Called<'readU64'>)
  const readI64 = uncurryThis(scalars.readI64 as Called<'readI64'>)
  const writeU8 = uncurryThis(scalars.writeU8 as Called<'writeU8'>)
  const writeI8 = uncurryThis(scalars.writeI8 as Called<'writeI8'>)
  const writeU16 = uncurryThis(scalars.writeU16 as Called<'writeU16'>)
  const writeI16 = uncurryThis(scalars.writeI16 as Called<'writeI16'>)
  const writeU32 = uncurryThis(scalars.writeU32 as Called<'writeU32'>)
  const writeI32 = uncurryThis(scalars.writeI32 as Called<'writeI32'>)
  const writeU64 = uncurryThis(scalars.writeU64 as Called<'writeU64'>)
  const writeI64 = uncurryThis(scalars.writeI64 as Called<'writeI64'>)

  function readObj(this: object, type: VmMemory.ByteValued, addr: unknown): VmMemory.ValueOf<VmMemory.ByteValued> {
    // Not among the strings: to compare an object with each of them may take the engine 50 ns.
    if (typeof type !== 'string') {
      const code = codeOf(type)
      return (
        code === null ? readArray(this, type, addr) : readStruct(this, type as VmMemory.StructType, code, addr)
      ) as never
    }
    switch (type) {
      case 'u8':
        return readU8(this, addr, OBJECT)
      case 'i8':
        return readI8(this, addr, OBJECT)
      case 'u16':
      case 'le16':
        return readU16(this, addr, OBJECT)
      case 'i16':
        return readI16(this, addr, OBJECT)
      case 'u32':
      case 'le32':
        return readU32(this, addr, OBJECT)
      case 'i32':
        return readI32(this, addr, OBJECT)
      case 'u64':
      case 'usize':
      case 'le64':
      case 'leSize':
        return readU64(this, addr, OBJECT)
      case 'i64':
      case 'isize':
        return readI64(this, addr, OBJECT)
    }
    const size = type === 'be16' ? 2 : type === 'be32' ? 4 : type === 'be64' || type === 'beSize' ? 8 : 0
    const cursor = cursorOf(this)
    const offset = size === 0 ? -1 : cursor.locate(addr, size)
    if (offset >= 0) {
      const { window } = cursor
      const { view } = window
      const value =
        size === 2 ? view.getUint16(offset) : size === 4 ? view.getUint32(offset) : view.getBigUint64(offset)
      if (isCalm() || stays(window)) return value as never
    }
    return native.readObj(toNative(this, cursor), type, addr)
  }

  function writeObj(this: object, type: VmMemory.ByteValued, value: unknown, addr: unknown): void {
    if (typeof type !== 'string') {
      const code = codeOf(type)
      if (code === null) return writeArray(this, type, value, addr)
      return writeStruct(this, type as VmMemory.StructType, code, value, addr)
    }
    switch (type) {
      case 'u8':
        return writeU8(this, value as number, addr, OBJECT)
      case 'i8':
        return writeI8(this, value as number, addr, OBJECT)
      case 'u16':
      case 'le16':
        return writeU16(this, value as number, addr, OBJECT)
      case 'i16':
        return writeI16(this, value as number, addr, OBJECT)
      case 'u32':
      case 'le32':
        return writeU32(this, value as number, addr, OBJECT)
      case 'i32':
        return writeI32(this, value as number, addr, OBJECT)
      case 'u64':
      case 'usize':
      case 'le64':
      case 'leSize':
        return writeU64(this, value as bigint, addr, OBJECT)
      case 'i64':
      case 'isize':
        return writeI64(this, value as bigint, addr, OBJECT)
    }
    const cursor = cursorOf(this)
    native.writeObj(toNative(this, cursor), type, value as never, addr)
  }
  return { readObj: readObj as Objects['readObj'], writeObj }
}
