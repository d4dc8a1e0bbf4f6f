/** The fast methods of references: to a value, to values, and to an integer with atomic access. */
import type * as VmMemory from '../../../index'
import { isCalm as isCalmNow, keeps, stays } from '../ends'
import { canLoad, canStore } from '../methods/atomics'
import type { Kind } from '../methods/kind'
import { loadAtomic, NO_KIND, readScalar, storeAtomic, writeScalar } from '../places/kinds'
import { type Place, sizeOf, sizeTaken } from '../places/place'
import { RefStamp, SliceStamp } from '../places/stamps'

// Taken out of the import, which would be looked up at each use.
const isCalm = isCalmNow
const { make: makeSlice } = SliceStamp
const { make: makeRef } = RefStamp

export function refMethods({
  native,
  toNative,
  cursorOf: placeOf,
}: Kind<Pick<VmMemory.VolatileRef, 'load' | 'store' | 'toSlice'>, Place>): object {
  return {
    load(this: object): number | bigint {
      const place = placeOf(this)
      if (place.attach()) {
        const { window } = place
        const value = readScalar(window, place.kind, place.base)
        if (value !== undefined && (isCalm() || stays(window))) return value
      }
      return native.load(toNative(this, place))
    },
    store(this: object, value: number | bigint): void {
      const place = placeOf(this)
      if (place.attach()) {
        const { base, kind, window } = place
        const isWritten = writeScalar(window, kind, base, value)
        if (isWritten && (isCalm() || keeps(window, place, base, kind.size))) return
      }
      native.store(toNative(this, place), value)
    },
    toSlice(this: object): VmMemory.VolatileSlice {
      const place = placeOf(this)
      if (place.backing === null) return native.toSlice(this)
      if (!place.isThere()) native.toSlice(toNative(this, place))
      return makeSlice(place.part(0, place.length, NO_KIND))
    },
  }
}

export function arrayRefMethods({
  native,
  toNative,
  cursorOf: placeOf,
}: Kind<Pick<VmMemory.VolatileArrayRef, 'refAt' | 'load' | 'store' | 'toSlice'>, Place>): object {
  /** Where in the window of a place an element is; -1 where that is not certain. */
  function locate(place: Place, index: unknown): number {
    const position = sizeOf(index)
    return position < 0 ? -1 : place.locate(position * place.kind.size, place.kind.size)
  }

  return {
    refAt(this: object, index: VmMemory.Usize): VmMemory.VolatileRef {
      const place = placeOf(this)
      const { size } = place.kind
      let start = sizeOf(index) * size
      if (start < 0 || start + size > place.length || !place.isThere()) {
        native.refAt(toNative(this, place), index)
        start = sizeTaken(index) * size
      }
      return makeRef(place.part(start, size, place.kind))
    },
    load(this: object, index: VmMemory.Usize): number | bigint {
      const place = placeOf(this)
      const offset = locate(place, index)
      if (offset >= 0) {
        const { window } = place
        const value = readScalar(window, place.kind, offset)
        if (value !== undefined && (isCalm() || stays(window))) return value
      }
      return native.load(toNative(this, place), index)
    },
    store(this: object, index: VmMemory.Usize, value: number | bigint): void {
      const place = placeOf(this)
      const offset = locate(place, index)
      if (offset >= 0) {
        const { kind, window } = place
        const isWritten = writeScalar(window, kind, offset, value)
        if (isWritten && (isCalm() || keeps(window, place, offset, kind.size))) return
      }
      native.store(toNative(this, place), index, value)
    },
    toSlice(this: object): VmMemory.VolatileSlice {
      const place = placeOf(this)
      if (place.backing === null) return native.toSlice(this)
      if (!place.isThere()) native.toSlice(toNative(this, place))
      return makeSlice(place.part(0, place.length, NO_KIND))
    },
  }
}

/** Windows begin on a page of the host, and what is not aligned there has no such reference. */
export function atomicRefMethods({
  native,
  toNative,
  cursorOf: placeOf,
}: Kind<Pick<VmMemory.AtomicRef, 'load' | 'store'>, Place>): object {
  return {
    load(this: object, order: VmMemory.Ordering): number | bigint {
      const place = placeOf(this)
      if (canLoad(order) && place.attach()) {
        const { window } = place
        const value = loadAtomic(window, place.kind, place.base)
        if (isCalm() || stays(window)) return value
      }
      return native.load(toNative(this, place), order)
    },
    // As upstream, it marks nothing.
    store(this: object, value: number | bigint, order: VmMemory.Ordering): void {
      const place = placeOf(this)
      if (canStore(order) && place.attach()) {
        const { base, kind, window } = place
        const isStored = storeAtomic(window, kind, base, value)
        if (isStored && (isCalm() || keeps(window, place, base, kind.size))) return
      }
      native.store(toNative(this, place), value, order)
    },
  }
}
