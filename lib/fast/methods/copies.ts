/** Copies of bytes, and bytes of one value, within one window. */
import type * as VmMemory from '../../../index'
import {
  bufferOf,
  byteOffsetOf,
  Bytes,
  fillBytes,
  isSharedArrayBuffer,
  lengthOf,
  setBytes,
  tagOf,
} from '../../intrinsics'
import * as alarm from '../alarm'
import * as ends from '../ends'
import type { Finder } from '../finder'
import * as mailbox from '../mailbox'
import type { Kind, Methods } from './kind'

// Taken out of the import, which would be looked up at each use.
const { faultCount, isWhole } = alarm
const { enter, isCalm, keeps, leave, stays } = ends

type Copies = Pick<Methods, 'read' | 'write' | 'readSlice' | 'writeSlice' | 'fill'>

/** The engine copies plain memory as fast as memcpy, but shared memory byte by byte: native copies win above this. */
const MAX_SHARED = 64 * 1024

/** The length of a `Uint8Array` that is worth a copy here, and no view of lost memory; else -1. */
export function copyLength(buf: unknown): number {
  if (tagOf(buf) !== 'Uint8Array' || !isWhole()) return -1
  const length = lengthOf(buf)
  if (length > MAX_SHARED && isSharedArrayBuffer(bufferOf(buf))) return -1
  return length > 0 ? length : -1
}

/**
 * The engine keeps arrays of up to so many bytes without a buffer, and has to make one when it is asked for it: that takes 1 µs.
 * To copy the bytes into the box takes 20 ns.
 */
const MAX_WITHOUT_BUFFER = 64

/**
 * The first `length` bytes of an array, and no more when another thread enlarges what it lies in meanwhile. Those of a short one
 * are in the box, until that is used again.
 */
export function firstBytes(buf: unknown, length: number): Uint8Array {
  const boxed = lengthOf(buf) <= MAX_WITHOUT_BUFFER ? mailbox.boxed(buf, length) : null
  if (boxed !== null) return boxed
  const buffer = bufferOf(buf)
  return lengthOf(buf) === length && !isSharedArrayBuffer(buffer)
    ? (buf as Uint8Array)
    : new Bytes(buffer, byteOffsetOf(buf), length)
}

/** Copies from memory, if it is certain that all of it can be copied; whether it was. */
function tryRead(cursor: Finder, buf: VmMemory.Bytes, length: number, addr: unknown): boolean {
  const offset = length < 0 ? -1 : cursor.locate(addr, length)
  if (offset < 0 || !enter()) return false
  const { window } = cursor
  try {
    setBytes(buf, new Bytes(window.buffer, offset, length))
  } finally {
    leave()
  }
  return isCalm() || stays(window)
}

/**
 * Copies to memory, if it is certain that there is memory for all of it; whether it did.
 *
 * Whether an array lies in shared memory, and may grow before it is copied, is not asked first: that takes as long as the copy,
 * and far longer where there is no buffer yet. Its length is looked at again instead. What was copied too much then lies within
 * the same region, and all that there is by then is written after it. Where no more than `length` may be written, as in what
 * stands for a part of a window, there is no room for that.
 */
function tryWrite(cursor: Finder, buf: VmMemory.Bytes, length: number, addr: unknown, isStrict: boolean): boolean {
  const offset = length < 0 ? -1 : cursor.locate(addr, length)
  const { window } = cursor
  if (offset < 0 || window.isTracked || !enter()) return false
  try {
    setBytes(window.bytes, isStrict ? firstBytes(buf, length) : (buf as Uint8Array), offset)
    if (!isStrict && lengthOf(buf) !== length) return false
  } catch {
    // It has grown beyond the window; or the native method says what else there is.
    return false
  } finally {
    leave()
  }
  return isCalm() || keeps(window, cursor, offset, length)
}

/** Whether it is certain that a value is one of a byte, and a count one of bytes. */
function isFill(value: unknown, count: unknown): count is number {
  return (
    typeof value === 'number' &&
    (value & 0xff) === value &&
    typeof count === 'number' &&
    (count | 0) === count &&
    count > 0
  )
}

/** Fills memory, if it is certain that all of the bytes are there; whether it was filled. */
function tryFill(cursor: Finder, value: number, addr: unknown, count: number): boolean {
  const offset = cursor.locate(addr, count)
  const { window } = cursor
  if (offset < 0 || window.isTracked || !enter()) return false
  try {
    fillBytes(window.bytes, value, offset, offset + count)
  } finally {
    leave()
  }
  return isCalm() || keeps(window, cursor, offset, count)
}

/**
 * Copies from memory to the first `length` bytes of some, by the mailbox if no window has them; whether it did. Else there were not
 * so many, or there was a fault since there had been `faults`: those are counted before the length is asked for, which is where
 * it is seen whether the bytes themselves were lost.
 */
export function copyOut(
  finder: Finder,
  buf: VmMemory.Bytes,
  length: number,
  addr: unknown,
  faults: number | undefined,
): boolean {
  const done =
    tryRead(finder, buf, length, addr) ||
    (length > 0 && mailbox.readSlice(finder.number, buf, length, finder.mailAddress(addr, length)))
  return done && faultCount() === faults
}

/** Copies all of some bytes to memory; whether it did. Else there is not so much of it, or there was a fault, as above. */
function copyIn(finder: Finder, buf: VmMemory.Bytes, addr: unknown, faults: number | undefined): boolean {
  if (tryWrite(finder, buf, copyLength(buf), addr, finder.isPart)) return faultCount() === faults
  // Asked again, since the array may have grown.
  const length = copyLength(buf)
  return (
    length > 0 &&
    mailbox.writeSlice(finder.number, buf, length, finder.mailAddress(addr, length)) &&
    faultCount() === faults
  )
}

/** Copies the first `length` bytes of some to memory, and no more; whether it did, as above. */
export function copyFirst(
  finder: Finder,
  buf: VmMemory.Bytes,
  length: number,
  addr: unknown,
  faults: number | undefined,
): boolean {
  const done =
    tryWrite(finder, buf, length, addr, true) ||
    mailbox.writeSlice(finder.number, buf, length, finder.mailAddress(addr, length))
  return done && faultCount() === faults
}

export function copyMethods<F extends Finder>({ native, toNative, cursorOf }: Kind<Methods, F>): Copies {
  return {
    read(this: object, buf: VmMemory.Bytes, addr: unknown): number {
      const cursor = cursorOf(this)
      const faults = faultCount()
      const length = copyLength(buf)
      let count = tryRead(cursor, buf, length, addr) ? length : -1
      if (count < 0 && length > 0) {
        count = mailbox.read(cursor.number, buf, length, cursor.mailAddress(addr, length))
      }
      return count < 0 || faultCount() !== faults ? native.read(toNative(this, cursor), buf, addr) : count
    },
    write(this: object, buf: VmMemory.Bytes, addr: unknown): number {
      const cursor = cursorOf(this)
      const faults = faultCount()
      let length = copyLength(buf)
      let count = -1
      if (tryWrite(cursor, buf, length, addr, cursor.isPart)) count = length
      // Asked again, since the array may have grown.
      else if ((length = copyLength(buf)) > 0) {
        count = mailbox.write(cursor.number, buf, length, cursor.mailAddress(addr, length))
      }
      return count < 0 || faultCount() !== faults ? native.write(toNative(this, cursor), buf, addr) : count
    },
    readSlice(this: object, buf: VmMemory.Bytes, addr: unknown): void {
      const cursor = cursorOf(this)
      const faults = faultCount()
      if (!copyOut(cursor, buf, copyLength(buf), addr, faults)) native.readSlice(toNative(this, cursor), buf, addr)
    },
    writeSlice(this: object, buf: VmMemory.Bytes, addr: unknown): void {
      const cursor = cursorOf(this)
      if (!copyIn(cursor, buf, addr, faultCount())) native.writeSlice(toNative(this, cursor), buf, addr)
    },
    fill(this: object, value: number, addr: unknown, count: VmMemory.Usize): void {
      const cursor = cursorOf(this)
      if (!isFill(value, count)) return native.fill(toNative(this, cursor), value, addr, count)
      if (
        tryFill(cursor, value, addr, count) ||
        mailbox.fill(cursor.number, value, cursor.mailAddress(addr, count), count)
      )
        return
      native.fill(toNative(this, cursor), value, addr, count)
    },
  }
}
