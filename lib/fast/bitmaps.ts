/** Bitmaps: their methods by the mailbox. */
import type * as VmMemory from '../../index'
import { defineProperty, uncurryThis } from '../intrinsics'
import { defineMethod } from '../protocols'
import { Existing } from './existing'
import { safeInteger } from './finder'
import { askNumber, NO_NUMBER, numberOf, operation } from './mailbox'
import { nativesOf } from './natives'

type Bitmap = VmMemory.AtomicBitmap

/** What is kept with a bitmap. */
class Entry {
  /** What the mailbox knows it by, once it was worth a number. */
  number = NO_NUMBER
  uses = 0
}

const NO_ENTRY = new Entry()

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

const { entry: entryOf, put } = BitmapStamp

/** Notes that a native method has worked, so that the object is a bitmap. */
function noteUse(object: object): void {
  put(object)
  const entry = entryOf(object)
  entry.uses += 1
  if (entry.uses !== WORTH_FROM) return
  try {
    entry.number = numberOf(object)
  } catch {
    // Native methods do.
  }
}

const BITS = operation('bits')
const BYTE_SIZE = operation('byteSize')
const IS_BIT_SET = operation('isBitSet')
const DIRTY_AT = operation('dirtyAt')
const SET_BIT = operation('setBit')
const RESET_BIT = operation('resetBit')
const MARK_DIRTY = operation('markDirty')
const RESET_RANGE = operation('resetRange')

type Question = (this: Bitmap, index: VmMemory.Usize) => boolean
type Order = (this: Bitmap, index: VmMemory.Usize) => void
type RangeOrder = (this: Bitmap, start: VmMemory.Usize, length: VmMemory.Usize) => void

/** Gives a bitmap what is kept with it, before anybody has it. */
export const stampBitmap = put

export function installBitmaps({ prototype }: typeof VmMemory.AtomicBitmap): void {
  const native = nativesOf(prototype)

  function question(name: 'isBitSet' | 'isAddrSet' | 'dirtyAt', asked: number): Question {
    const nativeMethod = native[name]
    return function (index) {
      const answer = askNumber(asked, entryOf(this).number, index, 0)
      if (answer >= 0) return answer === 1
      const isSet = nativeMethod(this, index)
      noteUse(this)
      return isSet
    }
  }

  function order(name: 'setBit' | 'resetBit', asked: number): Order {
    const nativeMethod = native[name]
    return function (index) {
      if (askNumber(asked, entryOf(this).number, index, 0) >= 0) return
      nativeMethod(this, index)
      noteUse(this)
    }
  }

  function rangeOrder(name: 'setAddrRange' | 'resetAddrRange' | 'markDirty', asked: number): RangeOrder {
    const nativeMethod = native[name]
    return function (start, length) {
      const count = safeInteger(length)
      if (count >= 0 && askNumber(asked, entryOf(this).number, start, count) >= 0) return
      nativeMethod(this, start, length)
      noteUse(this)
    }
  }

  /** What `enlarge` changes is asked for each time. */
  function getter(name: 'len' | 'byteSize', asked: number): void {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
    const nativeGetter = uncurryThis(descriptor.get as (this: Bitmap) => number)
    defineProperty(prototype, name, {
      ...descriptor,
      get(this: Bitmap): number {
        const answer = askNumber(asked, entryOf(this).number, 0, 0)
        if (answer >= 0) return answer
        const value = nativeGetter(this)
        noteUse(this)
        return value
      },
    })
  }

  getter('len', BITS)
  getter('byteSize', BYTE_SIZE)
  const methods = {
    isBitSet: question('isBitSet', IS_BIT_SET),
    isAddrSet: question('isAddrSet', DIRTY_AT),
    dirtyAt: question('dirtyAt', DIRTY_AT),
    setBit: order('setBit', SET_BIT),
    resetBit: order('resetBit', RESET_BIT),
    setAddrRange: rangeOrder('setAddrRange', MARK_DIRTY),
    markDirty: rangeOrder('markDirty', MARK_DIRTY),
    resetAddrRange: rangeOrder('resetAddrRange', RESET_RANGE),
  }
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
}
