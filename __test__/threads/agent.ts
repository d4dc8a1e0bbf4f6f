// Another thread, and what it is told to do. The tasks are those of agent.mjs.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'
import type { GuestMemoryAtomic } from '../../index.js'

interface Message {
  id?: number
  started?: boolean
  inside?: boolean
  result?: unknown
  error?: { name: string; code?: string; message: string }
  thread?: string | null
}

interface Task {
  started: () => void
  resolve: (result: unknown) => void
  reject: (error: Error) => void
}

/** For results that nobody asks for. Out here it holds nothing: in place, it would hold what the task was given. */
const ignore = (): void => {}

/** What a task that is under way will come to. Not itself a promise, so that it can be returned by an async function. */
export interface Pending {
  readonly result: Promise<unknown>
}

/** How a thread may end. */
export type Ending = 'is terminated' | 'exits' | 'returns' | 'throws'

export class Agent {
  readonly worker: Worker
  /** How it ended, once it has. */
  readonly exit: Promise<number>
  readonly errors: Error[] = []
  #tasks = new Map<number, Task>()
  #asked = 0
  #thread: string | null = null
  readonly #inside: Promise<void>

  private constructor(atomic: GuestMemoryAtomic | null) {
    const workerData = { ticket: atomic?.share() }
    this.worker = new Worker(new URL('agent.mjs', import.meta.url), {
      workerData,
      execArgv: [],
      trackUnmanagedFds: false,
    })
    // Not by `once`, which an error of the thread would reject.
    this.exit = new Promise((resolve) => {
      this.worker.on('exit', resolve)
    })
    this.worker.on('error', (error) => this.errors.push(error))
    this.#inside = new Promise((resolve) => {
      this.worker.on('message', ({ inside }: Message) => {
        if (inside) resolve()
      })
    })
    this.worker.on('message', (message: Message) => this.#receive(message))
  }

  /** Starts a thread that has a handle on the atomic. It is gone at the end of the test. */
  static async start(t: ExecutionContext, atomic: GuestMemoryAtomic | null): Promise<Agent> {
    const agent = new Agent(atomic)
    t.teardown(() => agent.worker.terminate())
    const [{ thread }] = (await once(agent.worker, 'message')) as [Message]
    agent.#thread = thread ?? null
    return agent
  }

  #receive({ id, started, result, error }: Message): void {
    const task = this.#tasks.get(id ?? -1)
    if (task === undefined) return
    if (started) return task.started()
    if (error) task.reject(Object.assign(new Error(error.message), error))
    else task.resolve(result)
  }

  /** Has a task done, and waits for its result. */
  async call(task: string, argument?: unknown): Promise<unknown> {
    const { result } = await this.begin(task, argument)
    return result
  }

  /** Has a task done, and waits until it is about to. */
  async begin(task: string, argument?: unknown): Promise<Pending> {
    const id = (this.#asked += 1)
    let pending: Pending | undefined
    await new Promise<void>((started) => {
      const result = new Promise((resolve, reject) => {
        this.#tasks.set(id, { started, resolve, reject })
      })
      result.catch(ignore)
      pending = { result }
      this.worker.postMessage({ id, task, argument }, [])
    })
    return pending as Pending
  }

  /** Has a task done that blocks, and waits until the thread sleeps in it. */
  async beginBlocking(task: string, argument?: unknown): Promise<Pending> {
    const pending = await this.begin(task, argument)
    await this.#sleeps()
    return pending
  }

  /** Waits until the thread is inside the function of an update that does not return. */
  async inside(): Promise<void> {
    await this.#inside
  }

  /** A thread with an idle event loop sleeps once; one that waits for a lock does again and again. */
  async #sleeps(): Promise<void> {
    if (this.#thread === null) return void (await setTimeout(300))
    const before = this.#timesAsleep()
    while (this.#timesAsleep() < before + 8) await setTimeout(5)
  }

  #timesAsleep(): number {
    const status = fs.readFileSync(`/proc/self/task/${this.#thread}/status`, 'utf8')
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1])
  }

  /** Terminates the thread; how many milliseconds that took. */
  async terminate(): Promise<number> {
    const start = performance.now()
    await this.worker.terminate()
    return performance.now() - start
  }

  /** Has the thread end, and waits until it has. */
  async end(how: Ending): Promise<void> {
    if (how === 'is terminated') await this.terminate()
    else await this.begin({ exits: 'exit', returns: 'close', throws: 'throwUncaught' }[how])
    await this.exit
  }
}
