/** A piece of one mapping behind a view of its own, or a part of a long one. */
import { Buffer, bufferOf, Bytes, I64, Numbers, U16, U32, U64, View } from '../intrinsics'
import { door } from '../realm'
import { healCount } from './alarm'
import { closeInTime, isCalm, stays } from './ends'

/**
 * Stores the value that is in the letter in a piece of tracked memory and marks its page. One call does both: the engine may end
 * a thread between any two, and then a page would be written and not dirty, or dirty for whoever looked too early.
 */
export type TrackedWriter = () => void

/**
 * What a `TrackedWriter` reads instead of arguments, which cost 20 ns each (`crate/src/door/letter.rs`). A thread that is ended
 * while it writes the letter has changed nothing else.
 */
const letter = new U64(3)
const numbers = new Numbers(bufferOf(letter))
door.takeLetter(letter)

/** Kinds of values for a `TrackedWriter`: their size, and whether the store is an atomic one (`crate/src/door/windows.rs`). */
export const ATOMIC = 16

/** What windows on the memory of one object are made with. */
export interface Source {
  openWindow(piece: number, offset: number, length: number): ArrayBuffer
  trackedWriter(piece: number): TrackedWriter | null
  /** Gets a number of the mailbox for the memory; `NO_NUMBER` where there is none. */
  number(): number
}

const NO_BUFFER = new Buffer()
const NO_VIEW = new View(NO_BUFFER)
const NO_BYTES = new Bytes()
const NO_U16 = new U16()
const NO_U32 = new U32()
const NO_U64 = new U64()
const NO_I64 = new I64()
const NO_WRITER: TrackedWriter = () => {}

/** In place of offsets. */
export const NOT_HERE = -1
const CUT = -2

/** The fields that each access needs come first, so that they lie together. */
export class Window {
  /** Address of the first byte. */
  readonly start: number
  /** The last offset at which an access of 1, 2, 4 or 8 bytes may begin: none before the window was opened. */
  limit1 = -1
  limit2 = -1
  limit4 = -1
  limit8 = -1
  view = NO_VIEW
  buffer = NO_BUFFER
  bytes = NO_BYTES
  /** The same bytes for `Atomics`: windows begin on a page of the host. A rest at the end is left out. */
  u16 = NO_U16
  u32 = NO_U32
  u64 = NO_U64
  i64 = NO_I64
  /** Writes are left to `write`. */
  isTracked: boolean
  private writer = NO_WRITER
  /** How often lost memory had been healed when the window was opened. */
  heals: number | undefined = 0
  readonly size: number
  /** Which piece of memory it is part of, and where in that it starts. */
  readonly piece: number
  readonly pieceOffset: number

  constructor(start: number, size: number, piece: number, pieceOffset: number, isTracked: boolean) {
    this.start = start
    this.size = size
    this.piece = piece
    this.pieceOffset = pieceOffset
    this.isTracked = isTracked
  }

  /**
   * Where in the window an access of `size` bytes at `address` begins; `NOT_HERE` when that is not within, or not certain, and
   * `CUT` when it begins within and ends behind.
   */
  offsetOf(address: number, size: number): number {
    const distance = address - this.start
    const offset = distance >>> 0
    // Only an integer of 32 bits is equal to itself as one.
    if (offset !== distance || offset > this.limit1) return NOT_HERE
    return offset <= this.limit1 - size + 1 ? offset : CUT
  }

  /**
   * Writes a value of up to 32 bits to tracked memory, by offset in the window, and marks its page; whether it did. Nothing is
   * marked of what was lost before.
   */
  write(offset: number, kind: number, value: number): boolean {
    if (!isCalm() && !stays(this)) return false
    numbers[0] = this.pieceOffset + offset
    numbers[1] = kind
    numbers[2] = value
    this.writer()
    return true
  }

  /** The same for a value of 64 bits. */
  write64(offset: number, kind: number, value: bigint): boolean {
    if (!isCalm() && !stays(this)) return false
    numbers[0] = this.pieceOffset + offset
    numbers[1] = kind
    letter[2] = value
    this.writer()
    return true
  }

  /** Lets go of memory that was released. Nothing is within from now on; native methods say so. */
  close(): void {
    this.limit1 = this.limit2 = this.limit4 = this.limit8 = -1
    // No write is made without a look at the limits.
    this.isTracked = true
    this.writer = NO_WRITER
    this.buffer = NO_BUFFER
    this.bytes = NO_BYTES
    this.u16 = NO_U16
    this.u32 = NO_U32
    this.u64 = NO_U64
    this.i64 = NO_I64
    this.view = NO_VIEW
  }

  /** Makes the views; whether that was possible. */
  open(source: Source): boolean {
    try {
      this.heals = healCount()
      const writer = this.isTracked ? source.trackedWriter(this.piece) : NO_WRITER
      if (writer === null) return false
      const buffer = source.openWindow(this.piece, this.pieceOffset, this.size)
      closeInTime(buffer, this)
      this.writer = writer
      this.buffer = buffer
      this.bytes = new Bytes(buffer)
      this.u16 = new U16(buffer, 0, this.size >> 1)
      this.u32 = new U32(buffer, 0, this.size >> 2)
      this.u64 = new U64(buffer, 0, this.size >> 3)
      this.i64 = new I64(buffer, 0, this.size >> 3)
      this.view = new View(buffer)
      // Small integers, not doubles: what is compared with them is one.
      this.limit1 = (this.size - 1) | 0
      this.limit2 = (this.size - 2) | 0
      this.limit4 = (this.size - 4) | 0
      this.limit8 = (this.size - 8) | 0
      return true
    } catch {
      // The native methods will say what is wrong.
      return false
    }
  }
}

/** No address is in it. The first window, so that the engine expects a double where windows start. */
export const NOWHERE = new Window(NaN, 0, 0, 0, false)
