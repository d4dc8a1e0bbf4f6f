// Looks for programs that the modes answer in two ways, and for the least of each.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { type Difference, differenceIn, Pair, type Programs, Reused } from './comparison.js'
import { generate } from './generator/index.js'
import type { Fault } from './known.js'
import type { Step } from './program.js'
import type { RunnerOptions } from './runner.js'
import { shrunk } from './shrink.js'

export interface SearchOptions extends RunnerOptions {
  readonly seed: number
  /** Milliseconds, without those that shrinking takes. */
  readonly time: number
  readonly programs: number
  readonly first: number
  /** How many differences are looked for. */
  readonly differences: number
  /** Milliseconds for the shrinking of one. */
  readonly shrinking: number
  /** What programs go without. */
  readonly known?: readonly Fault[]
  onProgress?(progress: Progress): void
  onFinding?(finding: Finding): void
}

export interface Progress {
  readonly programs: number
  readonly steps: number
  readonly milliseconds: number
  /** Differences of a kind that was reported before. */
  readonly repeated: number
}

export interface Finding {
  /** Where the difference was met. */
  readonly seed: number
  readonly program: number
  readonly isHot: boolean
  readonly step: number | null
  /** The least programs that show it, to be run one after another in one process; mostly one. */
  readonly programs: Programs
  /** What they are answered; null if it was not met again. */
  readonly difference: Difference | null
  /** What it was when it was met. */
  readonly met: Difference
}

/** Processes are replaced after as many programs, so that what one leaves behind can be traced to it. */
const GENERATION = 100

export class Search {
  readonly #options: SearchOptions
  readonly findings: Finding[] = []
  readonly #known = new Set<string>()
  /** What the processes of now have run. */
  #history: Step[][] = []
  #pair: Pair
  #progress = { programs: 0, steps: 0, milliseconds: 0, repeated: 0 }

  constructor(options: SearchOptions) {
    this.#options = options
    this.#pair = new Pair(options)
  }

  get progress(): Progress {
    return this.#progress
  }

  async run(): Promise<readonly Finding[]> {
    const { first, programs, time, differences } = this.#options
    try {
      for (let program = first; program < first + programs; program += 1) {
        for (const isHot of [false, true]) await this.#try(program, isHot)
        if (this.#progress.milliseconds >= time || this.findings.length >= differences) break
      }
    } finally {
      await this.#pair.end()
    }
    return this.findings
  }

  async #try(program: number, isHot: boolean): Promise<void> {
    const { seed, known = [], onProgress } = this.#options
    const start = Date.now()
    const steps = generate(seed, program, isHot).filter((step) => !known.some(({ trigger }) => trigger.test(step)))
    this.#history.push(steps)
    const met = await this.#pair.firstDifference([steps])
    this.#progress.programs += 1
    this.#progress.steps += steps.length
    this.#progress.milliseconds += Date.now() - start
    onProgress?.(this.#progress)
    const isNews = met !== null && (await this.#report({ seed, program, isHot, step: met.step, met }))
    const hasEnded = met !== null && met.step === null
    if (isNews || hasEnded || this.#history.length >= GENERATION) await this.#renew()
  }

  async #renew(): Promise<void> {
    await this.#pair.end()
    this.#pair = new Pair(this.#options)
    this.#history = []
  }

  /** Reports the least of a difference, unless one of that kind is known; whether it was not. */
  async #report(found: Omit<Finding, 'programs' | 'difference'>): Promise<boolean> {
    const last = this.#history.at(-1) ?? []
    const before = signature(last[found.step ?? -1], found.met)
    if (this.#isKnown(before)) return false
    const programs = await this.#least(found.met)
    const difference = await differenceIn(programs, this.#options)
    const after = signature(
      difference === null ? '' : programs.at(-1)?.[difference.step ?? -1],
      difference ?? found.met,
    )
    // Another program can come down to the same.
    if (after !== before && this.#isKnown(after)) return true
    const finding = { ...found, programs, difference }
    this.findings.push(finding)
    this.#options.onFinding?.(finding)
    return true
  }

  #isKnown(signature: string): boolean {
    if (this.#known.has(signature)) {
      this.#progress.repeated += 1
      return true
    }
    this.#known.add(signature)
    return false
  }

  /** The least that shows a difference in new processes: of one program, or of all that the old ones had run. */
  async #least({ step }: Difference): Promise<Programs> {
    const deadline = Date.now() + this.#options.shrinking
    const differs = async (programs: Programs): Promise<boolean> =>
      (await differenceIn(programs, this.#options)) !== null
    const whole = this.#history.at(-1) ?? []
    const last = step === null ? whole : whole.slice(0, step + 1)
    if (await differs([last])) {
      // One pair of processes for all tries is much faster, but what one try does may be seen by those after it.
      const quick = new Reused(this.#options)
      const least = await shrunk(last, (steps) => quick.differs([steps]), deadline)
      await quick.end()
      return [(await differs([least])) ? least : await shrunk(last, (steps) => differs([steps]), deadline)]
    }
    const all = [...this.#history.slice(0, -1), last]
    if (!(await differs(all))) return [last]
    let programs: Programs = await shrunk<Programs[number]>(all, differs, deadline)
    for (const [index, steps] of programs.entries()) {
      const least = await shrunk(steps, (steps) => differs(programs.with(index, steps)), deadline)
      programs = programs.with(index, least)
    }
    return (await differs(programs)) ? programs : [last]
  }
}

/** What differences of one kind have in common: the answers, without numbers; of values the methods, too. */
function signature(step: Step | undefined, { fast, native }: Difference): string {
  const answers = [fast, native].map((text) => text.replaceAll(/0x[\da-f]+|\d+|\b[\da-f]{8,}/g, '0').slice(0, 160))
  const isError = answers.some((text) => text.includes('throws'))
  return [...(isError ? [] : new Set(step?.match(/\.\w+/g))), ...answers].join('\n')
}
