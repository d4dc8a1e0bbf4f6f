/** Lines that may come at once. */
const BURST = 20
/** Milliseconds until lines are written again. The pause doubles while there are too many lines. */
const PAUSE = 1000
const LONGEST_PAUSE = 64_000

/**
 * Writes lines that a guest or a front-end can cause at will: a burst of them, and then how many more there were. A
 * flood leaves 20 lines, and two for each pause: one more of them, and their number.
 */
export class LineLimit {
  readonly #write: (line: string) => void
  #allowed = BURST
  #leftOut = 0
  #pause = PAUSE
  #timer: NodeJS.Timeout | null = null

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  write(line: string): void {
    this.#timer ??= this.#startPause()
    if (this.#allowed > 0) {
      this.#allowed--
      this.#write(line)
    } else {
      this.#leftOut++
    }
  }

  /** Writes how many lines were left out. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#leftOut > 0) this.#write(`${this.#leftOut} more ${this.#leftOut === 1 ? 'line' : 'lines'} like these`)
    this.#leftOut = 0
  }

  #startPause(): NodeJS.Timeout {
    return setTimeout(() => this.#endPause(), this.#pause).unref()
  }

  /** Allows a new burst, unless the pause was not quiet. */
  #endPause(): void {
    const isFlood = this.#leftOut > 0
    this.end()
    this.#allowed = isFlood ? 1 : BURST
    this.#pause = isFlood ? Math.min(2 * this.#pause, LONGEST_PAUSE) : PAUSE
    if (isFlood) this.#timer = this.#startPause()
  }
}
