/**
 * Reads and writes of one scalar. Each method is written out: the engine turns such a method into a few instructions, but
 * one that is told by an argument what to do it would not.
 */
import * as intrinsics from '../intrinsics'
import type { Kind, Methods } from './kind'

type ScalarName = 'U8' | 'I8' | 'U16' | 'I16' | 'U32' | 'I32' | 'U64' | 'I64'
type Scalars = Pick<Methods, `read${ScalarName}` | `write${ScalarName}`>

// Taken out of the import, which would be looked up at each use.
const { asIntN, asUintN } = intrinsics

export function scalarMethods({ native, toNative, cursorOf }: Kind): Scalars {
  function slow<A extends unknown[], R>(method: (...args: A) => R, object: object, ...args: A): R {
    return method.apply(toNative(object), args)
  }

  return {
    readU8(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 1)
      return offset < 0 ? slow(native.readU8, this, addr) : cursor.window.view.getUint8(offset)
    },
    readI8(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 1)
      return offset < 0 ? slow(native.readI8, this, addr) : cursor.window.view.getInt8(offset)
    },
    readU16(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 2)
      return offset < 0 ? slow(native.readU16, this, addr) : cursor.window.view.getUint16(offset, true)
    },
    readI16(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 2)
      return offset < 0 ? slow(native.readI16, this, addr) : cursor.window.view.getInt16(offset, true)
    },
    readU32(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 4)
      return offset < 0 ? slow(native.readU32, this, addr) : cursor.window.view.getUint32(offset, true)
    },
    readI32(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 4)
      return offset < 0 ? slow(native.readI32, this, addr) : cursor.window.view.getInt32(offset, true)
    },
    readU64(this: object, addr: unknown): bigint {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 8)
      return offset < 0 ? slow(native.readU64, this, addr) : cursor.window.view.getBigUint64(offset, true)
    },
    readI64(this: object, addr: unknown): bigint {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 8)
      return offset < 0 ? slow(native.readI64, this, addr) : cursor.window.view.getBigInt64(offset, true)
    },

    // A value that does not fit is left to the native method, which refuses it.
    writeU8(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value & 0xff) === value ? cursor.locate(addr, 1) : -1
      if (offset < 0) return slow(native.writeU8, this, value, addr)
      cursor.window.view.setUint8(offset, value)
      cursor.window.markDirty(offset, 1)
    },
    writeI8(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value << 24) >> 24 === value ? cursor.locate(addr, 1) : -1
      if (offset < 0) return slow(native.writeI8, this, value, addr)
      cursor.window.view.setInt8(offset, value)
      cursor.window.markDirty(offset, 1)
    },
    writeU16(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value & 0xffff) === value ? cursor.locate(addr, 2) : -1
      if (offset < 0) return slow(native.writeU16, this, value, addr)
      cursor.window.view.setUint16(offset, value, true)
      cursor.window.markDirty(offset, 2)
    },
    writeI16(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value << 16) >> 16 === value ? cursor.locate(addr, 2) : -1
      if (offset < 0) return slow(native.writeI16, this, value, addr)
      cursor.window.view.setInt16(offset, value, true)
      cursor.window.markDirty(offset, 2)
    },
    writeU32(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && value >>> 0 === value ? cursor.locate(addr, 4) : -1
      if (offset < 0) return slow(native.writeU32, this, value, addr)
      cursor.window.view.setUint32(offset, value, true)
      cursor.window.markDirty(offset, 4)
    },
    writeI32(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value | 0) === value ? cursor.locate(addr, 4) : -1
      if (offset < 0) return slow(native.writeI32, this, value, addr)
      cursor.window.view.setInt32(offset, value, true)
      cursor.window.markDirty(offset, 4)
    },
    writeU64(this: object, value: number | bigint, addr: unknown): void {
      const cursor = cursorOf(this)
      const fits = typeof value === 'bigint' && asUintN(64, value) === value
      const offset = fits ? cursor.locate(addr, 8) : -1
      if (offset < 0) return slow(native.writeU64, this, value, addr)
      cursor.window.view.setBigUint64(offset, value as bigint, true)
      cursor.window.markDirty(offset, 8)
    },
    writeI64(this: object, value: number | bigint, addr: unknown): void {
      const cursor = cursorOf(this)
      const fits = typeof value === 'bigint' && asIntN(64, value) === value
      const offset = fits ? cursor.locate(addr, 8) : -1
      if (offset < 0) return slow(native.writeI64, this, value, addr)
      cursor.window.view.setBigInt64(offset, value as bigint, true)
      cursor.window.markDirty(offset, 8)
    },
  }
}
