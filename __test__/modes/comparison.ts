// Both modes, side by side.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { type Program, programOf, type Step } from './program.js'
import { Runner, type RunnerOptions, type Transcript } from './runner.js'

/** What is run in one process, one after another. */
export type Programs = readonly (readonly Step[])[]

interface Transcripts {
  readonly fast: Transcript
  readonly native: Transcript
}

/** The first step that was answered in two ways. */
export interface Difference {
  /** Which program of those that were run. */
  readonly program: number
  /** None where a process gave no answers at all. */
  readonly step: number | null
  readonly fast: string
  readonly native: string
}

/** A process of each mode. Both see the same programs in the same order. */
export class Pair {
  readonly #fast: Runner
  readonly #native: Runner

  constructor(options: RunnerOptions) {
    this.#fast = new Runner('fast', options)
    this.#native = new Runner('native', options)
  }

  /** What each of them answers, step by step. */
  async transcripts(program: Program): Promise<Transcripts> {
    const [fast, native] = await Promise.all([this.#fast.run(program), this.#native.run(program)])
    return { fast, native }
  }

  /** The first of some programs that is answered in two ways, and where. */
  async firstDifference(programs: Programs): Promise<Difference | null> {
    for (const [program, steps] of programs.entries()) {
      const difference = differenceOf(await this.transcripts(programOf(steps)))
      if (difference !== null) return { program, ...difference }
    }
    return null
  }

  get covered(): readonly string[] {
    return [...new Set([...this.#fast.covered, ...this.#native.covered])]
  }

  async end(): Promise<void> {
    await Promise.all([this.#fast.end(), this.#native.end()])
  }
}

/** A pair for many tries, which is replaced when one of its processes has ended. */
export class Reused {
  readonly #options: RunnerOptions
  #pair: Pair

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#pair = new Pair(options)
  }

  async differs(programs: Programs): Promise<boolean> {
    const difference = await this.#pair.firstDifference(programs)
    if (difference?.step === null) {
      await this.end()
      this.#pair = new Pair(this.#options)
    }
    return difference !== null
  }

  async end(): Promise<void> {
    await this.#pair.end()
  }
}

/** In processes that have run nothing else. */
export async function differenceIn(programs: Programs, options: RunnerOptions): Promise<Difference | null> {
  const pair = new Pair(options)
  try {
    return await pair.firstDifference(programs)
  } finally {
    await pair.end()
  }
}

function differenceOf({ fast, native }: Transcripts): Omit<Difference, 'program'> | null {
  // When both died, too: no program has the right to that.
  if ('ended' in fast || 'ended' in native) return { step: null, fast: endingOf(fast), native: endingOf(native) }
  const step = fast.findIndex((answer, index) => !isSame(answer, native[index] ?? ''))
  return step < 0 ? null : { step, fast: fast[step] ?? '', native: native[step] ?? '' }
}

function endingOf(transcript: Transcript): string {
  return 'ended' in transcript ? transcript.ended : 'all steps are answered'
}

/** Numbers that may be addresses of the host stand with all that they may be: one of that has to be the same. */
export function isSame(one: string, other: string): boolean {
  if (one === other) return true
  const [these, those] = [one.split(HOST_ADDRESS), other.split(HOST_ADDRESS)]
  return (
    these.length === those.length &&
    these.every((text, index) => {
      const counterpart = those[index] ?? ''
      if (index % 2 === 0) return text === counterpart
      const meanings = new Set(counterpart.split('|'))
      return text.split('|').some((meaning) => meanings.has(meaning))
    })
  )
}

/** Between bars, and brackets that nothing else has. */
const HOST_ADDRESS = /<((?:0x)?[0-9a-f]+n?\|[^<>]*)>/
