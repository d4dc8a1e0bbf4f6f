import { SingleBar } from 'cli-progress'

/** Shows how far a stage has come. One stage at a time. */
export interface Progress {
  begin(stage: string, total: number): void
  advance(amount: number): void
  end(): void
}

/** A bar on a terminal, one for each stage. On stderr, so that the report can be redirected. */
class Bars implements Progress {
  readonly #stream: NodeJS.WriteStream
  #bar: SingleBar | null = null

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    // A process that ends early gives the terminal its cursor back.
    process.on('exit', () => this.end())
  }

  begin(stage: string, total: number): void {
    this.#bar = new SingleBar({
      stream: this.#stream,
      format: '{stage} {bar} {percentage}%  {duration_formatted}',
      // The terminal would cut what goes beyond its edge.
      barsize: Math.max(4, Math.min(32, this.#stream.columns - STAGE_WIDTH - '  100%  59m59s'.length)),
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      fps: 20,
    })
    this.#bar.start(total, 0, { stage: stage.padEnd(STAGE_WIDTH) })
  }

  advance(amount: number): void {
    this.#bar?.increment(amount)
  }

  end(): void {
    this.#bar?.stop()
    this.#bar = null
  }
}

/** A line at each quarter of a stage, where there is no terminal. */
class Lines implements Progress {
  #stage = ''
  #total = 0
  #done = 0
  #quarters = 0

  begin(stage: string, total: number): void {
    this.#stage = stage
    this.#total = total
    this.#done = 0
    this.#quarters = 0
  }

  advance(amount: number): void {
    this.#done += amount
    const quarters = Math.floor((this.#done / this.#total) * 4)
    if (quarters === this.#quarters) return
    this.#quarters = quarters
    console.log(`${this.#stage.padEnd(STAGE_WIDTH)} ${String(quarters * 25).padStart(3)}%`)
  }

  end(): void {}
}

const STAGE_WIDTH = 22

/** Makes bars where somebody sees them, or nothing. */
export function makeBars(): Progress | null {
  return process.stderr.isTTY && process.env.TERM !== 'dumb' ? new Bars(process.stderr) : null
}

export function makeProgress(): Progress {
  return makeBars() ?? new Lines()
}
