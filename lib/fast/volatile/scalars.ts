/**
 * Reads and writes of one scalar of a slice. Each method is written out, as those of maps and regions are. A function of the same
 * name is the cold place: it looks for the memory, and leaves the rest to the native method.
 */
import type * as VmMemory from '../../../index'
import * as intrinsics from '../../intrinsics'
import { isCalm as isCalmNow, keeps, stays } from '../ends'
import { toNumber as numberOf } from '../finder'
import type { Kind, Methods, ScalarType } from '../methods/kind'
import { OBJECT as theObject } from '../natives'
import type { Place } from '../places/place'

type Scalars = Pick<Methods, `${'read' | 'write'}${Uppercase<ScalarType>}`>

// Taken out of the import, which would be looked up at each use.
const { asIntN, asUintN } = intrinsics
const toNumber = numberOf
const OBJECT = theObject
const isCalm = isCalmNow

export function scalarMethods({ native, toNative, cursorOf: placeOf }: Kind<Methods, Place>): Scalars {
  function readU8(object: object, place: Place, addr: unknown, caller: unknown): number {
    const offset = place.locate(addr, 1)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getUint8(offset)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'u8', addr as VmMemory.U64) as number)
      : native.readU8(toNative(object, place), addr as VmMemory.U64)
  }
  function readI8(object: object, place: Place, addr: unknown, caller: unknown): number {
    const offset = place.locate(addr, 1)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getInt8(offset)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'i8', addr as VmMemory.U64) as number)
      : native.readI8(toNative(object, place), addr as VmMemory.U64)
  }
  function readU16(object: object, place: Place, addr: unknown, caller: unknown): number {
    const offset = place.locate(addr, 2)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getUint16(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'u16', addr as VmMemory.U64) as number)
      : native.readU16(toNative(object, place), addr as VmMemory.U64)
  }
  function readI16(object: object, place: Place, addr: unknown, caller: unknown): number {
    const offset = place.locate(addr, 2)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getInt16(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'i16', addr as VmMemory.U64) as number)
      : native.readI16(toNative(object, place), addr as VmMemory.U64)
  }
  function readU32(object: object, place: Place, addr: unknown, caller: unknown): number {
    const offset = place.locate(addr, 4)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getUint32(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'u32', addr as VmMemory.U64) as number)
      : native.readU32(toNative(object, place), addr as VmMemory.U64)
  }
  function readI32(object: object, place: Place, addr: unknown, caller: unknown): number {
    const offset = place.locate(addr, 4)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getInt32(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'i32', addr as VmMemory.U64) as number)
      : native.readI32(toNative(object, place), addr as VmMemory.U64)
  }
  function readU64(object: object, place: Place, addr: unknown, caller: unknown): bigint {
    const offset = place.locate(addr, 8)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getBigUint64(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'u64', addr as VmMemory.U64) as bigint)
      : native.readU64(toNative(object, place), addr as VmMemory.U64)
  }
  function readI64(object: object, place: Place, addr: unknown, caller: unknown): bigint {
    const offset = place.locate(addr, 8)
    if (offset >= 0) {
      const { window } = place
      const value = window.view.getBigInt64(offset, true)
      if (isCalm() || stays(window)) return value
    }
    return caller === OBJECT
      ? (native.readObj(toNative(object, place), 'i64', addr as VmMemory.U64) as bigint)
      : native.readI64(toNative(object, place), addr as VmMemory.U64)
  }
  function writeU8(object: object, place: Place, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value & 0xff) === value
    const offset = fits ? place.locate(addr, 1) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write(offset, 1, value) && (isCalm() || keeps(window, place, offset, 1))) return
      } else {
        window.view.setUint8(offset, value)
        if (isCalm() || keeps(window, place, offset, 1)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'u8', value, addr as VmMemory.U64)
      : native.writeU8(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeI8(object: object, place: Place, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value << 24) >> 24 === value
    const offset = fits ? place.locate(addr, 1) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write(offset, 1, value) && (isCalm() || keeps(window, place, offset, 1))) return
      } else {
        window.view.setInt8(offset, value)
        if (isCalm() || keeps(window, place, offset, 1)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'i8', value, addr as VmMemory.U64)
      : native.writeI8(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeU16(object: object, place: Place, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value & 0xffff) === value
    const offset = fits ? place.locate(addr, 2) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write(offset, 2, value) && (isCalm() || keeps(window, place, offset, 2))) return
      } else {
        window.view.setUint16(offset, value, true)
        if (isCalm() || keeps(window, place, offset, 2)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'u16', value, addr as VmMemory.U64)
      : native.writeU16(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeI16(object: object, place: Place, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value << 16) >> 16 === value
    const offset = fits ? place.locate(addr, 2) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write(offset, 2, value) && (isCalm() || keeps(window, place, offset, 2))) return
      } else {
        window.view.setInt16(offset, value, true)
        if (isCalm() || keeps(window, place, offset, 2)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'i16', value, addr as VmMemory.U64)
      : native.writeI16(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeU32(object: object, place: Place, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && value >>> 0 === value
    const offset = fits ? place.locate(addr, 4) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write(offset, 4, value) && (isCalm() || keeps(window, place, offset, 4))) return
      } else {
        window.view.setUint32(offset, value, true)
        if (isCalm() || keeps(window, place, offset, 4)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'u32', value, addr as VmMemory.U64)
      : native.writeU32(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeI32(object: object, place: Place, value: number, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'number' && (value | 0) === value
    const offset = fits ? place.locate(addr, 4) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write(offset, 4, value) && (isCalm() || keeps(window, place, offset, 4))) return
      } else {
        window.view.setInt32(offset, value, true)
        if (isCalm() || keeps(window, place, offset, 4)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'i32', value, addr as VmMemory.U64)
      : native.writeI32(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeU64(object: object, place: Place, value: number | bigint, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'bigint' && asUintN(64, value) === value
    const offset = fits ? place.locate(addr, 8) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write64(offset, 8, value as bigint) && (isCalm() || keeps(window, place, offset, 8))) return
      } else {
        window.view.setBigUint64(offset, value as bigint, true)
        if (isCalm() || keeps(window, place, offset, 8)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'u64', value, addr as VmMemory.U64)
      : native.writeU64(toNative(object, place), value, addr as VmMemory.U64)
  }
  function writeI64(object: object, place: Place, value: number | bigint, addr: unknown, caller: unknown): void {
    const fits = typeof value === 'bigint' && asIntN(64, value) === value
    const offset = fits ? place.locate(addr, 8) : -1
    if (offset >= 0) {
      const { window } = place
      if (window.isTracked) {
        if (window.write64(offset, 8, value as bigint) && (isCalm() || keeps(window, place, offset, 8))) return
      } else {
        window.view.setBigInt64(offset, value as bigint, true)
        if (isCalm() || keeps(window, place, offset, 8)) return
      }
    }
    return caller === OBJECT
      ? native.writeObj(toNative(object, place), 'i64', value, addr as VmMemory.U64)
      : native.writeI64(toNative(object, place), value, addr as VmMemory.U64)
  }

  return {
    readU8(this: object, addr: unknown, caller?: unknown): number {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 1 && window.limit1 >= 0) {
        const value = window.view.getUint8(place.base + at)
        if (isCalm() || stays(window)) return value
      }
      return readU8(this, place, addr, caller)
    },
    readI8(this: object, addr: unknown, caller?: unknown): number {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 1 && window.limit1 >= 0) {
        const value = window.view.getInt8(place.base + at)
        if (isCalm() || stays(window)) return value
      }
      return readI8(this, place, addr, caller)
    },
    readU16(this: object, addr: unknown, caller?: unknown): number {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 2 && window.limit1 >= 0) {
        const value = window.view.getUint16(place.base + at, true)
        if (isCalm() || stays(window)) return value
      }
      return readU16(this, place, addr, caller)
    },
    readI16(this: object, addr: unknown, caller?: unknown): number {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 2 && window.limit1 >= 0) {
        const value = window.view.getInt16(place.base + at, true)
        if (isCalm() || stays(window)) return value
      }
      return readI16(this, place, addr, caller)
    },
    readU32(this: object, addr: unknown, caller?: unknown): number {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 4 && window.limit1 >= 0) {
        const value = window.view.getUint32(place.base + at, true)
        if (isCalm() || stays(window)) return value
      }
      return readU32(this, place, addr, caller)
    },
    readI32(this: object, addr: unknown, caller?: unknown): number {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 4 && window.limit1 >= 0) {
        const value = window.view.getInt32(place.base + at, true)
        if (isCalm() || stays(window)) return value
      }
      return readI32(this, place, addr, caller)
    },
    readU64(this: object, addr: unknown, caller?: unknown): bigint {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 8 && window.limit1 >= 0) {
        const value = window.view.getBigUint64(place.base + at, true)
        if (isCalm() || stays(window)) return value
      }
      return readU64(this, place, addr, caller)
    },
    readI64(this: object, addr: unknown, caller?: unknown): bigint {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      const { window } = place
      if (at === address && at <= place.reach - 8 && window.limit1 >= 0) {
        const value = window.view.getBigInt64(place.base + at, true)
        if (isCalm() || stays(window)) return value
      }
      return readI64(this, place, addr, caller)
    },

    // A value that does not fit is left to the native method, which refuses it.
    writeU8(this: object, value: number, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 1 && typeof value === 'number' && (value & 0xff) === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setUint8(place.base + at, value)
          if (isCalm() || keeps(window, place, place.base + at, 1)) return
        }
      }
      writeU8(this, place, value, addr, caller)
    },
    writeI8(this: object, value: number, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 1 && typeof value === 'number' && (value << 24) >> 24 === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setInt8(place.base + at, value)
          if (isCalm() || keeps(window, place, place.base + at, 1)) return
        }
      }
      writeI8(this, place, value, addr, caller)
    },
    writeU16(this: object, value: number, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 2 && typeof value === 'number' && (value & 0xffff) === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setUint16(place.base + at, value, true)
          if (isCalm() || keeps(window, place, place.base + at, 2)) return
        }
      }
      writeU16(this, place, value, addr, caller)
    },
    writeI16(this: object, value: number, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 2 && typeof value === 'number' && (value << 16) >> 16 === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setInt16(place.base + at, value, true)
          if (isCalm() || keeps(window, place, place.base + at, 2)) return
        }
      }
      writeI16(this, place, value, addr, caller)
    },
    writeU32(this: object, value: number, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 4 && typeof value === 'number' && value >>> 0 === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setUint32(place.base + at, value, true)
          if (isCalm() || keeps(window, place, place.base + at, 4)) return
        }
      }
      writeU32(this, place, value, addr, caller)
    },
    writeI32(this: object, value: number, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 4 && typeof value === 'number' && (value | 0) === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setInt32(place.base + at, value, true)
          if (isCalm() || keeps(window, place, place.base + at, 4)) return
        }
      }
      writeI32(this, place, value, addr, caller)
    },
    writeU64(this: object, value: number | bigint, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 8 && typeof value === 'bigint' && asUintN(64, value) === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setBigUint64(place.base + at, value, true)
          if (isCalm() || keeps(window, place, place.base + at, 8)) return
        }
      }
      writeU64(this, place, value, addr, caller)
    },
    writeI64(this: object, value: number | bigint, addr: unknown, caller?: unknown): void {
      const place = placeOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      const at = address >>> 0
      if (at === address && at <= place.reach - 8 && typeof value === 'bigint' && asIntN(64, value) === value) {
        const { window } = place
        if (!window.isTracked) {
          window.view.setBigInt64(place.base + at, value, true)
          if (isCalm() || keeps(window, place, place.base + at, 8)) return
        }
      }
      writeI64(this, place, value, addr, caller)
    },
  }
}
