export enum Counter {
  Reads,
  Writes,
  Flushes,
  Ids,
  Discards,
  WriteZeroes,
  Failed,
  BytesRead,
  BytesWritten,
}
const COUNTERS = 9

/** What has been done, in memory that the threads share. One thread counts. */
export class Counters {
  readonly buffer: SharedArrayBuffer
  readonly #values: Float64Array

  constructor(buffer = new SharedArrayBuffer(COUNTERS * Float64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#values = new Float64Array(buffer)
  }

  get(counter: Counter): number {
    return this.#values[counter] as number
  }

  add(counter: Counter, amount: number): void {
    this.#values[counter] = this.get(counter) + amount
  }
}
