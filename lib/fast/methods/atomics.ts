/**
 * `load` and `store` by `Atomics`, which are sequentially consistent: at least as strong as whatever was asked. Windows begin
 * on a page of the host, so what is aligned in them is aligned there.
 */
import type * as VmMemory from '../../../index'
import * as intrinsics from '../../intrinsics'
import { isCalm as isCalmNow, stays } from '../ends'
import { toNumber as numberOf } from '../finder'
import { kindOf, loadByMail, storeByMail } from '../places/kinds'
import { ATOMIC } from '../window'
import type { Kind, Methods } from './kind'

type AtomicMethods = Pick<Methods, 'load' | 'store'>

// Taken out of the import, which would be looked up at each use.
const { asUintN, atomicLoad, atomicStore } = intrinsics
const toNumber = numberOf
const isCalm = isCalmNow

/** Orderings by number, as the native enum has them. */
const RELAXED = 0
const RELEASE = 1
const ACQUIRE = 2
const SEQ_CST = 4

export function canLoad(order: VmMemory.Ordering): boolean {
  return order === ACQUIRE || order === RELAXED || order === SEQ_CST
}

export function canStore(order: VmMemory.Ordering): boolean {
  return order === RELEASE || order === RELAXED || order === SEQ_CST
}

export function atomicMethods({ native, toNative, cursorOf }: Kind): AtomicMethods {
  function loadOther(object: object, type: VmMemory.AtomicType, addr: unknown, order: number): number | bigint {
    const cursor = cursorOf(object)
    if (canLoad(order)) {
      let offset
      switch (type) {
        case 'u8':
          offset = cursor.locate(addr, 1)
          if (offset >= 0) return atomicLoad(cursor.window.bytes, offset)
          break
        case 'u16':
          offset = cursor.locate(addr, 2)
          if (offset >= 0 && (offset & 1) === 0) return atomicLoad(cursor.window.u16, offset >> 1)
          break
        case 'u32':
          offset = cursor.locate(addr, 4)
          if (offset >= 0 && (offset & 3) === 0) return atomicLoad(cursor.window.u32, offset >> 2)
          break
        case 'u64':
        case 'usize':
          offset = cursor.locate(addr, 8)
          if (offset >= 0 && (offset & 7) === 0) return atomicLoad(cursor.window.u64, offset >> 3)
          break
      }
      const kind = kindOf(type)
      const value = kind?.isAtomic ? loadByMail(cursor.number, kind, addr) : undefined
      if (value !== undefined) return value
    }
    return native.load(toNative(object, cursor), type as never, addr, order)
  }

  function storeOther(
    object: object,
    type: VmMemory.AtomicType,
    value: number | bigint,
    addr: unknown,
    order: number,
  ): void {
    const cursor = cursorOf(object)
    if (canStore(order)) {
      let offset
      switch (type) {
        case 'u8':
          offset = typeof value === 'number' && (value & 0xff) === value ? cursor.locate(addr, 1) : -1
          if (offset < 0) break
          if (cursor.window.isTracked) cursor.window.write(offset, ATOMIC + 1, value as number)
          else atomicStore(cursor.window.bytes, offset, value as number)
          return
        case 'u16':
          offset = typeof value === 'number' && (value & 0xffff) === value ? cursor.locate(addr, 2) : -1
          if (offset < 0 || (offset & 1) !== 0) break
          if (cursor.window.isTracked) cursor.window.write(offset, ATOMIC + 2, value as number)
          else atomicStore(cursor.window.u16, offset >> 1, value as number)
          return
        case 'u32':
          offset = typeof value === 'number' && value >>> 0 === value ? cursor.locate(addr, 4) : -1
          if (offset < 0 || (offset & 3) !== 0) break
          if (cursor.window.isTracked) cursor.window.write(offset, ATOMIC + 4, value as number)
          else atomicStore(cursor.window.u32, offset >> 2, value as number)
          return
        case 'u64':
        case 'usize':
          offset = typeof value === 'bigint' && asUintN(64, value) === value ? cursor.locate(addr, 8) : -1
          if (offset < 0 || (offset & 7) !== 0) break
          if (cursor.window.isTracked) cursor.window.write64(offset, ATOMIC + 8, value as bigint)
          else atomicStore(cursor.window.u64, offset >> 3, value as bigint)
          return
      }
      const kind = kindOf(type)
      if (kind?.isAtomic && storeByMail(cursor.number, kind, value, addr)) return
    }
    native.store(toNative(object, cursor), type, value, addr, order)
  }

  // Indices of rings come first, in functions so small that the engine puts them where they are called: they look at windows
  // as scalars are looked for.
  function load(this: object, type: VmMemory.AtomicType, addr: unknown, order: VmMemory.Ordering): number | bigint {
    if (type === 'u16' && canLoad(order)) {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset === distance && offset <= window.limit2 && (offset & 1) === 0) {
        const value = atomicLoad(window.u16, offset >>> 1)
        if (isCalm() || stays(window)) return value
      }
      window = cursor.at(address)
      distance = address - window.start
      offset = distance >>> 0
      if (offset === distance && offset <= window.limit2 && (offset & 1) === 0) {
        cursor.window = window
        const value = atomicLoad(window.u16, offset >>> 1)
        if (isCalm() || stays(window)) return value
      }
    }
    return loadOther(this, type, addr, order)
  }

  function store(
    this: object,
    type: VmMemory.AtomicType,
    value: number | bigint,
    addr: unknown,
    order: VmMemory.Ordering,
  ): void {
    if (type === 'u16' && typeof value === 'number' && (value & 0xffff) === value && canStore(order)) {
      const cursor = cursorOf(this)
      const address = typeof addr === 'number' ? addr : toNumber(addr)
      let { window } = cursor
      let distance = address - window.start
      let offset = distance >>> 0
      if (offset !== distance || offset > window.limit2) {
        window = cursor.at(address)
        distance = address - window.start
        offset = distance >>> 0
      }
      if (offset === distance && offset <= window.limit2 && (offset & 1) === 0) {
        cursor.window = window
        if (window.isTracked) return window.write(offset, ATOMIC + 2, value)
        atomicStore(window.u16, offset >>> 1, value)
        if (isCalm() || stays(window)) return
      }
    }
    storeOther(this, type, value, addr, order)
  }
  return { load: load as AtomicMethods['load'], store }
}
