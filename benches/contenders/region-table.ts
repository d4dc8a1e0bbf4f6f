/** What a careful user would write without this package: regions in a sorted table, their bytes behind views. */

export interface Entry {
  readonly start: number
  readonly end: number
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly words: Uint16Array
}

export class RegionTable {
  readonly #entries: readonly Entry[]
  #last: Entry

  constructor(regions: readonly { start: number; buffer: ArrayBuffer | SharedArrayBuffer }[]) {
    this.#entries = regions.map(({ start, buffer }) => ({
      start,
      end: start + buffer.byteLength,
      view: new DataView(buffer),
      bytes: new Uint8Array(buffer),
      words: new Uint16Array(buffer),
    }))
    this.#last = this.#entries[0]!
  }

  get length(): number {
    return this.#entries.length
  }

  find(address: number): Entry {
    const last = this.#last
    if (address >= last.start && address < last.end) return last
    const entries = this.#entries
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (entries[middle]!.start <= address) low = middle + 1
      else high = middle
    }
    const entry = entries[low - 1]
    if (!entry || address >= entry.end) throw new RangeError(`no region at ${address}`)
    this.#last = entry
    return entry
  }

  /** For accesses that must not leave a region. */
  #whole(address: number, size: number): Entry {
    const entry = this.find(address)
    if (address + size > entry.end) throw new RangeError(`${size} bytes at ${address} leave their region`)
    return entry
  }

  contains(address: number): boolean {
    return this.#entries.some(({ start, end }) => address >= start && address < end)
  }

  readU8(address: number): number {
    const entry = this.#whole(address, 1)
    return entry.view.getUint8(address - entry.start)
  }

  readU16(address: number): number {
    const entry = this.#whole(address, 2)
    return entry.view.getUint16(address - entry.start, true)
  }

  readU32(address: number): number {
    const entry = this.#whole(address, 4)
    return entry.view.getUint32(address - entry.start, true)
  }

  readU64(address: number): bigint {
    const entry = this.#whole(address, 8)
    return entry.view.getBigUint64(address - entry.start, true)
  }

  writeU8(value: number, address: number): void {
    const entry = this.#whole(address, 1)
    entry.view.setUint8(address - entry.start, value)
  }

  writeU16(value: number, address: number): void {
    const entry = this.#whole(address, 2)
    entry.view.setUint16(address - entry.start, value, true)
  }

  writeU32(value: number, address: number): void {
    const entry = this.#whole(address, 4)
    entry.view.setUint32(address - entry.start, value, true)
  }

  writeU64(value: bigint, address: number): void {
    const entry = this.#whole(address, 8)
    entry.view.setBigUint64(address - entry.start, value, true)
  }

  load(address: number): number {
    const entry = this.#whole(address, 2)
    return Atomics.load(entry.words, (address - entry.start) >>> 1)
  }

  store(value: number, address: number): void {
    const entry = this.#whole(address, 2)
    Atomics.store(entry.words, (address - entry.start) >>> 1, value)
  }

  read(into: Uint8Array, address: number): void {
    for (let done = 0; done < into.length;) {
      const entry = this.find(address + done)
      const offset = address + done - entry.start
      const count = Math.min(into.length - done, entry.bytes.length - offset)
      into.set(entry.bytes.subarray(offset, offset + count), done)
      done += count
    }
  }

  write(from: Uint8Array, address: number): void {
    for (let done = 0; done < from.length;) {
      const entry = this.find(address + done)
      const offset = address + done - entry.start
      const count = Math.min(from.length - done, entry.bytes.length - offset)
      entry.bytes.set(count === from.length ? from : from.subarray(done, done + count), offset)
      done += count
    }
  }
}
