/**
 * A few elements, which are moved one by one: a view to copy from takes as long as thirty of them, and the bytes of an array
 * that is as short as this are nowhere yet where a copy could find them.
 *
 * Rust moves up to 8 bytes in one access where they are aligned, so that nobody sees half of them. Of those, only two words
 * are moved here, as one.
 */
import { bufferOf, Bytes, U16, U32, U64 } from '../../intrinsics'
import type { Window } from '../window'

/** So many elements are few: with 16 bytes, 60 ns became 25. */
const FEW = 16

type Elements = ArrayLike<number | bigint>
type Numbers = { [index: number]: number }

/** Moves all of the `length` elements of an array from a window, or to it, that has them at an offset; whether it did. */
export interface Few {
  take(array: Elements, window: Window, offset: number, length: number): boolean
  give(array: Elements, window: Window, offset: number, length: number): boolean
}

const ONE_ACCESS = 8

/** Two words in one. */
const cell = new U64(1)
const halves = new U32(bufferOf(cell))

/** What is given, until all of it was read: an array may be a view of the memory that it is given to. */
const bytesGiven = new Bytes(FEW)
const halvesGiven = new U16(FEW)
const wordsGiven = new U32(FEW)

/** Each is written out, so that the engine knows what it moves. */
export const bytesOneByOne: Few = {
  take(array, { bytes }, offset, length) {
    if (length > FEW || length <= ONE_ACCESS) return false
    for (let index = 0; index < length; index += 1) (array as Numbers)[index] = bytes[offset + index] as number
    return true
  },
  give(array, { bytes }, offset, length) {
    if (length > FEW || length <= ONE_ACCESS) return false
    for (let index = 0; index < length; index += 1) bytesGiven[index] = array[index] as number
    for (let index = 0; index < length; index += 1) bytes[offset + index] = bytesGiven[index] as number
    return true
  },
}

export const halvesOneByOne: Few = {
  take(array, { u16 }, offset, length) {
    if (length > FEW || length * 2 <= ONE_ACCESS || (offset & 1) !== 0) return false
    const at = offset >>> 1
    for (let index = 0; index < length; index += 1) (array as Numbers)[index] = u16[at + index] as number
    return true
  },
  give(array, { u16 }, offset, length) {
    if (length > FEW || length * 2 <= ONE_ACCESS || (offset & 1) !== 0) return false
    const at = offset >>> 1
    for (let index = 0; index < length; index += 1) halvesGiven[index] = array[index] as number
    for (let index = 0; index < length; index += 1) u16[at + index] = halvesGiven[index] as number
    return true
  },
}

export const wordsOneByOne: Few = {
  take(array, { u32, u64 }, offset, length) {
    if (length === 2 && (offset & 7) === 0) {
      cell[0] = u64[offset >>> 3] as bigint
      const numbers = array as Numbers
      numbers[0] = halves[0] as number
      numbers[1] = halves[1] as number
      return true
    }
    if (length > FEW || length <= 2 || (offset & 3) !== 0) return false
    const at = offset >>> 2
    for (let index = 0; index < length; index += 1) (array as Numbers)[index] = u32[at + index] as number
    return true
  },
  give(array, { u32, u64 }, offset, length) {
    if (length === 2 && (offset & 7) === 0) {
      halves[0] = array[0] as number
      halves[1] = array[1] as number
      u64[offset >>> 3] = cell[0] as bigint
      return true
    }
    if (length > FEW || length <= 2 || (offset & 3) !== 0) return false
    const at = offset >>> 2
    for (let index = 0; index < length; index += 1) wordsGiven[index] = array[index] as number
    for (let index = 0; index < length; index += 1) u32[at + index] = wordsGiven[index] as number
    return true
  },
}

/** Of 64 bits: each would be a bigint in between. */
export const notOneByOne: Few = {
  take: () => false,
  give: () => false,
}
