/** Regions in a sorted table, by what stands for their memory. */

export interface PointerEntry<Pointer> {
  readonly start: number
  readonly end: number
  readonly pointer: Pointer
}

export class PointerTable<Pointer> {
  readonly #entries: readonly PointerEntry<Pointer>[]
  #last: PointerEntry<Pointer>

  constructor(regions: readonly { start: number; size: number; pointer: Pointer }[]) {
    this.#entries = regions.map(({ start, size, pointer }) => ({ start, end: start + size, pointer }))
    this.#last = this.#entries[0]!
  }

  find(address: number, size: number): PointerEntry<Pointer> {
    const last = this.#last
    if (address >= last.start && address + size <= last.end) return last
    const entries = this.#entries
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (entries[middle]!.start <= address) low = middle + 1
      else high = middle
    }
    const entry = entries[low - 1]
    if (!entry || address + size > entry.end) throw new RangeError(`${size} bytes at ${address} are not in a region`)
    this.#last = entry
    return entry
  }

  /** Calls `piece` for each region that `size` bytes at `address` touch. */
  forEachPiece(
    address: number,
    size: number,
    piece: (entry: PointerEntry<Pointer>, offset: number, done: number, count: number) => void,
  ): void {
    for (let done = 0; done < size;) {
      const entry = this.find(address + done, 1)
      const count = Math.min(size - done, entry.end - address - done)
      piece(entry, address + done - entry.start, done, count)
      done += count
    }
  }
}
