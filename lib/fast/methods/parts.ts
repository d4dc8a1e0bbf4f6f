/** Parts of regions, mappings and maps: slices and references, which are plain objects (`../places`). */
import type * as VmMemory from '../../../index'
import { EMPTY } from '../table'
import type { Backing, Volatile } from '../places/backing'
import { kindOf, NO_KIND, type ScalarKind } from '../places/kinds'
import { NOT_YET, Place, sizeOf, sizeTaken } from '../places/place'
import { ArrayRefStamp, AtomicRefStamp, nativeLength, RefStamp, SliceStamp } from '../places/stamps'
import { NOWHERE } from '../window'
import type { Cursor } from './cursor'
import type { Kind } from './kind'

/** What slices of a region or a mapping are backed by. */
export type BackingOf = (object: object) => Backing

/** How a map finds the region of a slice. */
export type RegionLookup = Pick<VmMemory.GuestMemory, 'getSlice' | 'toRegionAddr'>

const { make: makeSlice } = SliceStamp
const { make: makeRef } = RefStamp
const { make: makeArrayRef } = ArrayRefStamp
const { make: makeAtomicRef } = AtomicRefStamp

/** The place of some bytes, if it is certain that there are such; null where the native method has to say. */
function placeAt(cursor: Cursor, address: unknown, length: number, kind: ScalarKind): Place | null {
  const at = length > 0 ? cursor.locate(address, length) : -1
  if (at < 0) return null
  const { window } = cursor
  const backing = cursor.table.backings[window.piece]
  if (backing === undefined) return null
  return new Place(backing, window, at, length, window.pieceOffset + at, length, kind, null)
}

/** The place of bytes that the native method has found. */
function placeFound(backing: Backing, offset: unknown, length: number, kind: ScalarKind): Place {
  return new Place(backing, NOWHERE, 0, NOT_YET, sizeTaken(offset), length, kind, null)
}

/** Those of a region or a mapping. */
export function volatileMethods({ native, toNative, cursorOf }: Kind<Volatile>, backingOf: BackingOf): Volatile {
  /** Made once, if there is a table to keep it. */
  function backing(object: object): Backing {
    const { backings } = cursorOf(object).table
    return backings[0] ?? keep(object, cursorOf(object))
  }

  function keep(object: object, { table }: Cursor): Backing {
    const made = backingOf(object)
    if (table !== EMPTY) table.backings[0] = made
    return made
  }

  function otherSlice(object: object, offset: VmMemory.Usize, count: VmMemory.Usize): Place {
    native.getSlice(toNative(object, cursorOf(object)), offset, count)
    return placeFound(backing(object), offset, sizeTaken(count), NO_KIND)
  }

  function wholeSlice(object: object): Place {
    const slice = native.asVolatileSlice(toNative(object, cursorOf(object)))
    return placeFound(backing(object), 0, nativeLength(slice), NO_KIND)
  }

  function otherRef(object: object, type: VmMemory.ScalarType, offset: VmMemory.Usize): Place {
    native.getRef(toNative(object, cursorOf(object)), type, offset)
    const kind = kindOf(type) as ScalarKind
    return placeFound(backing(object), offset, kind.size, kind)
  }

  function otherArrayRef(object: object, type: VmMemory.ScalarType, offset: VmMemory.Usize, n: VmMemory.Usize): Place {
    native.getArrayRef(toNative(object, cursorOf(object)), type, offset, n)
    const kind = kindOf(type) as ScalarKind
    return placeFound(backing(object), offset, sizeTaken(n) * kind.size, kind)
  }

  function otherAtomicRef(object: object, type: VmMemory.AtomicType, offset: VmMemory.Usize): Place {
    native.getAtomicRef(toNative(object, cursorOf(object)), type, offset)
    const kind = kindOf(type) as ScalarKind
    return placeFound(backing(object), offset, kind.size, kind)
  }

  return {
    getSlice(this: object, offset: VmMemory.Usize, count: VmMemory.Usize): VmMemory.VolatileSlice {
      const place = placeAt(cursorOf(this), offset, sizeOf(count), NO_KIND)
      return makeSlice(place ?? otherSlice(this, offset, count))
    },
    asVolatileSlice(this: object): VmMemory.VolatileSlice {
      const cursor = cursorOf(this)
      const { table } = cursor
      const place = table === EMPTY ? null : placeAt(cursor, 0, table.sizeOf(0), NO_KIND)
      return makeSlice(place ?? wholeSlice(this))
    },
    getRef<T extends VmMemory.ScalarType>(this: object, type: T, offset: VmMemory.Usize): VmMemory.VolatileRef<T> {
      const kind = kindOf(type)
      const place = kind === null ? null : placeAt(cursorOf(this), offset, kind.size, kind)
      return makeRef(place ?? otherRef(this, type, offset)) as VmMemory.VolatileRef<T>
    },
    getArrayRef<T extends VmMemory.ScalarType>(
      this: object,
      type: T,
      offset: VmMemory.Usize,
      n: VmMemory.Usize,
    ): VmMemory.VolatileArrayRef<T> {
      const kind = kindOf(type)
      const place = kind === null ? null : placeAt(cursorOf(this), offset, sizeOf(n) * kind.size, kind)
      return makeArrayRef(place ?? otherArrayRef(this, type, offset, n)) as VmMemory.VolatileArrayRef<T>
    },
    getAtomicRef<T extends VmMemory.AtomicType>(this: object, type: T, offset: VmMemory.Usize): VmMemory.AtomicRef<T> {
      const kind = kindOf(type)
      const place = kind === null || !kind.isAtomic ? null : placeAt(cursorOf(this), offset, kind.size, kind)
      const isAligned = place !== null && (place.base & (place.length - 1)) === 0
      return makeAtomicRef(isAligned ? place : otherAtomicRef(this, type, offset)) as VmMemory.AtomicRef<T>
    },
  }
}

/** That of a map. */
export function mapSliceMethods(
  { native, toNative, cursorOf }: Kind<RegionLookup>,
  backingOf: BackingOf,
): Pick<VmMemory.GuestMemory, 'getSlice'> {
  function otherSlice(object: object, addr: VmMemory.U64, count: VmMemory.Usize): Place {
    const cursor = cursorOf(object)
    const receiver = toNative(object, cursor)
    native.getSlice(receiver, addr, count)
    const found = native.toRegionAddr(receiver, addr) as [VmMemory.GuestRegionMmap, number]
    const backing = backingOf(found[0])
    const piece = cursor.table.pieceAt(addr)
    if (piece !== undefined && piece >= 0) cursor.table.backings[piece] = backing
    return placeFound(backing, found[1], sizeTaken(count), NO_KIND)
  }

  return {
    getSlice(this: object, addr: VmMemory.U64, count: VmMemory.Usize): VmMemory.VolatileSlice {
      const place = placeAt(cursorOf(this), addr, sizeOf(count), NO_KIND)
      return makeSlice(place ?? otherSlice(this, addr, count))
    },
  }
}
