/**
 * Reads of one scalar. Each method is written out: the engine turns such a method into a few instructions, but one that is
 * told by an argument what to do it would not.
 *
 * A method looks at two windows: that of the last access, and that of the address's span. What is not in one of them is left to
 * `readElsewhere`, the one cold place: it is the only one to get `addr`, which the engine would otherwise box in the hot ones.
 * Each look has its answer within its own `if`, so that nothing has to be asked again behind it.
 */
import { isCalm as isCalmNow, stays } from '../ends'
import { toNumber as numberOf } from '../finder'
import { low, readObj, signed64, unsigned64 } from '../mailbox'
import { OBJECT as theObject } from '../natives'
import type { Cursor } from './cursor'
import type { Kind, Methods, ScalarType } from './kind'

// Taken out of the import, which would be looked up at each use.
const toNumber = numberOf
const OBJECT = theObject
const isCalm = isCalmNow

export function scalarReads({ native, toNative, cursorOf }: Kind): Pick<Methods, `read${Uppercase<ScalarType>}`> {
  /**
   * Reads a scalar that no look has found: in a window that is to be found or opened, or by the mailbox; all else is the native
   * method's. One function for all types, as `writeElsewhere` is, which tells why.
   */
  function readElsewhere(
    type: ScalarType,
    size: number,
    object: object,
    cursor: Cursor,
    addr: unknown,
    caller: unknown,
  ): number | bigint {
    const offset = cursor.locate(addr, size)
    if (offset >= 0) {
      const { window } = cursor
      const { view } = window
      let value: number | bigint
      switch (type) {
        case 'u8':
          value = view.getUint8(offset)
          break
        case 'i8':
          value = view.getInt8(offset)
          break
        case 'u16':
          value = view.getUint16(offset, true)
          break
        case 'i16':
          value = view.getInt16(offset, true)
          break
        case 'u32':
          value = view.getUint32(offset, true)
          break
        case 'i32':
          value = view.getInt32(offset, true)
          break
        case 'u64':
          value = view.getBigUint64(offset, true)
          break
        case 'i64':
          value = view.getBigInt64(offset, true)
          break
      }
      if (isCalm() || stays(window)) return value
    }
    if (readObj(cursor.number, size, addr)) {
      switch (type) {
        case 'i8':
          return (low() << 24) >> 24
        case 'i16':
          return (low() << 16) >> 16
        case 'i32':
          return low() | 0
        case 'u64':
          return unsigned64()
        case 'i64':
          return signed64()
        default:
          return low()
      }
    }
    const receiver = toNative(object, cursor)
    if (caller === OBJECT) return native.readObj(receiver, type, addr) as number | bigint
    switch (type) {
      case 'u8':
        return native.readU8(receiver, addr)
      case 'i8':
        return native.readI8(receiver, addr)
      case 'u16':
        return native.readU16(receiver, addr)
      case 'i16':
        return native.readI16(receiver, addr)
      case 'u32':
        return native.readU32(receiver, addr)
      case 'i32':
        return native.readI32(receiver, addr)
      case 'u64':
        return native.readU64(receiver, addr)
      case 'i64':
        return native.readI64(receiver, addr)
    }
  }

  return {
    readU8(this: object, addr: unknown, caller?: unknown): number {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit1) {
        const value = window.view.getUint8(offset)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit1) {
        cursor.window = window
        const value = window.view.getUint8(offset)
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('u8', 1, this, cursor, addr, caller) as number
    },
    readI8(this: object, addr: unknown, caller?: unknown): number {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit1) {
        const value = window.view.getInt8(offset)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit1) {
        cursor.window = window
        const value = window.view.getInt8(offset)
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('i8', 1, this, cursor, addr, caller) as number
    },
    readU16(this: object, addr: unknown, caller?: unknown): number {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit2) {
        const value = window.view.getUint16(offset, true)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit2) {
        cursor.window = window
        const value = window.view.getUint16(offset, true)
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('u16', 2, this, cursor, addr, caller) as number
    },
    readI16(this: object, addr: unknown, caller?: unknown): number {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit2) {
        const value = window.view.getInt16(offset, true)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit2) {
        cursor.window = window
        const value = window.view.getInt16(offset, true)
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('i16', 2, this, cursor, addr, caller) as number
    },
    readU32(this: object, addr: unknown, caller?: unknown): number {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit4) {
        const value = window.view.getUint32(offset, true)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit4) {
        cursor.window = window
        const value = window.view.getUint32(offset, true)
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('u32', 4, this, cursor, addr, caller) as number
    },
    readI32(this: object, addr: unknown, caller?: unknown): number {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit4) {
        const value = window.view.getInt32(offset, true)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit4) {
        cursor.window = window
        const value = window.view.getInt32(offset, true)
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('i32', 4, this, cursor, addr, caller) as number
    },
    readU64(this: object, addr: unknown, caller?: unknown): bigint {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit8 && (offset & 7) === 0) {
        const value = window.u64[offset >>> 3] as bigint
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit8 && (offset & 7) === 0) {
        cursor.window = window
        const value = window.u64[offset >>> 3] as bigint
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('u64', 8, this, cursor, addr, caller) as bigint
    },
    readI64(this: object, addr: unknown, caller?: unknown): bigint {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit8 && (offset & 7) === 0) {
        const value = window.i64[offset >>> 3] as bigint
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit8 && (offset & 7) === 0) {
        cursor.window = window
        const value = window.i64[offset >>> 3] as bigint
        if (isCalm() || stays(window)) return value
      }
      return readElsewhere('i64', 8, this, cursor, addr, caller) as bigint
    },
  }
}
