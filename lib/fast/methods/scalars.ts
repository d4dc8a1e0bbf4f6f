/**
 * Reads and writes of one scalar. Each method is written out: the engine turns such a method into a few instructions, but
 * one that is told by an argument what to do it would not.
 */
import * as intrinsics from '../../intrinsics'
import type { Kind, Methods } from './kind'

type ScalarName = 'U8' | 'I8' | 'U16' | 'I16' | 'U32' | 'I32' | 'U64' | 'I64'
type Scalars = Pick<Methods, `read${ScalarName}` | `write${ScalarName}`>

// Taken out of the import, which would be looked up at each use.
const { asIntN, asUintN } = intrinsics

export function scalarMethods({ native, toNative, cursorOf }: Kind): Scalars {
  return {
    readU8(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 1)
      return offset < 0 ? native.readU8(toNative(this, cursor), addr) : cursor.window.view.getUint8(offset)
    },
    readI8(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 1)
      return offset < 0 ? native.readI8(toNative(this, cursor), addr) : cursor.window.view.getInt8(offset)
    },
    readU16(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 2)
      return offset < 0 ? native.readU16(toNative(this, cursor), addr) : cursor.window.view.getUint16(offset, true)
    },
    readI16(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 2)
      return offset < 0 ? native.readI16(toNative(this, cursor), addr) : cursor.window.view.getInt16(offset, true)
    },
    readU32(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 4)
      return offset < 0 ? native.readU32(toNative(this, cursor), addr) : cursor.window.view.getUint32(offset, true)
    },
    readI32(this: object, addr: unknown): number {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 4)
      return offset < 0 ? native.readI32(toNative(this, cursor), addr) : cursor.window.view.getInt32(offset, true)
    },
    readU64(this: object, addr: unknown): bigint {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 8)
      return offset < 0 ? native.readU64(toNative(this, cursor), addr) : cursor.window.view.getBigUint64(offset, true)
    },
    readI64(this: object, addr: unknown): bigint {
      const cursor = cursorOf(this)
      const offset = cursor.locate(addr, 8)
      return offset < 0 ? native.readI64(toNative(this, cursor), addr) : cursor.window.view.getBigInt64(offset, true)
    },

    // A value that does not fit is left to the native method, which refuses it.
    writeU8(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value & 0xff) === value ? cursor.locate(addr, 1) : -1
      if (offset < 0) return native.writeU8(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write(offset, 1, value)
      else window.view.setUint8(offset, value)
    },
    writeI8(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value << 24) >> 24 === value ? cursor.locate(addr, 1) : -1
      if (offset < 0) return native.writeI8(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write(offset, 1, value)
      else window.view.setInt8(offset, value)
    },
    writeU16(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value & 0xffff) === value ? cursor.locate(addr, 2) : -1
      if (offset < 0) return native.writeU16(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write(offset, 2, value)
      else window.view.setUint16(offset, value, true)
    },
    writeI16(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value << 16) >> 16 === value ? cursor.locate(addr, 2) : -1
      if (offset < 0) return native.writeI16(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write(offset, 2, value)
      else window.view.setInt16(offset, value, true)
    },
    writeU32(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && value >>> 0 === value ? cursor.locate(addr, 4) : -1
      if (offset < 0) return native.writeU32(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write(offset, 4, value)
      else window.view.setUint32(offset, value, true)
    },
    writeI32(this: object, value: number, addr: unknown): void {
      const cursor = cursorOf(this)
      const offset = typeof value === 'number' && (value | 0) === value ? cursor.locate(addr, 4) : -1
      if (offset < 0) return native.writeI32(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write(offset, 4, value)
      else window.view.setInt32(offset, value, true)
    },
    writeU64(this: object, value: number | bigint, addr: unknown): void {
      const cursor = cursorOf(this)
      const fits = typeof value === 'bigint' && asUintN(64, value) === value
      const offset = fits ? cursor.locate(addr, 8) : -1
      if (offset < 0) return native.writeU64(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write64(offset, 8, value as bigint)
      else window.view.setBigUint64(offset, value as bigint, true)
    },
    writeI64(this: object, value: number | bigint, addr: unknown): void {
      const cursor = cursorOf(this)
      const fits = typeof value === 'bigint' && asIntN(64, value) === value
      const offset = fits ? cursor.locate(addr, 8) : -1
      if (offset < 0) return native.writeI64(toNative(this, cursor), value, addr)
      const { window } = cursor
      if (window.isTracked) window.write64(offset, 8, value as bigint)
      else window.view.setBigInt64(offset, value as bigint, true)
    },
  }
}
