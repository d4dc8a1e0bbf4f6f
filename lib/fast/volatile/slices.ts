/** The fast methods of slices. */
import type * as VmMemory from '../../../index'
import { Bytes, pairOf, setBytes } from '../../intrinsics'
import { enter, isCalm, keeps, leave } from '../ends'
import { hostAddress } from '../mailbox'
import type { Kind } from '../methods/kind'
import { kindOf, NO_KIND, type ScalarKind } from '../places/kinds'
import { NO_PLACE, type Place, sizeOf, sizeTaken } from '../places/place'
import { ArrayRefStamp, AtomicRefStamp, RefStamp, SliceStamp } from '../places/stamps'

type Slice = VmMemory.VolatileSlice
type PartName = 'getSlice' | 'subslice' | 'offset' | 'splitAt' | 'asVolatileSlice'
type RefName = 'getRef' | 'getArrayRef' | 'getAtomicRef'

const { make: makeSlice, peek: peekAtSlice } = SliceStamp
const { make: makeRef } = RefStamp
const { make: makeArrayRef } = ArrayRefStamp
const { make: makeAtomicRef } = AtomicRefStamp

/** `copyToVolatileSlice`, where each side has all of its bytes in one window, and `asPtr`. */
export function sliceMethods({
  native,
  toNative,
  cursorOf: placeOf,
}: Kind<Pick<Slice, 'asPtr' | 'copyToVolatileSlice'>, Place>): object {
  return {
    asPtr(this: object): bigint {
      const place = placeOf(this)
      const host = place.backing === null ? undefined : hostAddress(place.backing.finder.number, place.offset)
      return host === undefined ? native.asPtr(toNative(this, place)) : host
    },
    copyToVolatileSlice(this: object, dst: Slice): void {
      const place = placeOf(this)
      const target = typeof dst === 'object' && dst !== null ? peekAtSlice(dst) : NO_PLACE
      const count = place.length < target.length ? place.length : target.length
      const from = count > 0 ? place.locate(0, count) : -1
      const to = from < 0 ? -1 : target.locate(0, count)
      const { window: source } = place
      const { window: destination } = target
      // The look for the second one may have closed the window of the first.
      if (to >= 0 && source.limit1 >= 0 && !destination.isTracked && enter()) {
        try {
          // Memory that overlaps is no harm: the engine copies bytes as memmove does.
          setBytes(destination.bytes, new Bytes(source.buffer, from, count), to)
        } finally {
          leave()
        }
        if (isCalm() || (keeps(source, place, from, count) && keeps(destination, target, to, count))) return
      }
      if (!target.attach()) target.backing?.noteUse()
      native.copyToVolatileSlice(toNative(this, place), dst)
    },
  }
}

/** Parts of a slice: slices, and references. The native methods decide on what is not certain, and then the place is known. */
export function partMethods({
  native,
  toNative,
  cursorOf: placeOf,
}: Kind<Pick<Slice, PartName | RefName>, Place>): object {
  function getSlice(this: object, offset: VmMemory.Usize, count: VmMemory.Usize): Slice {
    const place = placeOf(this)
    const start = sizeOf(offset)
    const length = sizeOf(count)
    if (start >= 0 && length >= 0 && start + length <= place.length && place.isThere())
      return makeSlice(place.part(start, length, NO_KIND))
    native.getSlice(toNative(this, place), offset, count)
    return makeSlice(place.part(sizeTaken(offset), sizeTaken(count), NO_KIND))
  }

  return {
    getSlice,
    subslice(this: object, offset: VmMemory.Usize, count: VmMemory.Usize): Slice {
      const place = placeOf(this)
      const start = sizeOf(offset)
      const length = sizeOf(count)
      if (start >= 0 && length >= 0 && start + length <= place.length && place.isThere())
        return makeSlice(place.part(start, length, NO_KIND))
      native.subslice(toNative(this, place), offset, count)
      return makeSlice(place.part(sizeTaken(offset), sizeTaken(count), NO_KIND))
    },
    offset(this: object, count: VmMemory.Usize): Slice {
      const place = placeOf(this)
      let start = sizeOf(count)
      if (start < 0 || start > place.length || !place.isThere()) {
        native.offset(toNative(this, place), count)
        start = sizeTaken(count)
      }
      return makeSlice(place.part(start, place.length - start, NO_KIND))
    },
    splitAt(this: object, mid: VmMemory.Usize): Slice[] {
      const place = placeOf(this)
      let middle = sizeOf(mid)
      if (middle < 0 || middle > place.length || !place.isThere()) {
        native.splitAt(toNative(this, place), mid)
        middle = sizeTaken(mid)
      }
      return pairOf(
        makeSlice(place.part(0, middle, NO_KIND)),
        makeSlice(place.part(middle, place.length - middle, NO_KIND)),
      )
    },
    asVolatileSlice(this: object): Slice {
      const place = placeOf(this)
      if (place.backing === null) return native.asVolatileSlice(this)
      if (!place.isThere()) native.asVolatileSlice(toNative(this, place))
      return makeSlice(place.part(0, place.length, NO_KIND))
    },
    getRef(this: object, type: VmMemory.ScalarType, offset: VmMemory.Usize): VmMemory.VolatileRef {
      const place = placeOf(this)
      const kind = kindOf(type)
      const start = sizeOf(offset)
      if (kind !== null && start >= 0 && start + kind.size <= place.length && place.isThere()) {
        return makeRef(place.part(start, kind.size, kind))
      }
      native.getRef(toNative(this, place), type, offset)
      const known = kind as ScalarKind
      return makeRef(place.part(sizeTaken(offset), known.size, known))
    },
    getArrayRef(
      this: object,
      type: VmMemory.ScalarType,
      offset: VmMemory.Usize,
      n: VmMemory.Usize,
    ): VmMemory.VolatileArrayRef {
      const place = placeOf(this)
      const kind = kindOf(type)
      const start = sizeOf(offset)
      const count = sizeOf(n)
      const isWithin = start >= 0 && count >= 0
      if (kind !== null && isWithin && start + count * kind.size <= place.length && place.isThere()) {
        return makeArrayRef(place.part(start, count * kind.size, kind))
      }
      native.getArrayRef(toNative(this, place), type, offset, n)
      const known = kind as ScalarKind
      return makeArrayRef(place.part(sizeTaken(offset), sizeTaken(n) * known.size, known))
    },
    getAtomicRef(this: object, type: VmMemory.AtomicType, offset: VmMemory.Usize): VmMemory.AtomicRef {
      const place = placeOf(this)
      const kind = kindOf(type)
      const start = sizeOf(offset)
      // Whether it is aligned is known where there is a window.
      if (kind !== null && kind.isAtomic && start >= 0 && start + kind.size <= place.length && place.attach()) {
        if (((place.base + start) & (kind.size - 1)) === 0) return makeAtomicRef(place.part(start, kind.size, kind))
      }
      native.getAtomicRef(toNative(this, place), type, offset)
      const known = kind as ScalarKind
      return makeAtomicRef(place.part(sizeTaken(offset), known.size, known))
    },
  }
}
