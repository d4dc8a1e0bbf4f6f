/** Bitmaps: their methods by the mailbox. */
import type * as VmMemory from '../../../index'
import { defineProperty, uncurryThis } from '../../intrinsics'
import { defineMethod } from '../../protocols'
import { safeInteger } from '../finder'
import { askNumber, operation } from '../mailbox'
import { nativesOf } from '../natives'
import { DIRTY_AT, entryOf, MARK_DIRTY, noteUse } from './entry'
import { installSlices, sliceAt } from './slices'

export { stampBitmap } from './entry'
export { sliceOf } from './slices'

type Bitmap = VmMemory.AtomicBitmap

const BITS = operation('bits')
const BYTE_SIZE = operation('byteSize')
const IS_BIT_SET = operation('isBitSet')
const SET_BIT = operation('setBit')
const RESET_BIT = operation('resetBit')
const RESET_RANGE = operation('resetRange')

type Question = (this: Bitmap, index: VmMemory.Usize) => boolean
type Order = (this: Bitmap, index: VmMemory.Usize) => void
type RangeOrder = (this: Bitmap, start: VmMemory.Usize, length: VmMemory.Usize) => void

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
    sliceAt,
  }
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
  installSlices()
}
