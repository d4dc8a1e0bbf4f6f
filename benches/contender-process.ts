/** The other end of `contender.ts` and of the Rust program. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { ContenderId } from './catalogue.js'
import type { Measured } from './loop.js'

const RUST = fileURLToPath(new URL('rust/target/release/vm-memory-bench', import.meta.url))
const CONTENDER = fileURLToPath(new URL('contender.ts', import.meta.url))

function start(id: ContenderId, group: string): ChildProcessByStdio<Writable, Readable, null> {
  if (id === 'rust' || id === 'memcpy') return spawn(RUST, [id, group], { stdio: ['pipe', 'pipe', 'inherit'] })
  return spawn(process.execPath, ['--import=tsx', '--expose-gc', CONTENDER, id, group], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, VM_MEMORY_FAST_PATHS: id === 'vm-memory-native' ? '0' : '1' },
  })
}

export class ContenderProcess {
  readonly id: ContenderId
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: Interface
  #failure: Error | null = null
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []

  constructor(id: ContenderId, group: string) {
    this.id = id
    this.#child = start(id, group)
    this.#lines = createInterface({ input: this.#child.stdout })
    this.#lines.on('line', (line) => this.#waiting.shift()?.resolve(line))
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('exit', (code, signal) => this.#fail(new Error(`${id} ended with ${code ?? signal}`)))
    // What cannot be written is told by the exit.
    this.#child.stdin.on('error', () => {})
  }

  #fail(error: Error): void {
    this.#failure = error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  async #ask(line: string): Promise<unknown> {
    if (this.#failure) throw this.#failure
    const answer = new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#child.stdin.write(`${line}\n`)
    return JSON.parse(await answer) as unknown
  }

  async list(): Promise<readonly string[]> {
    return (await this.#ask('list')) as string[]
  }

  async run(work: string, iterations: number): Promise<Measured> {
    return (await this.#ask(`run ${iterations} ${work}`)) as Measured
  }

  close(): void {
    this.#child.stdin.end()
  }
}
