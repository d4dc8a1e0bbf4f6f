/** The windows of an object by their addresses. */
import type * as VmMemory from '../../index'
import { isInteger } from './intrinsics'
import { NOWHERE, type Source, Window } from './window'

/** The longest window: offsets in it are small integers. Longer pieces have several. */
const MAX_WINDOW = 2 ** 30

/** How many spans there are at least, and for each window. */
const MIN_SPANS = 8192
const SPANS_PER_WINDOW = 32

export class Table {
  /** The regions that were asked for, by piece. */
  readonly regions: VmMemory.GuestRegionMmap[] = []
  private readonly windows: Window[] = []
  /** From this address on it is not known what there is. */
  private readonly limit: number
  /**
   * The range of all addresses is cut into spans of equal length. Element `i + 1` tells the last window that starts before
   * or in span `i`: mostly the one that element `i` tells, too, and there is nothing to search.
   */
  private readonly lastInSpan: Int32Array
  private readonly first: number
  private readonly spansPerByte: number

  /** @param layout the limit; of each piece: start, size, whether it can be read and written, whether it is tracked */
  constructor(
    private readonly source: Source | null,
    layout: Float64Array,
  ) {
    const { windows } = this
    this.limit = layout[0] ?? 0
    for (let i = 1; i < layout.length; i += 4) {
      const [start = 0, size = 0, isReadWrite, isTracked] = layout.subarray(i, i + 4)
      const piece = (i - 1) / 4
      for (let offset = 0; offset < size; offset += MAX_WINDOW) {
        const length = Math.min(MAX_WINDOW, size - offset)
        windows.push(new Window(start + offset, length, piece, offset, isReadWrite === 1, isTracked === 1))
      }
    }
    const spans = windows.length <= 1 ? windows.length : Math.max(MIN_SPANS, SPANS_PER_WINDOW * windows.length)
    const last = windows.at(-1) ?? NOWHERE
    this.first = (windows[0] ?? NOWHERE).start
    this.spansPerByte = spans / (last.start + last.size - this.first)
    // One more in front, and one behind for what is rounded up.
    this.lastInSpan = new Int32Array(spans + 2)
    for (const [index, { start }] of windows.entries()) {
      const next = windows[index + 1]
      this.lastInSpan.fill(index, this.spanOf(start) + 1, next && this.spanOf(next.start) + 1)
    }
  }

  private spanOf(address: number): number {
    return ((address - this.first) * this.spansPerByte) | 0
  }

  /** The only window that an address can be in. */
  find(address: number): Window {
    const { lastInSpan, windows } = this
    const span = this.spanOf(address)
    const low = lastInSpan[span] as number
    const high = lastInSpan[span + 1] as number
    // Outside of all spans there is nothing.
    return (low === high ? windows[low] : this.search(address, low, high)) ?? NOWHERE
  }

  /** The last of some windows that does not start behind an address. */
  private search(address: number, low: number, high: number): Window | undefined {
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.windows[middle] as Window).start <= address) low = middle
      else high = middle - 1
    }
    return this.windows[low]
  }

  /** Opens a window; whether that was possible. */
  open(window: Window): boolean {
    return this.source !== null && window.open(this.source)
  }

  /** The window that an integer is the address of; null when there is none, undefined when that is not certain. */
  lookUp(address: unknown): Window | null | undefined {
    const number = typeof address === 'bigint' ? Number(address) : address
    if (typeof number !== 'number' || !(number >= 0 && number < this.limit) || !isInteger(number)) return undefined
    const window = this.find(number)
    return number >= window.start && number - window.start < window.size ? window : null
  }
}

/** Knows no address. */
export const EMPTY = new Table(null, new Float64Array())
