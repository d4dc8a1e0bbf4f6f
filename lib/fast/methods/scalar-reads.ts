/**
 * Reads of one scalar. Each method is written out: the engine turns such a method into a few instructions, but one that is
 * told by an argument what to do it would not.
 *
 * A method looks at two windows: that of the last access, and that of the address's span. What is not in one of them is left to a
 * function of the same name, the one cold place: it is the only one to get `addr`, which the engine would otherwise box in
 * the hot ones. Each look has its answer within its own `if`, so that nothing has to be asked again behind it.
 */
import { isCalm as isCalmNow, stays } from '../ends'
import { toNumber as numberOf } from '../finder'
import { low, readObj, signed64, unsigned64 } from '../mailbox'
import { OBJECT as theObject } from '../natives'
import type { Cursor } from './cursor'
import type { Kind, Methods } from './kind'

type ScalarName = 'U8' | 'I8' | 'U16' | 'I16' | 'U32' | 'I32' | 'U64' | 'I64'

// Taken out of the import, which would be looked up at each use.
const toNumber = numberOf
const OBJECT = theObject
const isCalm = isCalmNow

export function scalarReads({ native, toNative, cursorOf }: Kind): Pick<Methods, `read${ScalarName}`> {
  function readU8(object: object, cursor: Cursor, addr: unknown, caller: unknown): number {
    const offset = cursor.locate(addr, 1)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getUint8(offset)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 1, addr)
      ? low()
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'u8', addr) as number)
        : native.readU8(toNative(object, cursor), addr)
  }
  function readI8(object: object, cursor: Cursor, addr: unknown, caller: unknown): number {
    const offset = cursor.locate(addr, 1)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getInt8(offset)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 1, addr)
      ? (low() << 24) >> 24
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'i8', addr) as number)
        : native.readI8(toNative(object, cursor), addr)
  }
  function readU16(object: object, cursor: Cursor, addr: unknown, caller: unknown): number {
    const offset = cursor.locate(addr, 2)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getUint16(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 2, addr)
      ? low()
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'u16', addr) as number)
        : native.readU16(toNative(object, cursor), addr)
  }
  function readI16(object: object, cursor: Cursor, addr: unknown, caller: unknown): number {
    const offset = cursor.locate(addr, 2)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getInt16(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 2, addr)
      ? (low() << 16) >> 16
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'i16', addr) as number)
        : native.readI16(toNative(object, cursor), addr)
  }
  function readU32(object: object, cursor: Cursor, addr: unknown, caller: unknown): number {
    const offset = cursor.locate(addr, 4)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getUint32(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 4, addr)
      ? low()
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'u32', addr) as number)
        : native.readU32(toNative(object, cursor), addr)
  }
  function readI32(object: object, cursor: Cursor, addr: unknown, caller: unknown): number {
    const offset = cursor.locate(addr, 4)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getInt32(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 4, addr)
      ? low() | 0
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'i32', addr) as number)
        : native.readI32(toNative(object, cursor), addr)
  }
  function readU64(object: object, cursor: Cursor, addr: unknown, caller: unknown): bigint {
    const offset = cursor.locate(addr, 8)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getBigUint64(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 8, addr)
      ? unsigned64()
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'u64', addr) as bigint)
        : native.readU64(toNative(object, cursor), addr)
  }
  function readI64(object: object, cursor: Cursor, addr: unknown, caller: unknown): bigint {
    const offset = cursor.locate(addr, 8)
    if (offset >= 0) {
      const { window } = cursor
      const value = window.view.getBigInt64(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return readObj(cursor.number, 8, addr)
      ? signed64()
      : caller === OBJECT
        ? (native.readObj(toNative(object, cursor), 'i64', addr) as bigint)
        : native.readI64(toNative(object, cursor), addr)
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
      return readU8(this, cursor, addr, caller)
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
      return readI8(this, cursor, addr, caller)
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
      return readU16(this, cursor, addr, caller)
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
      return readI16(this, cursor, addr, caller)
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
      return readU32(this, cursor, addr, caller)
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
      return readI32(this, cursor, addr, caller)
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
      return readU64(this, cursor, addr, caller)
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
      return readI64(this, cursor, addr, caller)
    },
  }
}
