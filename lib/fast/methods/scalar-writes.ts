/**
 * Writes of one scalar. Each method is written out: the engine turns such a method into a few instructions, but one that is
 * told by an argument what to do it would not.
 *
 * A method looks at two windows: that of the last access, and that of the address's span. What is not in one of them is left to a
 * function of the same name, the one cold place: it is the only one to get `addr`, which the engine would otherwise box in
 * the hot ones. Each look has its answer within its own `if`, so that nothing has to be asked again behind it.
 */
import { isCalm as isCalmNow, keeps } from '../ends'
import { isI64 as fitsI64, isU64 as fitsU64, toNumber as numberOf } from '../finder'
import { writeObj, writeObj64 } from '../mailbox'
import { OBJECT as theObject } from '../natives'
import type { Cursor } from './cursor'
import type { Kind, Methods } from './kind'

type ScalarName = 'U8' | 'I8' | 'U16' | 'I16' | 'U32' | 'I32' | 'U64' | 'I64'

// Taken out of the import, which would be looked up at each use.
const toNumber = numberOf
const isU64 = fitsU64
const isI64 = fitsI64
const OBJECT = theObject
const isCalm = isCalmNow

// A value that does not fit is left to the native method, which refuses it.
export function scalarWrites({ native, toNative, cursorOf }: Kind): Pick<Methods, `write${ScalarName}`> {
  function writeU8(object: object, cursor: Cursor, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value & 0xff) === value
    const offset = fits ? cursor.locate(addr, 1) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write(offset, 1, value) && (isCalm() || keeps(window, cursor, offset, 1))) return
      } else {
        window.view.setUint8(offset, value)
        if (isCalm() || keeps(window, cursor, offset, 1)) return
      }
    }
    if (fits && writeObj(cursor.number, 1, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'u8', value, addr)
      : native.writeU8(toNative(object, cursor), value, addr)
  }
  function writeI8(object: object, cursor: Cursor, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value << 24) >> 24 === value
    const offset = fits ? cursor.locate(addr, 1) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write(offset, 1, value) && (isCalm() || keeps(window, cursor, offset, 1))) return
      } else {
        window.view.setInt8(offset, value)
        if (isCalm() || keeps(window, cursor, offset, 1)) return
      }
    }
    if (fits && writeObj(cursor.number, 1, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'i8', value, addr)
      : native.writeI8(toNative(object, cursor), value, addr)
  }
  function writeU16(object: object, cursor: Cursor, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value & 0xffff) === value
    const offset = fits ? cursor.locate(addr, 2) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write(offset, 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
      } else {
        window.view.setUint16(offset, value, true)
        if (isCalm() || keeps(window, cursor, offset, 2)) return
      }
    }
    if (fits && writeObj(cursor.number, 2, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'u16', value, addr)
      : native.writeU16(toNative(object, cursor), value, addr)
  }
  function writeI16(object: object, cursor: Cursor, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value << 16) >> 16 === value
    const offset = fits ? cursor.locate(addr, 2) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write(offset, 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
      } else {
        window.view.setInt16(offset, value, true)
        if (isCalm() || keeps(window, cursor, offset, 2)) return
      }
    }
    if (fits && writeObj(cursor.number, 2, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'i16', value, addr)
      : native.writeI16(toNative(object, cursor), value, addr)
  }
  function writeU32(object: object, cursor: Cursor, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && value >>> 0 === value
    const offset = fits ? cursor.locate(addr, 4) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write(offset, 4, value) && (isCalm() || keeps(window, cursor, offset, 4))) return
      } else {
        window.view.setUint32(offset, value, true)
        if (isCalm() || keeps(window, cursor, offset, 4)) return
      }
    }
    if (fits && writeObj(cursor.number, 4, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'u32', value, addr)
      : native.writeU32(toNative(object, cursor), value, addr)
  }
  function writeI32(object: object, cursor: Cursor, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value | 0) === value
    const offset = fits ? cursor.locate(addr, 4) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write(offset, 4, value) && (isCalm() || keeps(window, cursor, offset, 4))) return
      } else {
        window.view.setInt32(offset, value, true)
        if (isCalm() || keeps(window, cursor, offset, 4)) return
      }
    }
    if (fits && writeObj(cursor.number, 4, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'i32', value, addr)
      : native.writeI32(toNative(object, cursor), value, addr)
  }
  function writeU64(object: object, cursor: Cursor, value: number | bigint, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'bigint' && isU64(value)
    const offset = fits ? cursor.locate(addr, 8) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write64(offset, 8, value as bigint) && (isCalm() || keeps(window, cursor, offset, 8))) return
      } else {
        window.view.setBigUint64(offset, value as bigint, true)
        if (isCalm() || keeps(window, cursor, offset, 8)) return
      }
    }
    if (fits && writeObj64(cursor.number, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'u64', value, addr)
      : native.writeU64(toNative(object, cursor), value, addr)
  }
  function writeI64(object: object, cursor: Cursor, value: number | bigint, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'bigint' && isI64(value)
    const offset = fits ? cursor.locate(addr, 8) : -1
    if (offset >= 0) {
      const { window } = cursor
      if (window.isTracked) {
        if (window.write64(offset, 8, value as bigint) && (isCalm() || keeps(window, cursor, offset, 8))) return
      } else {
        window.view.setBigInt64(offset, value as bigint, true)
        if (isCalm() || keeps(window, cursor, offset, 8)) return
      }
    }
    if (fits && writeObj64(cursor.number, value, addr)) return
    return caller === OBJECT
      ? native.writeObj(toNative(object, cursor), 'i64', value, addr)
      : native.writeI64(toNative(object, cursor), value, addr)
  }

  return {
    writeU8(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value & 0xff) === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit1) {
          if (window.isTracked) {
            if (window.write(offset, 1, value) && (isCalm() || keeps(window, cursor, offset, 1))) return
          } else {
            window.view.setUint8(offset, value)
            if (isCalm() || keeps(window, cursor, offset, 1)) return
          }
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
      writeU8(this, cursor, value, addr, caller)
    },
    writeI8(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value << 24) >> 24 === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit1) {
          if (window.isTracked) {
            if (window.write(offset, 1, value) && (isCalm() || keeps(window, cursor, offset, 1))) return
          } else {
            window.view.setInt8(offset, value)
            if (isCalm() || keeps(window, cursor, offset, 1)) return
          }
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
      writeI8(this, cursor, value, addr, caller)
    },
    writeU16(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value & 0xffff) === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit2) {
          if (window.isTracked) {
            if (window.write(offset, 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
          } else {
            window.view.setUint16(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 2)) return
          }
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
      writeU16(this, cursor, value, addr, caller)
    },
    writeI16(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value << 16) >> 16 === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit2) {
          if (window.isTracked) {
            if (window.write(offset, 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
          } else {
            window.view.setInt16(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 2)) return
          }
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
      writeI16(this, cursor, value, addr, caller)
    },
    writeU32(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && value >>> 0 === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit4) {
          if (window.isTracked) {
            if (window.write(offset, 4, value) && (isCalm() || keeps(window, cursor, offset, 4))) return
          } else {
            window.view.setUint32(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 4)) return
          }
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
      writeU32(this, cursor, value, addr, caller)
    },
    writeI32(this: object, value: number, addr: unknown, caller?: unknown): void {
      const cursor = cursorOf(this)
      if (typeof value === 'number' && (value | 0) === value) {
        const address = typeof addr === 'number' ? addr : toNumber(addr)
        let { window } = cursor
        let distance = address - window.start
        let offset = distance >>> 0
        if (offset === distance && offset <= window.limit4) {
          if (window.isTracked) {
            if (window.write(offset, 4, value) && (isCalm() || keeps(window, cursor, offset, 4))) return
          } else {
            window.view.setInt32(offset, value, true)
            if (isCalm() || keeps(window, cursor, offset, 4)) return
          }
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
      writeI32(this, cursor, value, addr, caller)
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
        if (offset === distance && offset <= window.limit8 && (offset & 7) === 0 && !window.isTracked) {
          cursor.window = window
          window.u64[offset >>> 3] = value
          if (isCalm() || keeps(window, cursor, offset, 8)) return
        }
      }
      writeU64(this, cursor, value, addr, caller)
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
        if (offset === distance && offset <= window.limit8 && (offset & 7) === 0 && !window.isTracked) {
          cursor.window = window
          window.i64[offset >>> 3] = value
          if (isCalm() || keeps(window, cursor, offset, 8)) return
        }
      }
      writeI64(this, cursor, value, addr, caller)
    },
  }
}
