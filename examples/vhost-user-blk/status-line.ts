import { Counter, type Counters } from './counters.js'

const INTERVAL = 500
const MIB = 2 ** 20

/** Lines of what happens, on stdout, and on a terminal a last line that tells what is being done. */
export class StatusLine {
  readonly #counters: Counters
  readonly #mapChanges: () => number
  readonly #shown = process.stdout.isTTY && process.env.TERM !== 'dumb'
  readonly #timer: NodeJS.Timeout | null
  #before = { requests: 0, bytes: 0, at: performance.now() }
  #line = ''

  constructor(counters: Counters, mapChanges: () => number) {
    this.#counters = counters
    this.#mapChanges = mapChanges
    this.#timer = this.#shown ? setInterval(() => this.#update(), INTERVAL) : null
  }

  log(line: string): void {
    this.#clear()
    console.log(line)
    if (this.#line !== '') process.stdout.write(this.#line)
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#clear()
    this.#line = ''
  }

  #update(): void {
    const { requests, bytes } = totals(this.#counters)
    const now = performance.now()
    const seconds = (now - this.#before.at) / 1000
    const rate = Math.round((requests - this.#before.requests) / seconds)
    const throughput = ((bytes - this.#before.bytes) / seconds / MIB).toFixed(1)
    this.#before = { requests, bytes, at: now }
    const text = `${requests} requests, ${rate}/s, ${throughput} MiB/s, ${this.#mapChanges()} map changes`
    this.#line = text.slice(0, process.stdout.columns - 1)
    this.#clear()
    process.stdout.write(this.#line)
  }

  #clear(): void {
    if (this.#shown && this.#line !== '') process.stdout.write('\r\x1b[K')
  }
}

export function totals(counters: Counters): { requests: number; bytes: number } {
  const sum = (...which: Counter[]): number => which.reduce((total, each) => total + counters.get(each), 0)
  return {
    requests: sum(
      Counter.Reads,
      Counter.Writes,
      Counter.Flushes,
      Counter.Ids,
      Counter.Discards,
      Counter.WriteZeroes,
      Counter.Failed,
    ),
    bytes: sum(Counter.BytesRead, Counter.BytesWritten),
  }
}

/** One line for what was done on a connection. */
export function summary(counters: Counters, mapChanges: number): string {
  const count = (counter: Counter): number => counters.get(counter)
  return (
    `${count(Counter.Reads)} reads, ${count(Counter.Writes)} writes, ${count(Counter.Flushes)} flushes, ` +
    `${count(Counter.Discards)} discards, ${count(Counter.WriteZeroes)} write zeroes, ` +
    `${count(Counter.Failed)} failed, ${mapChanges} map changes`
  )
}
