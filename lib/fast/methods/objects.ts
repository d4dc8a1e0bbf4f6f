/** `readObj` and `writeObj`: of one scalar by the methods for scalars, of a big-endian one by the view. */
import type * as VmMemory from '../../../index'
import { arrayMethods } from './arrays'
import type { Kind, Methods } from './kind'

type Objects = Pick<Methods, 'readObj' | 'writeObj'>

export function objectMethods(kind: Kind, scalars: Partial<Methods>): Objects {
  const { native, toNative, cursorOf } = kind
  const { readArray, writeArray } = arrayMethods(kind)
  const { readU8, readI8, readU16, readI16, readU32, readI32, readU64, readI64 } = scalars as Methods
  const { writeU8, writeI8, writeU16, writeI16, writeU32, writeI32, writeU64, writeI64 } = scalars as Methods

  function readObj(
    this: object,
    type: VmMemory.ByteValued,
    addr: unknown,
  ): number | bigint | ArrayLike<number | bigint> {
    switch (type) {
      case 'u8':
        return readU8.call(this, addr)
      case 'i8':
        return readI8.call(this, addr)
      case 'u16':
      case 'le16':
        return readU16.call(this, addr)
      case 'i16':
        return readI16.call(this, addr)
      case 'u32':
      case 'le32':
        return readU32.call(this, addr)
      case 'i32':
        return readI32.call(this, addr)
      case 'u64':
      case 'usize':
      case 'le64':
      case 'leSize':
        return readU64.call(this, addr)
      case 'i64':
      case 'isize':
        return readI64.call(this, addr)
    }
    const size = type === 'be16' ? 2 : type === 'be32' ? 4 : type === 'be64' || type === 'beSize' ? 8 : 0
    if (size === 0) return readArray(this, type, addr)
    const cursor = cursorOf(this)
    const offset = cursor.locate(addr, size)
    if (offset < 0) return native.readObj.call(toNative(this), type, addr)
    const { view } = cursor.window
    return size === 2 ? view.getUint16(offset) : size === 4 ? view.getUint32(offset) : view.getBigUint64(offset)
  }

  function writeObj(this: object, type: VmMemory.ByteValued, value: unknown, addr: unknown): void {
    switch (type) {
      case 'u8':
        return writeU8.call(this, value as number, addr)
      case 'i8':
        return writeI8.call(this, value as number, addr)
      case 'u16':
      case 'le16':
        return writeU16.call(this, value as number, addr)
      case 'i16':
        return writeI16.call(this, value as number, addr)
      case 'u32':
      case 'le32':
        return writeU32.call(this, value as number, addr)
      case 'i32':
        return writeI32.call(this, value as number, addr)
      case 'u64':
      case 'usize':
      case 'le64':
      case 'leSize':
        return writeU64.call(this, value as bigint, addr)
      case 'i64':
      case 'isize':
        return writeI64.call(this, value as bigint, addr)
      default:
        return writeArray(this, type, value, addr)
    }
  }
  return { readObj: readObj as Objects['readObj'], writeObj }
}
