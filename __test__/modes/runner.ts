// A child process that runs programs in one of the two modes.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Program } from './program.js'

export type Mode = 'fast' | 'native'
/** An answer for each step; of a process that did not answer, why. */
export type Transcript = readonly string[] | { readonly ended: string }

export interface RunnerOptions {
  /** A mistake of `child/sabotage.mjs` that the fast process makes. */
  readonly sabotage?: string | undefined
  /** Whether to count which members answer; slower. */
  readonly coverage?: boolean
  /** Milliseconds after which a program that does not answer is called hung. */
  readonly patience?: number
}

interface Message {
  readonly id: number
  readonly transcript: string[]
  readonly covered?: string[]
}

const CHILD = fileURLToPath(new URL('child/runner.mjs', import.meta.url))
const PATIENCE = 30_000

export class Runner {
  readonly #child: ChildProcess
  readonly #patience: number
  readonly #ready: Promise<unknown>
  #programs = 0
  #stderr = ''
  /** `Class.member` of all that answered a program; empty unless that is counted. */
  covered: readonly string[] = []

  constructor(mode: Mode, { sabotage, coverage = false, patience = PATIENCE }: RunnerOptions) {
    this.#patience = patience
    this.#child = fork(CHILD, [JSON.stringify({ sabotage, coverage })], {
      // Not how this process was started: the child needs no TypeScript.
      execArgv: ['--expose-gc'],
      env: { ...process.env, VM_MEMORY_FAST_PATHS: mode === 'native' ? '0' : '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-2000)
    })
    this.#ready = Promise.race([once(this.#child, 'message'), once(this.#child, 'exit')])
    // It is awaited by the first program.
    this.#ready.catch(() => {})
  }

  async run(program: Program): Promise<Transcript> {
    await this.#ready
    this.#programs += 1
    const id = this.#programs
    const ending = new AbortController()
    const { signal } = ending
    let isHung = false
    const patience = setTimeout(() => {
      isHung = true
      this.#child.kill('SIGKILL')
    }, this.#patience)
    try {
      this.#child.send({ id, program })
      const answered = once(this.#child, 'message', { signal }) as Promise<[Message]>
      const ended = once(this.#child, 'exit', { signal }) as Promise<[number | null, NodeJS.Signals | null]>
      const [first, how] = await Promise.race([answered, ended])
      if (isHung) return { ended: `there is no answer after ${this.#patience} ms` }
      if (first === null || typeof first === 'number') {
        return {
          ended: `the process ended: ${how ?? `exit code ${first}`} ${this.#stderr.trim().split('\n')[0]}`.trim(),
        }
      }
      this.covered = first.covered ?? []
      return first.transcript
    } finally {
      clearTimeout(patience)
      ending.abort()
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }
}
