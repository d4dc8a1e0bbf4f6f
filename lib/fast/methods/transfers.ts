/** Transfers between memory and bytes: copies, where it is certain that all of the bytes are there. */
import type * as VmMemory from '../../../index'
import { lengthOf, tagOf } from '../../intrinsics'
import { faultCount } from '../alarm'
import type { Finder } from '../finder'
import { copyFirst, copyLength, copyOut, firstBytes } from './copies'
import type { Kind } from './kind'

type Transfers = VmMemory.VolatileTransfer<unknown>
type ElementCopies = Pick<VmMemory.VolatileSlice, 'copyTo' | 'copyFrom'>
type WholeTransfers = Pick<
  VmMemory.VolatileSlice,
  'readVolatile' | 'readExactVolatile' | 'writeVolatile' | 'writeAllVolatile'
>

/** Whether an array certainly has so many bytes, and they are worth a copy here. */
function has(array: unknown, count: unknown): count is number {
  return typeof count === 'number' && (count | 0) === count && count > 0 && count <= copyLength(array)
}

/** Moves bytes into memory; whether it did. */
function moveIn(finder: Finder, addr: unknown, src: unknown, count: unknown): boolean {
  const faults = faultCount()
  if (!has(src, count)) return false
  const bytes = lengthOf(src) === count ? (src as Uint8Array) : firstBytes(src, count)
  return copyFirst(finder, bytes, count, addr, faults)
}

/** Moves bytes out of memory; whether it did. */
function moveOut(finder: Finder, addr: unknown, dst: unknown, count: unknown): boolean {
  const faults = faultCount()
  return has(dst, count) && copyOut(finder, dst as Uint8Array, count, addr, faults)
}

export function transferMethods<F extends Finder>({ native, toNative, cursorOf }: Kind<Transfers, F>): Transfers {
  return {
    readVolatileFrom(this: object, addr: unknown, src: VmMemory.VolatileIo, count: VmMemory.Usize): number {
      const finder = cursorOf(this)
      if (moveIn(finder, addr, src, count)) return count as number
      return native.readVolatileFrom(toNative(this, finder), addr, src, count)
    },
    readExactVolatileFrom(this: object, addr: unknown, src: VmMemory.VolatileIo, count: VmMemory.Usize): void {
      const finder = cursorOf(this)
      if (!moveIn(finder, addr, src, count)) {
        native.readExactVolatileFrom(toNative(this, finder), addr, src, count)
      }
    },
    writeVolatileTo(this: object, addr: unknown, dst: VmMemory.VolatileIo, count: VmMemory.Usize): number {
      const finder = cursorOf(this)
      if (moveOut(finder, addr, dst, count)) return count as number
      return native.writeVolatileTo(toNative(this, finder), addr, dst, count)
    },
    writeAllVolatileTo(this: object, addr: unknown, dst: VmMemory.VolatileIo, count: VmMemory.Usize): void {
      const finder = cursorOf(this)
      if (!moveOut(finder, addr, dst, count)) {
        native.writeAllVolatileTo(toNative(this, finder), addr, dst, count)
      }
    },
  }
}

/** How many bytes both sides have; -1 of what are no bytes. */
function common(length: number, array: unknown): number {
  if (tagOf(array) !== 'Uint8Array') return -1
  const own = lengthOf(array)
  return own < length ? own : length
}

/** Those of slices that move bytes between all of a slice and other bytes. */
export function wholeTransfers<F extends Finder & { readonly length: number }>({
  native,
  toNative,
  cursorOf,
}: Kind<WholeTransfers, F>): WholeTransfers {
  return {
    readVolatile(this: object, src: VmMemory.VolatileIo): number {
      const finder = cursorOf(this)
      const count = common(finder.length, src)
      return moveIn(finder, 0, src, count) ? count : native.readVolatile(toNative(this, finder), src)
    },
    readExactVolatile(this: object, src: VmMemory.VolatileIo): void {
      const finder = cursorOf(this)
      if (!moveIn(finder, 0, src, finder.length)) native.readExactVolatile(toNative(this, finder), src)
    },
    writeVolatile(this: object, dst: VmMemory.VolatileIo): number {
      const finder = cursorOf(this)
      const count = common(finder.length, dst)
      return moveOut(finder, 0, dst, count) ? count : native.writeVolatile(toNative(this, finder), dst)
    },
    writeAllVolatile(this: object, dst: VmMemory.VolatileIo): void {
      const finder = cursorOf(this)
      if (!moveOut(finder, 0, dst, finder.length)) native.writeAllVolatile(toNative(this, finder), dst)
    },
  }
}

/** Those of slices that copy as many elements as both sides have, where elements are bytes. */
export function elementCopies<F extends Finder & { readonly length: number }>({
  native,
  toNative,
  cursorOf,
}: Kind<ElementCopies, F>): ElementCopies {
  return {
    copyTo(this: object, dst: NodeJS.TypedArray): number {
      const finder = cursorOf(this)
      const count = common(finder.length, dst)
      return moveOut(finder, 0, dst, count) ? count : native.copyTo(toNative(this, finder), dst)
    },
    copyFrom(this: object, src: NodeJS.TypedArray): void {
      const finder = cursorOf(this)
      const count = common(finder.length, src)
      if (!moveIn(finder, 0, src, count)) native.copyFrom(toNative(this, finder), src)
    },
  }
}
