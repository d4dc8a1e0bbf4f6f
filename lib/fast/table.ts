/**
 * The windows of an object by their addresses.
 *
 *     addresses   first                                                       end
 *                   |  window 0  |   hole   |win 1|win 2|      window 3        |
 *     spans         |  0  |  0  |  -  |  -  |  ?  |  2  |  3  |  3  |  3  |  3  |    ? begins in window 1 and ends in window 2
 *
 * The range of all addresses is cut into spans, whose length is a power of two, so that the span of an address is a
 * multiplication away. Memory is plugged in at round addresses: mostly no span has parts of two windows, and tells the only
 * window that an address in it can be in. In a span that does, and before there are spans, a search tells which.
 *
 * A window is made when an address in it is met first: a map of a thousand regions is mostly asked for a few. Spans are made
 * when so many addresses were searched for that it would have been worth it.
 */
import type * as VmMemory from '../../index'
import { I32, isInteger, lengthOf, Numbers, setPrototypeOf, toDouble } from '../intrinsics'
import type { Backing } from './places/backing'
import { NO_NUMBER } from './mailbox'
import { NOWHERE, type Source, Window } from './window'

/** The longest window: offsets in it are small integers. Longer pieces have several. */
const MAX_WINDOW = 2 ** 30

/**
 * How many spans there are at most, unless there are more windows: 8 bytes each, and 4 more. 256 regions of 1 MiB at strides
 * of 1.25 MiB, half of them above 4 GiB, have 8400.
 */
const MAX_SPANS = 16384

/** A search takes some 15 ns more than a span, and to make a span some 2 ns: so many searches are worth one span. */
const SEARCHES_PER_SPAN = 1 / 8

/** In `numbers`: a span without a window, and one with parts of two. */
const NO_WINDOW = -1
const AMBIGUOUS = -2

/** Numbers for each piece of a layout: start, size, whether it has windows, whether it is tracked. */
const PER_PIECE = 4

/** In place of a window that cannot be opened. */
const CLOSED = new Window(NaN, 0, 0, 0, false)

const NO_NUMBERS = new I32()

/** To open a window, perhaps in vain, takes 2 µs: with so many accesses by the mailbox in between, 8 ns for each. */
const ASKED_BEFORE_RETRY = 256

/** Less than any number of the mailbox. */
const ASK = -1

/** An array that has nothing but its elements: what is not there cannot be found on a prototype of users either. */
function bare<T>(): T[] {
  return setPrototypeOf([], null) as T[]
}

/** Before there are spans. */
const NO_SPANS: readonly Window[] = bare<Window>()

export class Table {
  /** The regions that were asked for, by piece. */
  readonly regions = bare<VmMemory.GuestRegionMmap>()
  /** The same as what slices and references are parts of. */
  readonly backings = bare<Backing>()
  /** By number; `NOWHERE` for those that were not opened, or cannot be. */
  private readonly windows = bare<Window>()
  /** Where the windows start, and of which pieces they are. */
  private readonly starts: Float64Array
  private readonly pieces: Int32Array
  /** From this address on it is not known what there is. */
  private readonly limit: number
  /** The length of a span. */
  private readonly unit: number
  /** How many addresses have to be searched for before there are spans. */
  private readonly patience: number
  private searches = 0
  /** How often a window was asked for that is closed. */
  private refused = 0
  /** What the mailbox knows the memory by; `ASK` before it was asked. */
  private known = ASK
  /** The number of the window that each span has a part of. */
  private numbers = NO_NUMBERS
  /** The open windows by span; `NOWHERE` for what is not certain. */
  spans: readonly Window[] = NO_SPANS
  /** Where spans begin, and their number for each byte. */
  readonly first: number
  readonly scale: number

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
    this.limit = layout[0] as number
    this.first = starts[0] ?? 0
    this.unit = this.exactUnit(last)
    this.scale = 1 / this.unit
    this.patience = ((last - this.first) / this.unit) * SEARCHES_PER_SPAN
  }

  /** What the mailbox knows the memory by; `NO_NUMBER` where it does not. */
  get number(): number {
    return this.known === ASK ? this.askNumber() : this.known
  }

  private askNumber(): number {
    this.known = this.source === null ? NO_NUMBER : this.source.number()
    return this.known
  }

  /** The greatest length of spans of which none has parts of two windows, or the least that does not make too many. */
  private exactUnit(end: number): number {
    const { starts, first } = this
    const count = lengthOf(starts)
    const limit = count > MAX_SPANS ? count : MAX_SPANS
    let unit = 2 ** 53
    for (let number = 1; number < count; number += 1) {
      const start = starts[number] as number
      const before = this.endOf(number - 1) - 1
      while (spanOf(start - first, unit) === spanOf(before - first, unit) && (end - first) / unit < limit / 2) unit /= 2
    }
    return unit
  }

  /** The first address behind a window. */
  private endOf(number: number): number {
    const piece = this.pieces[number] as number
    const end = this.startOf(piece) + this.sizeOf(piece)
    const longest = (this.starts[number] as number) + MAX_WINDOW
    return end < longest ? end : longest
  }

  /** Makes the spans, with the windows that are open. */
  private makeSpans(): void {
    const { starts, windows, first, unit } = this
    const count = lengthOf(starts)
    const length = spanOf(this.endOf(count - 1) - 1 - first, unit) + 1
    const numbers = new I32(length)
    const spans = bare<Window>()
    for (let span = 0; span < length; span += 1) {
      numbers[span] = NO_WINDOW
      spans[span] = NOWHERE
    }
    this.numbers = numbers
    this.spans = spans
    for (let number = 0; number < count; number += 1) {
      const last = spanOf(this.endOf(number) - 1 - first, unit)
      for (let span = spanOf((starts[number] as number) - first, unit); span <= last; span += 1) {
        numbers[span] = numbers[span] === NO_WINDOW ? number : AMBIGUOUS
      }
    }
    for (let number = 0; number < count; number += 1) {
      const window = windows[number] as Window
      if (window !== NOWHERE) this.putIntoSpans(number, window)
    }
  }

  private putIntoSpans(number: number, window: Window): void {
    const { numbers, first, unit } = this
    const spans = this.spans as Window[]
    const length = lengthOf(numbers)
    const last = spanOf(this.endOf(number) - 1 - first, unit)
    for (let span = spanOf((this.starts[number] as number) - first, unit); span <= last && span < length; span += 1) {
      if (numbers[span] === number) spans[span] = window
    }
  }

  /** The only window that an address can be in, if that was opened. */
  find(address: number): Window {
    const number = this.numberOf(address)
    return number < 0 ? NOWHERE : (this.windows[number] as Window)
  }

  /** The number of the window that an address is in; -1 when there is none. */
  private numberOf(address: number): number {
    const { numbers, starts } = this
    const span = (address - this.first) * this.scale
    let number = AMBIGUOUS
    if (span >= 0 && span < lengthOf(numbers)) number = numbers[span | 0] as number
    else if (this.spans === NO_SPANS) this.note()
    if (number === AMBIGUOUS) number = this.search(address, lengthOf(starts) - 1)
    // Not a comparison that NaN would pass.
    return number >= 0 && address >= (starts[number] as number) && address < this.endOf(number) ? number : NO_WINDOW
  }

  /** Counts a search, and makes spans where they are worth it. */
  private note(): void {
    this.searches += 1
    if (this.searches > this.patience && lengthOf(this.starts) > 0) this.makeSpans()
  }

  /** The number of the last window that does not start behind an address; the first one, if all do. */
  private search(address: number, high: number): number {
    let low = 0
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.starts[middle] as number) <= address) low = middle
      else high = middle - 1
    }
    return high < 0 ? NO_WINDOW : low
  }

  /** Opens the window that an address is in, if nobody has tried to, or if it was closed; whether it is open now. */
  open(address: number): boolean {
    const { source, layout, windows } = this
    const number = this.numberOf(address)
    if (number < 0 || source === null) return false
    const before = windows[number] as Window
    if (before !== NOWHERE && (before === CLOSED || before.limit1 >= 0 || !this.isTimeToRetry())) return false
    if (before === NOWHERE) windows[number] = CLOSED
    const piece = this.pieces[number] as number
    if (layout[piece * PER_PIECE + 3] === 0) return false
    const start = this.starts[number] as number
    const pieceOffset = start - this.startOf(piece)
    const left = this.sizeOf(piece) - pieceOffset
    const size = left < MAX_WINDOW ? left : MAX_WINDOW
    const isTracked = layout[piece * PER_PIECE + 4] === 1
    const window = new Window(start, size, piece, pieceOffset, isTracked)
    if (!window.open(source)) return false
    windows[number] = window
    this.putIntoSpans(number, window)
    return true
  }

  /** Memory that was lost may have been healed since its window was closed. */
  private isTimeToRetry(): boolean {
    this.refused += 1
    return this.refused % ASKED_BEFORE_RETRY === 0
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

/** The number of the span at a distance from the first address. (Not by bits: it may be beyond 32 of them.) */
function spanOf(distance: number, unit: number): number {
  return (distance - (distance % unit)) / unit
}

/** The layout of no memory. */
export const NO_LAYOUT = new Numbers(1)

/** How many pieces a layout has. */
export function piecesOf(layout: Float64Array): number {
  return (lengthOf(layout) - 1) / PER_PIECE
}

/** Knows no address. */
export const EMPTY = new Table(null, NO_LAYOUT)
