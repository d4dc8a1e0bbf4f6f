/** What is kept with a bitmap, for its methods and those of its slices. */
import { Existing } from '../existing'
import { NO_NUMBER, numberOf, operation } from '../mailbox'

export class Entry {
  /** What the mailbox knows the bitmap by, once it was worth a number. */
  number = NO_NUMBER
  uses = 0
}

/** Of what is no bitmap, and of one that was not used yet. */
export const NO_ENTRY = new Entry()

/** From which native call on a number is worth its making. */
const WORTH_FROM = 2

class BitmapStamp extends Existing {
  readonly #entry: Entry

  private constructor(object: object, entry: Entry) {
    super(object)
    this.#entry = entry
  }

  static put(object: object): void {
    if (!(#entry in object)) void new BitmapStamp(object, new Entry())
  }

  /** Not `has`, which the engine would come to expect other objects in. */
  static entry(object: object): Entry {
    try {
      return #entry in object ? object.#entry : NO_ENTRY
    } catch {
      return NO_ENTRY
    }
  }
}

export const { entry: entryOf, put: stampBitmap } = BitmapStamp

/** Notes that a native method has worked, so that the object is a bitmap. */
export function noteUse(bitmap: object): void {
  stampBitmap(bitmap)
  const entry = entryOf(bitmap)
  entry.uses += 1
  if (entry.uses !== WORTH_FROM) return
  try {
    entry.number = numberOf(bitmap)
  } catch {
    // Native methods do.
  }
}

/** What bitmaps and their slices ask the mailbox for. */
export const DIRTY_AT = operation('dirtyAt')
export const MARK_DIRTY = operation('markDirty')
