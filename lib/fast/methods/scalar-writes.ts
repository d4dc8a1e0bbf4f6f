/**
 * Writes of one scalar. Each method is written out: the engine turns such a method into a few instructions, but one that is
 * told by an argument what to do it would not.
 *
 * A method looks at two windows: that of the last access, and that of the address's span. What is not in one of them, or not as
 * simple, is left to `writeElsewhere`, the one cold place: it is the only one to get `addr`, which the engine would otherwise box
 * in the hot ones. Each look has its answer within its own `if`, so that nothing has to be asked again behind it. Tracked memory
 * waits for the second look: its writes take longer than that, and methods stay short without it.
 */
import { isCalm as isCalmNow, keeps } from '../ends'
import { isI64 as fitsI64, isU64 as fitsU64, toNumber as numberOf } from '../finder'
import { writeObj, writeObj64 } from '../mailbox'
import { OBJECT as theObject } from '../natives'
import type { Cursor } from './cursor'
import type { Kind, Methods, ScalarType } from './kind'

// Taken out of the import, which would be looked up at each use.
const toNumber = numberOf
const isU64 = fitsU64
const isI64 = fitsI64
const OBJECT = theObject
const isCalm = isCalmNow

function fits(type: ScalarType, value: number | bigint): boolean {
  switch (type) {
    case 'u8':
      return typeof value === 'number' && (value & 0xff) === value
    case 'i8':
      return typeof value === 'number' && (value << 24) >> 24 === value
    case 'u16':
      return typeof value === 'number' && (value & 0xffff) === value
    case 'i16':
      return typeof value === 'number' && (value << 16) >> 16 === value
    case 'u32':
      return typeof value === 'number' && value >>> 0 === value
    case 'i32':
      return typeof value === 'number' && (value | 0) === value
    case 'u64':
      return typeof value === 'bigint' && isU64(value)
    case 'i64':
      return typeof value === 'bigint' && isI64(value)
  }
}

// A value that does not fit is left to the native method, which refuses it.
export function scalarWrites({ native, toNative, cursorOf }: Kind): Pick<Methods, `write${Uppercase<ScalarType>}`> {
  /**
   * Writes a scalar where no look has found it: in a window that is to be found or opened, or by the mailbox; all else is the
   * native method's. One function for all types, and so longer than what the engine puts in place of a call (460 bytes of its
   * code). A short one it does put in place once a program's first writes have come here, and then the method is too long for
   * its callers: each has to call it, with the address boxed. A u8 among 8 regions took 30 ns then, not 16 (Node.js 26).
   */
  function writeElsewhere(
    type: ScalarType,
    size: number,
    object: object,
    cursor: Cursor,
    value: number | bigint,
    addr: unknown,
    caller: unknown,
  ): void {
    const isFit = fits(type, value)
    const offset = isFit ? cursor.locate(addr, size) : -1
    if (offset >= 0) {
      const { window } = cursor
      const { view } = window
      let isWritten = true
      if (window.isTracked) {
        isWritten =
          size === 8 ? window.write64(offset, size, value as bigint) : window.write(offset, size, value as number)
      } else {
        switch (type) {
          case 'u8':
            view.setUint8(offset, value as number)
            break
          case 'i8':
            view.setInt8(offset, value as number)
            break
          case 'u16':
            view.setUint16(offset, value as number, true)
            break
          case 'i16':
            view.setInt16(offset, value as number, true)
            break
          case 'u32':
            view.setUint32(offset, value as number, true)
            break
          case 'i32':
            view.setInt32(offset, value as number, true)
            break
          case 'u64':
            view.setBigUint64(offset, value as bigint, true)
            break
          case 'i64':
            view.setBigInt64(offset, value as bigint, true)
            break
        }
      }
      if (isWritten && (isCalm() || keeps(window, cursor, offset, size))) return
    }
    if (isFit) {
      const { number } = cursor
      if (size === 8 ? writeObj64(number, value as bigint, addr) : writeObj(number, size, value as number, addr)) return
    }
    const receiver = toNative(object, cursor)
    if (caller === OBJECT) return native.writeObj(receiver, type, value, addr)
    switch (type) {
      case 'u8':
        return native.writeU8(receiver, value as number, addr)
      case 'i8':
        return native.writeI8(receiver, value as number, addr)
      case 'u16':
        return native.writeU16(receiver, value as number, addr)
      case 'i16':
        return native.writeI16(receiver, value as number, addr)
      case 'u32':
        return native.writeU32(receiver, value as number, addr)
      case 'i32':
        return native.writeI32(receiver, value as number, addr)
      case 'u64':
        return native.writeU64(receiver, value as bigint, addr)
      case 'i64':
        return native.writeI64(receiver, value as bigint, addr)
    }
  }

  return {
    writeU8(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value & 0xff) === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit1 && !window.isTracked) {
          window.view.setUint8(offset, value)
          if (isCalm() || keeps(window, cursor, offset, 1)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit1) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write(offset, 1, value) && (isCalm() || keeps(window, cursor, offset, 1))) return
          } else {
            window.view.setUint8(offset, value)
            if (isCalm() || keeps(window, cursor, offset, 1)) return
          }
        }
      }
      writeElsewhere('u8', 1, this, cursor, value, addr, caller)
    },
    writeI8(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value << 24) >> 24 === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit1 && !window.isTracked) {
          window.view.setInt8(offset, value)
          if (isCalm() || keeps(window, cursor, offset, 1)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit1) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write(offset, 1, value) && (isCalm() || keeps(window, cursor, offset, 1))) return
          } else {
            window.view.setInt8(offset, value)
            if (isCalm() || keeps(window, cursor, offset, 1)) return
          }
        }
      }
      writeElsewhere('i8', 1, this, cursor, value, addr, caller)
    },
    writeU16(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value & 0xffff) === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit2 && !window.isTracked) {
          window.view.setUint16(offset, value, true)
          if (isCalm() || keeps(window, cursor, offset, 2)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit2) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write(offset, 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
          } else {
            window.view.setUint16(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 2)) return
          }
        }
      }
      writeElsewhere('u16', 2, this, cursor, value, addr, caller)
    },
    writeI16(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value << 16) >> 16 === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit2 && !window.isTracked) {
          window.view.setInt16(offset, value, true)
          if (isCalm() || keeps(window, cursor, offset, 2)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit2) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write(offset, 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
          } else {
            window.view.setInt16(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 2)) return
          }
        }
      }
      writeElsewhere('i16', 2, this, cursor, value, addr, caller)
    },
    writeU32(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && value >>> 0 === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit4 && !window.isTracked) {
          window.view.setUint32(offset, value, true)
          if (isCalm() || keeps(window, cursor, offset, 4)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit4) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write(offset, 4, value) && (isCalm() || keeps(window, cursor, offset, 4))) return
          } else {
            window.view.setUint32(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 4)) return
          }
        }
      }
      writeElsewhere('u32', 4, this, cursor, value, addr, caller)
    },
    writeI32(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value | 0) === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit4 && !window.isTracked) {
          window.view.setInt32(offset, value, true)
          if (isCalm() || keeps(window, cursor, offset, 4)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit4) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write(offset, 4, value) && (isCalm() || keeps(window, cursor, offset, 4))) return
          } else {
            window.view.setInt32(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 4)) return
          }
        }
      }
      writeElsewhere('i32', 4, this, cursor, value, addr, caller)
    },
    writeU64(this: object, value: number | bigint, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'bigint' && isU64(value)) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit8 && (offset & 7) === 0 && !window.isTracked) {
          window.u64[offset >>> 3] = value
          if (isCalm() || keeps(window, cursor, offset, 8)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit8 && (offset & 7) === 0) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write64(offset, 8, value) && (isCalm() || keeps(window, cursor, offset, 8))) return
          } else {
            window.u64[offset >>> 3] = value
            if (isCalm() || keeps(window, cursor, offset, 8)) return
          }
        }
      }
      writeElsewhere('u64', 8, this, cursor, value, addr, caller)
    },
    writeI64(this: object, value: number | bigint, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'bigint' && isI64(value)) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit8 && (offset & 7) === 0 && !window.isTracked) {
          window.i64[offset >>> 3] = value
          if (isCalm() || keeps(window, cursor, offset, 8)) return
        }
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
        if (offset === distance && offset <= window.limit8 && (offset & 7) === 0) {
          cursor.window = window
          if (window.isTracked) {
            if (window.write64(offset, 8, value) && (isCalm() || keeps(window, cursor, offset, 8))) return
          } else {
            window.i64[offset >>> 3] = value
            if (isCalm() || keeps(window, cursor, offset, 8)) return
          }
        }
      }
      writeElsewhere('i64', 8, this, cursor, value, addr, caller)
    },
  }
}
