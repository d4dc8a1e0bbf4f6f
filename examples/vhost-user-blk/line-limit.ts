/** Lines that may come at once. */
const BURST = 20
/** Milliseconds until lines are written again. The pause doubles while there are too many lines. */
const PAUSE = 1000
const LONGEST_PAUSE = 64_000

/** Writes a line, which may stand for several: `count` of them were left out. */
export type Log = (line: string, count?: number) => void

/**
 * Writes lines that a guest or a front-end can cause at will: a burst of them, and then how many more there were. A
 * flood leaves 20 lines, and two for each pause: one more of them, and their number.
 */
export class LineLimit {
  readonly #write: Log
  #allowed = BURST
  #leftOut = 0
  #isFlood = false
  #pause = PAUSE
  /** Whether a pause has begun that has not ended. */
  #inPause = false

  constructor(write: Log) {
    this.#write = write
  }

  /** Writes a line, or counts it. */
  readonly write: Log = (line, count = 1) => {
    if (!this.#inPause) this.#startPause()
    if (this.#allowed > 0) {
      this.#allowed--
      this.#write(line, count)
    } else {
      this.#leftOut += count
      this.#isFlood = true
    }
  }

  /** Writes how many lines were left out until now. */
  flush(): void {
    const count = this.#leftOut
    this.#leftOut = 0
    if (count > 0) this.#write(`${count} more ${count === 1 ? 'line' : 'lines'} like these`, count)
  }

  #startPause(): void {
    this.#inPause = true
    setTimeout(() => this.#endPause(), this.#pause).unref()
  }

  /** Allows a new burst, unless there were too many lines in the pause. */
  #endPause(): void {
    this.flush()
    this.#allowed = this.#isFlood ? 1 : BURST
    this.#pause = this.#isFlood ? Math.min(2 * this.#pause, LONGEST_PAUSE) : PAUSE
    this.#inPause = false
    if (this.#isFlood) this.#startPause()
    this.#isFlood = false
  }
}
