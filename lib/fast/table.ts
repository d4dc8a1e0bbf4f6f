/**
 * The windows of an object by their addresses.
 *
 *     addresses   first                                                       end
 *                   |  window 0  |   hole   |win 1|win 2|      window 3        |
 *     spans         |  0  |  1  |  2  |  3  |  4  |  5  |  6  |  7  |  8  |  9  |
 *     last          0     0     0     0     0     2     3     3     3     3     3    the last window that starts before
 *                                                                                    the end of the span
 *
 * The range of all addresses is cut into spans of equal length, so that the span of an address is a multiplication away. What
 * `last` tells of the span before and of the span itself is mostly the same window, and that is the only one that the address
 * can be in. Where a window starts within the span, a search among those that do tells which.
 *
 * A window is made when an address in it is met first: a map of a thousand regions is mostly asked for a few.
 */
import type * as VmMemory from '../../index'
import { I32, isInteger, lengthOf, Numbers, setPrototypeOf, toDouble } from '../intrinsics'
import { NOWHERE, type Source, Window } from './window'

/** The longest window: offsets in it are small integers. Longer pieces have several. */
const MAX_WINDOW = 2 ** 30

/**
 * How many spans there are at least, and for each window. With 8192 at least, a map of two regions took 32 KiB and nothing was
 * faster at 2 and 8 regions than with 64, which take 264 bytes. With 32 for each window, 256 regions of equal size at random
 * take no search.
 */
const MIN_SPANS = 64
const SPANS_PER_WINDOW = 32

/** Numbers for each piece of a layout: start, size, whether it can be read and written, whether it is tracked. */
const PER_PIECE = 4

/** In place of a window that cannot be opened. */
const CLOSED = new Window(NaN, 0, 0, 0, false)

/** An array that has nothing but its elements: what is not there cannot be found on a prototype of users either. */
function bare<T>(): T[] {
  return setPrototypeOf([], null) as T[]
}

export class Table {
  /** The regions that were asked for, by piece. */
  readonly regions = bare<VmMemory.GuestRegionMmap>()
  /** By number; `NOWHERE` for those that were not opened, or cannot be. */
  private readonly windows = bare<Window>()
  /** Where the windows start, and of which pieces they are. */
  private readonly starts: Float64Array
  private readonly pieces: Int32Array
  /** From this address on it is not known what there is. */
  private readonly limit: number
  /** Element `i + 1` tells the last window that starts before the end of span `i`. */
  private readonly lastInSpan: Int32Array
  private readonly first: number
  private readonly spansPerByte: number

  /** @param layout the limit, and the numbers of each piece */
  constructor(
    private readonly source: Source | null,
    private readonly layout: Float64Array,
  ) {
    const { windows } = this
    const pieceCount = piecesOf(layout)
    let count = 0
    for (let piece = 0; piece < pieceCount; piece += 1) {
      for (let offset = 0; offset < this.sizeOf(piece); offset += MAX_WINDOW) count += 1
    }
    const starts = (this.starts = new Numbers(count))
    const pieces = (this.pieces = new I32(count))
    let last = 0
    count = 0
    for (let piece = 0; piece < pieceCount; piece += 1) {
      const start = this.startOf(piece)
      const size = this.sizeOf(piece)
      for (let offset = 0; offset < size; offset += MAX_WINDOW) {
        starts[count] = start + offset
        pieces[count] = piece
        windows[count] = NOWHERE
        count += 1
      }
      last = start + size
    }
    const wanted = SPANS_PER_WINDOW * count
    const spans = count <= 1 ? count : wanted > MIN_SPANS ? wanted : MIN_SPANS
    this.limit = layout[0] as number
    this.first = starts[0] ?? 0
    this.spansPerByte = count === 0 ? 0 : spans / (last - this.first)
    // One more in front, and one behind for what is rounded up.
    const lastInSpan = (this.lastInSpan = new I32(spans + 2))
    for (let index = 1, span = 0; index <= count; index += 1) {
      const next = index < count ? this.spanOf(starts[index] as number) + 1 : spans + 2
      for (; span < next; span += 1) lastInSpan[span] = index - 1
    }
  }

  private spanOf(address: number): number {
    return ((address - this.first) * this.spansPerByte) | 0
  }

  /** The only window that an address can be in, if that was opened. */
  find(address: number): Window {
    const { lastInSpan, windows } = this
    const span = this.spanOf(address)
    const low = lastInSpan[span] as number
    const high = lastInSpan[span + 1] as number
    // Outside of all spans there is nothing.
    return (low === high ? windows[low] : windows[this.search(address, low, high)]) ?? NOWHERE
  }

  /** The number of the last of some windows that does not start behind an address. */
  private search(address: number, low: number, high: number): number {
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.starts[middle] as number) <= address) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The number of the window that an address is in; -1 when there is none. */
  private numberOf(address: number): number {
    const span = this.spanOf(address)
    const low = this.lastInSpan[span]
    const high = this.lastInSpan[span + 1]
    if (low === undefined || high === undefined) return -1
    const number = this.search(address, low, high)
    const piece = this.pieces[number]
    if (piece === undefined) return -1
    const distance = address - this.startOf(piece)
    return distance >= 0 && distance < this.sizeOf(piece) ? number : -1
  }

  /** Opens the window that an address is in, if nobody has tried to; whether it is open now. */
  open(address: number): boolean {
    const { source, layout, windows } = this
    const number = this.numberOf(address)
    if (number < 0 || source === null || windows[number] !== NOWHERE) return false
    windows[number] = CLOSED
    const piece = this.pieces[number] as number
    if (layout[piece * PER_PIECE + 3] !== 1) return false
    const start = this.starts[number] as number
    const pieceOffset = start - this.startOf(piece)
    const left = this.sizeOf(piece) - pieceOffset
    const size = left < MAX_WINDOW ? left : MAX_WINDOW
    const window = new Window(start, size, piece, pieceOffset, layout[piece * PER_PIECE + 4] === 1)
    if (!window.open(source)) return false
    windows[number] = window
    return true
  }

  /** Where a piece of memory starts. */
  startOf(piece: number): number {
    return this.layout[piece * PER_PIECE + 1] as number
  }

  /** How long a piece of memory is, in bytes. */
  sizeOf(piece: number): number {
    return this.layout[piece * PER_PIECE + 2] as number
  }

  /** The piece that an integer is an address of; -1 when there is none, undefined when that is not certain. */
  pieceAt(address: unknown): number | undefined {
    const number = typeof address === 'bigint' ? toDouble(address) : address
    if (typeof number !== 'number' || !(number >= 0 && number < this.limit) || !isInteger(number)) return undefined
    const window = this.numberOf(number)
    return window < 0 ? -1 : this.pieces[window]
  }
}

/** The layout of no memory. */
export const NO_LAYOUT = new Numbers(1)

/** How many pieces a layout has. */
export function piecesOf(layout: Float64Array): number {
  return (lengthOf(layout) - 1) / PER_PIECE
}

/** Knows no address. */
export const EMPTY = new Table(null, NO_LAYOUT)
