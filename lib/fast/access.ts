/**
 * Memory as the fast paths see it: windows, each a piece of one mapping behind a view of its own. An answer is given only
 * where it is certain; everything else is left to the native methods.
 */

/** The native methods that windows are made with. They are taken off the classes. */
export interface Source {
  openWindow(index: number, offset: number, length: number): ArrayBuffer
  dirtyMarker(index: number): ((offset: number, length: number) => void) | null
}

/** The longest window: offsets in it are small integers. Longer pieces have several. */
const MAX_WINDOW = 2 ** 30

const NO_U16 = new Uint16Array()
const NO_U32 = new Uint32Array()
const NO_U64 = new BigUint64Array()

export class Window {
  view: DataView<ArrayBuffer> | null = null
  bytes: Uint8Array<ArrayBuffer> | null = null
  /** Marks bytes of the piece dirty, by offset in the piece. */
  private mark: ((offset: number, length: number) => void) | null = null
  /** The same bytes for `Atomics`; a rest at the end is left out. */
  u16 = NO_U16
  u32 = NO_U32
  u64 = NO_U64
  /** Whether opening it has failed, or is not to be tried. */
  closed: boolean

  constructor(
    /** Address of the first byte. */
    readonly start: number,
    readonly size: number,
    /** Which piece of memory it is part of, and where in that it starts. */
    readonly piece: number,
    readonly pieceOffset: number,
    isReadWrite: boolean,
    readonly isTracked: boolean,
  ) {
    this.closed = !isReadWrite
  }

  /** Notes that bytes were written, by offset in the window. */
  markDirty(offset: number, length: number): void {
    if (this.mark !== null) this.mark(this.pieceOffset + offset, length)
  }

  /** Makes the view, when it is needed first; whether there is one. */
  open(source: Source): boolean {
    if (this.closed) return false
    try {
      const buffer = source.openWindow(this.piece, this.pieceOffset, this.size)
      if (this.isTracked) this.mark = source.dirtyMarker(this.piece)
      this.bytes = new Uint8Array(buffer)
      this.u16 = new Uint16Array(buffer, 0, this.size >> 1)
      this.u32 = new Uint32Array(buffer, 0, this.size >> 2)
      this.u64 = new BigUint64Array(buffer, 0, this.size >> 3)
      this.view = new DataView(buffer)
      return true
    } catch {
      // The native methods will say what is wrong.
      this.closed = true
      return false
    }
  }
}

/** Nowhere: no address is in it. */
const NOWHERE = new Window(0, -1, 0, 0, false, false)

export class Access {
  /** Where the last access was; the next one is often there too. */
  window = NOWHERE
  /** Where the one before was, elsewhere: some go to and fro. */
  private previous = NOWHERE
  private readonly starts: Float64Array
  private readonly windows: Window[] = []
  /** From this address on it is not known what there is. */
  private readonly limit: number

  /** @param layout the limit; of each piece: start, size, whether it can be read and written, whether it is tracked */
  constructor(
    private readonly source: Source | null,
    layout: Float64Array,
  ) {
    this.limit = layout[0] ?? 0
    for (let i = 1; i < layout.length; i += 4) {
      const [start = 0, size = 0, isReadWrite, isTracked] = layout.subarray(i, i + 4)
      for (let offset = 0; offset < size; offset += MAX_WINDOW) {
        const length = Math.min(MAX_WINDOW, size - offset)
        const piece = (i - 1) / 4
        this.windows.push(new Window(start + offset, length, piece, offset, isReadWrite === 1, isTracked === 1))
      }
    }
    this.starts = Float64Array.from(this.windows, (window) => window.start)
  }

  /**
   * Where in `window` an access of `size` bytes at `address` begins, after `window` was set to where that is; -1 when it
   * is not within one window, or not certain.
   */
  locate(address: unknown, size: number): number {
    const number = typeof address === 'bigint' ? Number(address) : address
    if (typeof number !== 'number') return -1
    const offset = number - this.window.start
    // Only an integer is equal to itself as one of 32 bits; -0 is one too.
    if (offset >= 0 && offset <= this.window.size - size && (offset | 0) === offset) return offset
    return this.search(number, size)
  }

  private search(address: number, size: number): number {
    const { window: last, previous } = this
    let window: Window | null = previous
    if (!(address >= previous.start && address - previous.start <= previous.size - size)) {
      window = this.find(address)
      if (window === null || (window.view === null && (this.source === null || !window.open(this.source)))) return -1
    }
    const offset = address - window.start
    if (offset > window.size - size || (offset | 0) !== offset) return -1
    this.previous = last
    this.window = window
    return offset
  }

  /** The window that an address is in. */
  private find(address: number): Window | null {
    const { starts, windows } = this
    let low = 0
    let high = starts.length
    // The first window that starts behind the address.
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((starts[middle] as number) <= address) low = middle + 1
      else high = middle
    }
    const window = windows[low - 1]
    return window !== undefined && address - window.start < window.size ? window : null
  }

  /** The window that an integer is the address of; null when there is none, undefined when that is not certain. */
  lookUp(address: unknown): Window | null | undefined {
    const number = typeof address === 'bigint' ? Number(address) : address
    if (typeof number !== 'number' || !(number >= 0 && number < this.limit) || number % 1 !== 0) {
      return undefined
    }
    const { window } = this
    return number - window.start < window.size && number >= window.start ? window : this.find(number)
  }
}

/** Of an object that is not to be treated, or not yet: knows no address. */
export const NO_ACCESS = new Access(null, new Float64Array())
