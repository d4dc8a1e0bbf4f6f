// The program under test, in a process of its own, seen from outside.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a process holds of other processes' memory, and what it has open. */
export interface Holdings {
  /** Of memory that is shared. */
  readonly mappings: number
  readonly descriptors: number
}

/** A server on a socket, and what it prints. */
export class BackEnd {
  /** Of both its outputs. */
  readonly lines: string[] = []
  readonly #process: ChildProcess
  readonly #exited: Promise<number | null>

  /** `fds` are its descriptors from 3 on. */
  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, fds: readonly number[] = []) {
    this.#process = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe', ...fds] })
    this.#exited = new Promise((resolve) => this.#process.once('close', resolve))
    for (const input of [this.#process.stdout, this.#process.stderr] as NodeJS.ReadableStream[]) {
      createInterface({ input }).on('line', (line) => this.lines.push(line))
    }
  }

  /** A program of examples/. `preloaded` is a module that all its threads load first. */
  static run(program: string, args: readonly string[], fds?: readonly number[], preloaded?: URL): BackEnd {
    const imports = ['tsx', ...(preloaded === undefined ? [] : [preloaded.href])].flatMap((each) => ['--import', each])
    return new BackEnd(process.execPath, [...imports, `examples/${program}/main.ts`, ...args], process.env, fds)
  }

  /** A program of examples/; resolves when it listens. */
  static async start(...program: Parameters<typeof BackEnd.run>): Promise<BackEnd> {
    const backEnd = BackEnd.run(...program)
    await backEnd.line(/^serving/)
    return backEnd
  }

  /** Its exit code, once all that it printed is there; null after a signal. */
  get exited(): Promise<number | null> {
    return this.#exited
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** Waits for a line, the `nth` one that matches. */
  async line(pattern: RegExp, nth = 1): Promise<string> {
    for (;;) {
      const line = this.lines.filter((each) => pattern.test(each))[nth - 1]
      if (line !== undefined) return line
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        throw new Error(`the back-end has ended, without ${pattern}\n${this.lines.join('\n')}`)
      }
      await sleep(5)
    }
  }

  holdings(): Holdings {
    return {
      mappings: this.#maps().filter((line) => /^\S+ \S{3}s /.test(line)).length,
      descriptors: fs.readdirSync(`/proc/${this.pid}/fd`).length,
    }
  }

  /** Ranges of addresses that are in use, for whatever. */
  areas(): number {
    return this.#maps().length
  }

  /** All mappings of memfds: how long they are, and where in the file they start. */
  mappings(): { size: number; offset: number }[] {
    return this.#maps().flatMap((line) => {
      const fields = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) .*\/memfd:/.exec(line)?.slice(1)
      if (fields === undefined) return []
      const [start = 0, end = 0, offset = 0] = fields.map((digits) => Number.parseInt(digits, 16))
      return [{ size: end - start, offset }]
    })
  }

  #maps(): string[] {
    return fs.readFileSync(`/proc/${this.pid}/maps`, 'utf8').trimEnd().split('\n')
  }

  /** Seconds of processor time, of the system's included. */
  cpuSeconds(): number {
    const fields = fs.readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  /** Asks it to end; its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#process.kill(signal)
    return this.#exited
  }

  /** Ends it without asking; null, once it is gone. */
  async kill(): Promise<number | null> {
    this.#process.kill('SIGKILL')
    return this.#exited
  }
}
