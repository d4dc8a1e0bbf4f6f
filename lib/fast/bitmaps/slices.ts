/**
 * Slices of bitmaps as plain objects: a bitmap, and where in it the slice begins. What a slice is asked for, its bitmap is asked for by
 * the mailbox. The native half is made when somebody asks for more.
 */
import type * as VmMemory from '../../../index'
import { addon } from '../../addon'
import { MAX_SAFE_INTEGER } from '../../intrinsics'
import { defineMethod } from '../../protocols'
import { Existing } from '../existing'
import { safeInteger } from '../finder'
import { askNumber } from '../mailbox'
import { nativesOf } from '../natives'
import { redirect } from '../redirect'
import { DIRTY_AT, type Entry, entryOf, MARK_DIRTY, NO_ENTRY, noteUse } from './entry'

type Bitmap = VmMemory.AtomicBitmap
type Slice = VmMemory.BitmapSlice

/** Where slices begin that only native methods know the offset of: no sum with it is one. */
const FAR = Infinity

class Part {
  constructor(
    readonly bitmap: Bitmap | null,
    readonly entry: Entry,
    /** In bytes. */
    readonly base: number,
    /** The native half, once there is one. */
    public native: Slice | null,
  ) {}
}

/** Of what is no slice. */
const NO_PART = new Part(null, NO_ENTRY, FAR, null)

const SliceObject = function () {} as unknown as new () => Slice
SliceObject.prototype = addon.BitmapSlice.prototype

class SliceStamp extends Existing {
  readonly #part: Part

  private constructor(object: object, part: Part) {
    super(object)
    this.#part = part
  }

  static make(part: Part): Slice {
    return new SliceStamp(new SliceObject(), part) as unknown as Slice
  }

  static part(object: object): Part {
    try {
      return #part in object ? object.#part : NO_PART
    } catch {
      return NO_PART
    }
  }
}

const { make, part: partOf } = SliceStamp

/** When a collection finds no slice, the engine forgets what slices look like, and all code that was made for them. */
export const keptAlive: object[] = [make(NO_PART)]

const bitmaps = nativesOf(addon.AtomicBitmap.prototype)

/** Makes the slice of a bitmap that begins at an offset, which must be a safe integer. */
export function sliceOf(bitmap: Bitmap, offset: number): Slice {
  return make(new Part(bitmap, entryOf(bitmap), offset, null))
}

/** What `sliceAt` of a bitmap is. */
export function sliceAt(this: Bitmap, offset: VmMemory.Usize): Slice {
  const entry = entryOf(this)
  const base = safeInteger(offset)
  if (entry !== NO_ENTRY && base >= 0) return make(new Part(this, entry, base, null))
  const native = bitmaps.sliceAt(this, offset)
  noteUse(this)
  return make(new Part(this, entryOf(this), base < 0 ? FAR : base, native))
}

/** What native methods are called on: what is no slice, they refuse. */
function halfOf(object: object, part: Part): object {
  const { bitmap, base } = part
  return bitmap === null ? object : (part.native ??= bitmaps.sliceAt(bitmap, base))
}

/** Puts slices that are plain objects in the place of native ones. */
export function installSlices(): void {
  const { prototype } = addon.BitmapSlice
  const native = nativesOf(prototype)
  redirect(prototype, (object) => halfOf(object, partOf(object)))

  defineMethod(prototype, 'dirtyAt', function (this: Slice, offset: VmMemory.Usize): boolean {
    const part = partOf(this)
    const { bitmap, entry, base } = part
    const at = safeInteger(offset)
    const answer = at < 0 ? -1 : askNumber(DIRTY_AT, entry.number, base + at, 0)
    if (answer >= 0) return answer === 1
    const isDirty = native.dirtyAt(halfOf(this, part), offset)
    if (bitmap !== null) noteUse(bitmap)
    return isDirty
  })
  defineMethod(prototype, 'markDirty', function (this: Slice, offset: VmMemory.Usize, len: VmMemory.Usize): void {
    const part = partOf(this)
    const { bitmap, entry, base } = part
    const at = safeInteger(offset)
    const count = safeInteger(len)
    if (at >= 0 && count >= 0 && askNumber(MARK_DIRTY, entry.number, base + at, count) >= 0) return
    native.markDirty(halfOf(this, part), offset, len)
    if (bitmap !== null) noteUse(bitmap)
  })
  defineMethod(prototype, 'sliceAt', function (this: Slice, offset: VmMemory.Usize): Slice {
    const part = partOf(this)
    const { bitmap, entry } = part
    const at = safeInteger(offset)
    const base = part.base + at
    if (bitmap !== null && at >= 0 && base <= MAX_SAFE_INTEGER) return make(new Part(bitmap, entry, base, null))
    const slice = native.sliceAt(halfOf(this, part), offset)
    return bitmap === null ? slice : make(new Part(bitmap, entry, FAR, slice))
  })
}
