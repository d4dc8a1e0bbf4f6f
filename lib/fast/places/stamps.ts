/**
 * Slices and references as plain objects of their classes, each with its place as a private stamp: nobody else sees it, and
 * it cannot be forged. A class of stamps for each class, so that none of them is taken for another.
 */
import type * as VmMemory from '../../../index'
import { addon } from '../../addon'
import { uncurryThis } from '../../intrinsics'
import { Existing } from '../existing'
import { NO_PLACE as NONE, type Place } from './place'

// What is imported is looked up at each use, which makes functions longer than the engine likes.
const NO_PLACE = NONE

/** The length of a native slice. */
export const nativeLength = uncurryThis(
  Object.getOwnPropertyDescriptor(addon.VolatileSlice.prototype, 'len')?.get as (this: unknown) => number,
)

function maker<T extends object>(prototype: T): new () => T {
  const PlainObject = function () {} as unknown as new () => T
  PlainObject.prototype = prototype
  return PlainObject
}

const Slice = maker(addon.VolatileSlice.prototype)
const Ref = maker(addon.VolatileRef.prototype)
const ArrayRef = maker(addon.VolatileArrayRef.prototype)
const AtomicReference = maker(addon.AtomicRef.prototype)

export class SliceStamp extends Existing {
  readonly #place: Place

  private constructor(object: object, place: Place) {
    super(object)
    this.#place = place
  }

  static make(place: Place): VmMemory.VolatileSlice {
    return new SliceStamp(new Slice(), place) as unknown as VmMemory.VolatileSlice
  }

  /** The place of a slice; that of nothing for everything else, about which the native methods say what they say. */
  static place(object: object): Place {
    try {
      return #place in object ? object.#place : NO_PLACE
    } catch {
      return NO_PLACE
    }
  }

  /** The same where objects of all classes are asked, so that the engine does not come to expect them in `place`. */
  static peek(object: object): Place {
    return #place in object ? object.#place : NO_PLACE
  }
}

export class RefStamp extends Existing {
  readonly #place: Place

  private constructor(object: object, place: Place) {
    super(object)
    this.#place = place
  }

  static make(place: Place): VmMemory.VolatileRef {
    return new RefStamp(new Ref(), place) as unknown as VmMemory.VolatileRef
  }

  static place(object: object): Place {
    try {
      return #place in object ? object.#place : NO_PLACE
    } catch {
      return NO_PLACE
    }
  }
}

export class ArrayRefStamp extends Existing {
  readonly #place: Place

  private constructor(object: object, place: Place) {
    super(object)
    this.#place = place
  }

  static make(place: Place): VmMemory.VolatileArrayRef {
    return new ArrayRefStamp(new ArrayRef(), place) as unknown as VmMemory.VolatileArrayRef
  }

  static place(object: object): Place {
    try {
      return #place in object ? object.#place : NO_PLACE
    } catch {
      return NO_PLACE
    }
  }
}

export class AtomicRefStamp extends Existing {
  readonly #place: Place

  private constructor(object: object, place: Place) {
    super(object)
    this.#place = place
  }

  static make(place: Place): VmMemory.AtomicRef {
    return new AtomicRefStamp(new AtomicReference(), place) as unknown as VmMemory.AtomicRef
  }

  static place(object: object): Place {
    try {
      return #place in object ? object.#place : NO_PLACE
    } catch {
      return NO_PLACE
    }
  }
}

/** When a collection finds no object of a kind, the engine forgets what they look like, and all code that was made for them. */
export const keptAlive: object[] = [
  SliceStamp.make(NO_PLACE),
  RefStamp.make(NO_PLACE),
  ArrayRefStamp.make(NO_PLACE),
  AtomicRefStamp.make(NO_PLACE),
]
