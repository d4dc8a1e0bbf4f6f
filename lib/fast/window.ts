/** A piece of one mapping behind a view of its own, or a part of a long one. */

import { Bytes, View } from './intrinsics'

/** What windows on the memory of one object are made with. */
export interface Source {
  openWindow(piece: number, offset: number, length: number): ArrayBuffer
  dirtyMarker(piece: number): ((offset: number, length: number) => void) | null
  /** Whether windows begin on a page of the host: what is aligned in them is aligned there. */
  readonly isPageAligned: boolean
}

const NO_BUFFER = new ArrayBuffer()
const NO_VIEW = new View(NO_BUFFER)
const NO_BYTES = new Uint8Array()
const NO_U16 = new Uint16Array()
const NO_U32 = new Uint32Array()
const NO_U64 = new BigUint64Array()

/** The fields that each access needs come first, so that they lie together. */
export class Window {
  /** Address of the first byte. */
  readonly start: number
  /** How many of its bytes can be met here: none before it was opened. */
  private reach = 0
  view = NO_VIEW
  buffer = NO_BUFFER
  bytes = NO_BYTES
  /** The same bytes for `Atomics`, where windows begin on a page; a rest at the end is left out. */
  u16 = NO_U16
  u32 = NO_U32
  u64 = NO_U64
  /** Marks bytes of the piece dirty, by offset in the piece. */
  private mark: ((offset: number, length: number) => void) | null = null
  readonly size: number
  /** Which piece of memory it is part of, and where in that it starts. */
  readonly piece: number
  readonly pieceOffset: number
  private readonly isTracked: boolean
  /** Whether there is no point in opening it (again). */
  private wasTried: boolean

  constructor(
    start: number,
    size: number,
    piece: number,
    pieceOffset: number,
    isReadWrite: boolean,
    isTracked: boolean,
  ) {
    this.start = start
    this.size = size
    this.piece = piece
    this.pieceOffset = pieceOffset
    this.isTracked = isTracked
    this.wasTried = !isReadWrite
  }

  /** Where in the window an access of `size` bytes at `address` begins; -1 when it is not within, or not certain. */
  offsetOf(address: number, size: number): number {
    const distance = address - this.start
    const offset = distance | 0
    // Only an integer of 32 bits is equal to itself as one.
    return offset === distance && offset >= 0 && offset <= this.reach - size ? offset : -1
  }

  /** Notes that bytes were written, by offset in the window. */
  markDirty(offset: number, length: number): void {
    if (this.mark !== null) this.mark(this.pieceOffset + offset, length)
  }

  /** Makes the view, when it is needed first; whether that is done now. */
  open(source: Source): boolean {
    if (this.wasTried) return false
    this.wasTried = true
    try {
      const buffer = source.openWindow(this.piece, this.pieceOffset, this.size)
      if (this.isTracked) this.mark = source.dirtyMarker(this.piece)
      this.buffer = buffer
      this.bytes = new Bytes(buffer)
      if (source.isPageAligned) {
        this.u16 = new Uint16Array(buffer, 0, this.size >> 1)
        this.u32 = new Uint32Array(buffer, 0, this.size >> 2)
        this.u64 = new BigUint64Array(buffer, 0, this.size >> 3)
      }
      this.view = new View(buffer)
      this.reach = this.size
      return true
    } catch {
      // The native methods will say what is wrong.
      return false
    }
  }
}

/** No address is in it. The first window, so that the engine expects a double where windows start. */
export const NOWHERE = new Window(NaN, 0, 0, 0, false, false)
