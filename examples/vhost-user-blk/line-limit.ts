/** Lines in a burst, and how long to be silent after them. */
const BURST = 20
const PAUSE = 1000

/** Lines that a guest can cause at will: some, and how many more there were. */
export class LineLimit {
  readonly #write: (line: string) => void
  #lines = 0
  #timer: NodeJS.Timeout | null = null

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  write(line: string): void {
    this.#timer ??= setTimeout(() => this.end(), PAUSE).unref()
    if (++this.#lines <= BURST) this.#write(line)
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#lines > BURST) this.#write(`${this.#lines - BURST} more lines like these`)
    this.#lines = 0
  }
}
