/**
 * Slices and references as plain objects, each with a place: which bytes of which mapping it is about.
 *
 *     slice ── Place ──┬── window ──► buffer ──► the mapping, which is mapped for as long as anybody has it
 *                      └── backing ──► the region or the mapping that it is a part of, as an object
 *
 * So an object needs nothing of its own in Rust, and no finalizer. Where a native method is called on it, or something
 * native gets it as an argument, its native half is made, and kept with the place.
 */
import { isInteger, toDouble } from '../../intrinsics'
import { hasAnythingEnded, heed, isCalm as isCalmNow } from '../ends'
import { type Finder, safeInteger, toNumber as numberOf } from '../finder'
import { NO_NUMBER } from '../mailbox'
import { NOWHERE as NONE, type Window } from '../window'
import type { Backing } from './backing'
import { NO_KIND, type ScalarKind } from './kinds'

// What is imported is looked up at each use, which makes functions longer than the engine likes.
const NOWHERE = NONE
const toNumber = numberOf
const isCalm = isCalmNow

/** Of a place whose memory was not looked for yet; and of one that no single window has all of. */
export const NOT_YET = 0
const NEVER = -1

export class Place implements Finder {
  constructor(
    readonly backing: Backing | null,
    /** The window that has the bytes, and where in it the first of them is; `NOWHERE` before that was looked for. */
    public window: Window,
    public base: number,
    /** How many of the bytes can be met in `window` at `base`: all of them, `NOT_YET` or `NEVER`. */
    public reach: number,
    /** Where in the mapping the first byte is. */
    readonly offset: number,
    /** In bytes. */
    readonly length: number,
    /** Of a reference, the type of its values. */
    readonly kind: ScalarKind,
    /** The native half, once there is one. */
    public native: object | null,
  ) {}

  get isPart(): boolean {
    return true
  }

  get number(): number {
    return this.backing === null ? NO_NUMBER : this.backing.finder.number
  }

  mailAddress(address: unknown, size: number): number {
    const at = safeInteger(address)
    return at >= 0 && at + size <= this.length ? this.offset + at : -1
  }

  addressIn(window: Window, offset: number): number {
    return window.pieceOffset + offset
  }

  locate(address: unknown, size: number): number {
    const number = typeof address === 'number' ? address : toNumber(address)
    const at = number >>> 0
    if (!isCalm()) heed()
    const isAtHand = at === number && at <= this.reach - size && this.window.limit1 >= 0
    return isAtHand ? this.base + at : this.find(number, size)
  }

  /** Looks for the memory. */
  private find(address: number, size: number): number {
    const { backing, offset, length } = this
    if (backing === null || !(address >= 0 && address + size <= length) || !isInteger(address)) return -1
    if (this.reach !== NEVER && this.attach()) return this.base + address
    const at = this.reach === NEVER ? backing.finder.locate(offset + address, size) : -1
    if (at >= 0) this.window = backing.finder.window
    return at
  }

  /** Whether the memory has certainly not been released. */
  isThere(): boolean {
    if (!isCalm()) heed()
    return this.reach > 0 ? this.window.limit1 >= 0 : !hasAnythingEnded()
  }

  /** Looks for the one window that has all of the bytes; whether there is one. */
  attach(): boolean {
    const { backing, reach, length } = this
    if (!isCalm()) heed()
    if (reach > 0 && this.window.limit1 >= 0) return true
    if (reach === NEVER || length === 0 || backing === null || !backing.finder.knowsMemory()) return false
    const at = backing.finder.locate(this.offset, length)
    if (at < 0) {
      // Where there was a window, it may be opened again.
      if (reach === NOT_YET) this.reach = NEVER
      return false
    }
    this.reach = length
    this.window = backing.finder.window
    this.base = at
    return true
  }

  knowsMemory(): boolean {
    return this.reach !== NOT_YET || (this.backing !== null && this.backing.finder.knowsMemory())
  }

  /** The place keeps its memory by itself. */
  hold(): boolean {
    return false
  }

  letGo(): void {}

  /** The place of some of the bytes, which must be among them. */
  part(offset: number, length: number, kind: ScalarKind): Place {
    const { reach } = this
    return reach > 0
      ? new Place(this.backing, this.window, this.base + offset, length, this.offset + offset, length, kind, null)
      : new Place(this.backing, NOWHERE, 0, NOT_YET, this.offset + offset, length, kind, null)
  }
}

/** Of what is no slice and no reference: nothing is within it. */
export const NO_PLACE = new Place(null, NOWHERE, 0, NOT_YET, 0, -1, NO_KIND, null)

/** An offset or a count that is certainly one; -1 for everything else, which is left to the native methods. */
export function sizeOf(value: unknown): number {
  return typeof value === 'number' && value >>> 0 === value ? value >>> 0 : -1
}

/** An offset or a count that a native method has taken. (Not the zero that is negative.) */
export function sizeTaken(value: unknown): number {
  return toDouble(value) + 0
}
