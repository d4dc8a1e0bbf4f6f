/** Slices and references as plain objects: all that their classes can do, on places. */
import type * as VmMemory from '../../../index'
import type { Door } from '../../door'
import { defineMethod } from '../../protocols'
import { uncurryThis } from '../../intrinsics'
import { sliceOf } from '../bitmaps'
import type * as MethodsModule from '../methods'
import type { Kind } from '../methods/kind'
import { nativesOf } from '../natives'
import { redirect } from '../redirect'
import { NO_PLACE, type Place } from '../places/place'
import { ArrayRefStamp, AtomicRefStamp, RefStamp, SliceStamp } from '../places/stamps'
import { arrayRefMethods, atomicRefMethods, refMethods } from './references'
import { scalarMethods } from './scalars'
import { partMethods, sliceMethods } from './slices'

type PlaceOf = (object: object) => Place

/** Makes the native half of an object with a place. */
type Make = (object: object, offset: number, length: number, type: VmMemory.ScalarType) => object

/** The native half of an object with a place; undefined of that of nothing. */
function halfOf(place: Place, make: Make): object | undefined {
  const { backing, offset, length, kind } = place
  return backing === null ? undefined : (place.native ??= make(backing.object, offset, length, kind.name))
}

function install(prototype: object, methods: object): void {
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
}

/** Lets a getter be answered by places, and be left to the native one where `get` returns undefined. */
function installGetter(prototype: object, placeOf: PlaceOf, name: string, get: (place: Place) => unknown): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
  const native = uncurryThis(descriptor.get as (this: unknown) => unknown)
  Object.defineProperty(prototype, name, {
    ...descriptor,
    get(this: object): unknown {
      const place = placeOf(this)
      const value = place.backing === null ? undefined : get(place)
      return value === undefined ? native(this) : value
    },
  })
}

/** What `bitmap` is where that is certain. */
function bitmapOf(place: Place): VmMemory.BitmapSlice | null | undefined {
  const { backing, reach, window } = place
  if (reach > 0 && !window.isTracked) return null
  if (backing === null || !place.isThere()) return undefined
  const bitmap = backing.bitmapOf(backing.object)
  return bitmap === null ? null : sliceOf(bitmap, place.offset)
}

const lengthOf = (place: Place): number => place.length
const isEmpty = (place: Place): boolean => place.length === 0
const typeOf = ({ kind }: Place): string => kind.name

/**
 * Puts slices and references that are plain objects in the place of native ones.
 * @param shared the fast methods that slices have as all others do
 * @returns the native half of a slice or a reference; undefined of everything else
 */
export function installVolatile(
  native: typeof VmMemory,
  door: Door,
  {
    elementCopies,
    sharedMethods,
    wholeTransfers,
  }: Pick<typeof MethodsModule, 'elementCopies' | 'sharedMethods' | 'wholeTransfers'>,
): (object: object) => object | undefined {
  /** The native methods of a class, and the rest of what fast ones need. All members are led to native halves from now on. */
  function kindOf<T extends object>(prototype: T, placeOf: PlaceOf, make: Make): Kind<T, Place> {
    const natives = nativesOf(prototype)
    redirect(prototype, (object) => halfOf(placeOf(object), make) ?? object)
    return {
      native: natives,
      cursorOf: placeOf,
      toNative(object, place) {
        const half = halfOf(place, make)
        if (half === undefined) return object
        if (!place.attach()) place.backing?.noteUse()
        return half
      },
    }
  }

  const { prototype: slice } = native.VolatileSlice
  const slices = kindOf(slice, SliceStamp.place, door.sliceHalf)
  const scalars = scalarMethods(slices)
  install(slice, { ...scalars, ...sharedMethods(slices, scalars), ...elementCopies(slices), ...wholeTransfers(slices) })
  install(slice, { ...sliceMethods(slices), ...partMethods(slices) })
  installGetter(slice, SliceStamp.place, 'len', lengthOf)
  installGetter(slice, SliceStamp.place, 'isEmpty', isEmpty)
  installGetter(slice, SliceStamp.place, 'bitmap', bitmapOf)

  const ref: VmMemory.VolatileRef = native.VolatileRef.prototype
  install(ref, refMethods(kindOf(ref, RefStamp.place, door.refHalf)))
  installGetter(ref, RefStamp.place, 'type', typeOf)
  installGetter(ref, RefStamp.place, 'len', lengthOf)
  installGetter(ref, RefStamp.place, 'bitmap', bitmapOf)

  const arrayRef: VmMemory.VolatileArrayRef = native.VolatileArrayRef.prototype
  install(arrayRef, arrayRefMethods(kindOf(arrayRef, ArrayRefStamp.place, door.arrayRefHalf)))
  installGetter(arrayRef, ArrayRefStamp.place, 'type', typeOf)
  installGetter(arrayRef, ArrayRefStamp.place, 'len', ({ kind, length }) => length / kind.size)
  installGetter(arrayRef, ArrayRefStamp.place, 'elementSize', ({ kind }) => kind.size)
  installGetter(arrayRef, ArrayRefStamp.place, 'isEmpty', isEmpty)
  installGetter(arrayRef, ArrayRefStamp.place, 'bitmap', bitmapOf)

  const atomicRef: VmMemory.AtomicRef = native.AtomicRef.prototype
  install(atomicRef, atomicRefMethods(kindOf(atomicRef, AtomicRefStamp.place, door.atomicRefHalf)))
  installGetter(atomicRef, AtomicRefStamp.place, 'type', typeOf)

  return (object) => {
    const place = SliceStamp.peek(object)
    if (place !== NO_PLACE) return halfOf(place, door.sliceHalf)
    return undefined
  }
}
