/**
 * `load` and `store` by `Atomics`, which are sequentially consistent: at least as strong as whatever was asked. Windows begin
 * on a page of the host, so what is aligned in them is aligned there.
 */
import type * as VmMemory from '../../../index'
import * as intrinsics from '../../intrinsics'
import { isCalm as isCalmNow, keeps, stays } from '../ends'
import { type Finder, toNumber as numberOf } from '../finder'
import { kindOf, loadAtomic, loadByMail, storeAndMark, storeByMail } from '../places/kinds'
import { ATOMIC } from '../window'
import type { Kind, Methods } from './kind'

type AtomicMethods = Pick<Methods, 'load' | 'store'>
type AnyLoad = (type: VmMemory.AtomicType, addr: unknown, order: VmMemory.Ordering) => number | bigint

// Taken out of the import, which would be looked up at each use.
const { atomicLoad, atomicStore, uncurryThis } = intrinsics
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

/** Those of all that leads to memory: cursors, and the places of slices. */
export function atomicMethods<F extends Finder>({ native, toNative, cursorOf }: Kind<AtomicMethods, F>): AtomicMethods {
  function load(this: object, type: VmMemory.AtomicType, addr: unknown, order: VmMemory.Ordering): number | bigint {
    const finder = cursorOf(this)
    const kind = kindOf(type)
    if (kind !== null && kind.isAtomic && canLoad(order)) {
      const offset = finder.locate(addr, kind.size)
      if (offset >= 0 && (offset & (kind.size - 1)) === 0) {
        const { window } = finder
        const value = loadAtomic(window, kind, offset)
        if (isCalm() || stays(window)) return value
      }
      const value = loadByMail(finder.number, kind, finder.mailAddress(addr, kind.size))
      if (value !== undefined) return value
    }
    return native.load(toNative(this, finder), type as never, addr, order)
  }

  function store(
    this: object,
    type: VmMemory.AtomicType,
    value: number | bigint,
    addr: unknown,
    order: VmMemory.Ordering,
  ): void {
    const finder = cursorOf(this)
    const kind = kindOf(type)
    if (kind !== null && kind.isAtomic && canStore(order)) {
      const offset = finder.locate(addr, kind.size)
      if (offset >= 0 && (offset & (kind.size - 1)) === 0) {
        const { window } = finder
        const isStored = storeAndMark(window, kind, offset, value)
        if (isStored && (isCalm() || keeps(window, finder, offset, kind.size))) return
      }
      if (storeByMail(finder.number, kind, value, finder.mailAddress(addr, kind.size))) return
    }
    native.store(toNative(this, finder), type, value, addr, order)
  }
  return { load: load as AtomicMethods['load'], store }
}

/**
 * Those for indices of rings, in functions so small that the engine puts them where they are called: they look at windows as scalars
 * are looked for. All else is left to the others.
 */
export function ringMethods({ cursorOf }: Kind, others: AtomicMethods): AtomicMethods {
  // As functions: `call` may be anybody's by then.
  const loadOther = uncurryThis(others.load as AnyLoad)
  const storeOther = uncurryThis(others.store)

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
