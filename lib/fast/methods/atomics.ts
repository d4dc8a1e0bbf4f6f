/**
 * `load` and `store` by `Atomics`, which are sequentially consistent: at least as strong as whatever was asked. Windows begin
 * on a page of the host, so what is aligned in them is aligned there.
 */
import type * as VmMemory from '../../../index'
import * as intrinsics from '../../intrinsics'
import { isCalm as isCalmNow, keeps, stays } from '../ends'
import { toNumber as numberOf } from '../finder'
import { kindOf, loadAtomic, loadByMail, storeAndMark, storeByMail } from '../places/kinds'
import { ATOMIC } from '../window'
import type { Kind, Methods } from './kind'

type AtomicMethods = Pick<Methods, 'load' | 'store'>

// Taken out of the import, which would be looked up at each use.
const { atomicLoad, atomicStore } = intrinsics
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
    const kind = kindOf(type)
    if (kind !== null && kind.isAtomic && canLoad(order)) {
      const offset = cursor.locate(addr, kind.size)
      if (offset >= 0 && (offset & (kind.size - 1)) === 0) {
        const { window } = cursor
        const value = loadAtomic(window, kind, offset)
        if (isCalm() || stays(window)) return value
      }
      const value = loadByMail(cursor.number, kind, addr)
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
    const kind = kindOf(type)
    if (kind !== null && kind.isAtomic && canStore(order)) {
      const offset = cursor.locate(addr, kind.size)
      if (offset >= 0 && (offset & (kind.size - 1)) === 0) {
        const { window } = cursor
        const isStored = storeAndMark(window, kind, offset, value)
        if (isStored && (isCalm() || keeps(window, cursor, offset, kind.size))) return
      }
      if (storeByMail(cursor.number, kind, value, addr)) return
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
        if (window.isTracked) {
          if (window.write(offset, ATOMIC + 2, value) && (isCalm() || keeps(window, cursor, offset, 2))) return
        } else {
          atomicStore(window.u16, offset >>> 1, value)
          if (isCalm() || keeps(window, cursor, offset, 2)) return
        }
      }
    }
    storeOther(this, type, value, addr, order)
  }
  return { load: load as AtomicMethods['load'], store }
}
