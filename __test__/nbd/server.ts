// examples/nbd in a process of its own, seen from outside.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a test waits for at the most. */
const PATIENCE = 20_000

export class NbdServer {
  readonly socket: string
  /** Lines of its standard output, and of its log. */
  readonly printed: string[] = []
  readonly logged: string[] = []
  readonly #folder: string
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown[]>

  private constructor(options: readonly string[]) {
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-nbd-'))
    this.socket = path.join(this.#folder, 'nbd.sock')
    const args = ['--import', 'tsx', 'examples/nbd/main.ts', ...options, this.socket]
    this.#process = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#exited = once(this.#process, 'exit')
    const { stdout, stderr } = this.#process as { stdout: Readable; stderr: Readable }
    createInterface({ input: stdout }).on('line', (line) => this.printed.push(line))
    createInterface({ input: stderr }).on('line', (line) => this.logged.push(line))
  }

  /** Starts a server, and resolves when it listens. */
  static async start(...options: readonly string[]): Promise<NbdServer> {
    const server = new NbdServer(options)
    try {
      await server.until(() => server.printed.some((line) => line.startsWith('serving')))
      return server
    } catch (error) {
      server.kill()
      throw error
    }
  }

  get pid(): number {
    return this.#process.pid as number
  }

  get uri(): string {
    return `nbd+unix:///?socket=${this.socket}`
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  async until(condition: () => boolean): Promise<void> {
    for (const end = performance.now() + PATIENCE; !condition(); await sleep(10)) {
      if (this.hasEnded || performance.now() > end) {
        throw new Error(`waited in vain for ${condition}\n${[...this.printed, ...this.logged].join('\n')}`)
      }
    }
  }

  /** Tells how many bytes of its own it has in the host's memory; guest memory is not among them. */
  ownMemory(): number {
    const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1])
  }

  /** Tells how many bytes of guest memory the host has pages for. */
  guestMemory(): number {
    const folder = `/proc/${this.pid}/fd`
    for (const fd of fs.readdirSync(folder)) {
      const file = path.join(folder, fd)
      if (fs.readlinkSync(file).startsWith('/memfd:ram')) return fs.statSync(file).blocks * 512
    }
    throw new Error('the server has no guest memory')
  }

  openDescriptors(): number {
    return fs.readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** Asks it to end, and returns its exit code. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM')
    await this.#exited
    fs.rmSync(this.#folder, { recursive: true })
    return this.#process.exitCode
  }

  kill(): void {
    this.#process.kill('SIGKILL')
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }
}
