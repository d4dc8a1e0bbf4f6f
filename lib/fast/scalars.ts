/**
 * Reads and writes of one scalar. Each method is written out: the engine turns such a method into a few instructions, but
 * one that is told by an argument what to do it would not.
 */
import { NO_ACCESS, type Window } from './access'
import { Anchor } from './anchor'
import type { Kind, Methods } from './kind'

type ScalarName = 'U8' | 'I8' | 'U16' | 'I16' | 'U32' | 'I32' | 'U64' | 'I64'
type Scalars = Pick<Methods, `read${ScalarName}` | `write${ScalarName}`>

// As they are now: somebody may replace them.
const { asIntN, asUintN } = BigInt

/** Located windows are open. */
const viewOf = (window: Window): DataView => window.view as DataView

export function scalarMethods({ native, enter }: Kind): Scalars {
  return {
    readU8(this: object, addr: unknown): number {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 1)
      return offset < 0 ? native.readU8.call(enter(this), addr) : viewOf(access.window).getUint8(offset)
    },
    readI8(this: object, addr: unknown): number {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 1)
      return offset < 0 ? native.readI8.call(enter(this), addr) : viewOf(access.window).getInt8(offset)
    },
    readU16(this: object, addr: unknown): number {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 2)
      return offset < 0 ? native.readU16.call(enter(this), addr) : viewOf(access.window).getUint16(offset, true)
    },
    readI16(this: object, addr: unknown): number {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 2)
      return offset < 0 ? native.readI16.call(enter(this), addr) : viewOf(access.window).getInt16(offset, true)
    },
    readU32(this: object, addr: unknown): number {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 4)
      return offset < 0 ? native.readU32.call(enter(this), addr) : viewOf(access.window).getUint32(offset, true)
    },
    readI32(this: object, addr: unknown): number {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 4)
      return offset < 0 ? native.readI32.call(enter(this), addr) : viewOf(access.window).getInt32(offset, true)
    },
    readU64(this: object, addr: unknown): bigint {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 8)
      return offset < 0 ? native.readU64.call(enter(this), addr) : viewOf(access.window).getBigUint64(offset, true)
    },
    readI64(this: object, addr: unknown): bigint {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = access.locate(addr, 8)
      return offset < 0 ? native.readI64.call(enter(this), addr) : viewOf(access.window).getBigInt64(offset, true)
    },

    // A value that does not fit is left to the native method, which refuses it.
    writeU8(this: object, value: number, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = typeof value === 'number' && (value & 0xff) === value ? access.locate(addr, 1) : -1
      if (offset < 0) return native.writeU8.call(enter(this), value, addr)
      viewOf(access.window).setUint8(offset, value)
      access.window.markDirty(offset, 1)
    },
    writeI8(this: object, value: number, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = typeof value === 'number' && (value << 24) >> 24 === value ? access.locate(addr, 1) : -1
      if (offset < 0) return native.writeI8.call(enter(this), value, addr)
      viewOf(access.window).setInt8(offset, value)
      access.window.markDirty(offset, 1)
    },
    writeU16(this: object, value: number, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = typeof value === 'number' && (value & 0xffff) === value ? access.locate(addr, 2) : -1
      if (offset < 0) return native.writeU16.call(enter(this), value, addr)
      viewOf(access.window).setUint16(offset, value, true)
      access.window.markDirty(offset, 2)
    },
    writeI16(this: object, value: number, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = typeof value === 'number' && (value << 16) >> 16 === value ? access.locate(addr, 2) : -1
      if (offset < 0) return native.writeI16.call(enter(this), value, addr)
      viewOf(access.window).setInt16(offset, value, true)
      access.window.markDirty(offset, 2)
    },
    writeU32(this: object, value: number, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = typeof value === 'number' && value >>> 0 === value ? access.locate(addr, 4) : -1
      if (offset < 0) return native.writeU32.call(enter(this), value, addr)
      viewOf(access.window).setUint32(offset, value, true)
      access.window.markDirty(offset, 4)
    },
    writeI32(this: object, value: number, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const offset = typeof value === 'number' && (value | 0) === value ? access.locate(addr, 4) : -1
      if (offset < 0) return native.writeI32.call(enter(this), value, addr)
      viewOf(access.window).setInt32(offset, value, true)
      access.window.markDirty(offset, 4)
    },
    writeU64(this: object, value: number | bigint, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const fits = typeof value === 'bigint' && asUintN(64, value) === value
      const offset = fits ? access.locate(addr, 8) : -1
      if (offset < 0) return native.writeU64.call(enter(this), value, addr)
      viewOf(access.window).setBigUint64(offset, value as bigint, true)
      access.window.markDirty(offset, 8)
    },
    writeI64(this: object, value: number | bigint, addr: unknown): void {
      const access = Anchor.access(this) ?? NO_ACCESS
      const fits = typeof value === 'bigint' && asIntN(64, value) === value
      const offset = fits ? access.locate(addr, 8) : -1
      if (offset < 0) return native.writeI64.call(enter(this), value, addr)
      viewOf(access.window).setBigInt64(offset, value as bigint, true)
      access.window.markDirty(offset, 8)
    },
  }
}
