// A place for one thread at a time: when that ends, the next one starts.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export type Role = 'reader' | 'writer' | 'holder'

interface Life {
  workerData: object
  /** `time` is how many milliseconds the end took, null when the thread ended by itself. */
  onEnd: (time: number | null) => void
}

interface Options {
  number: number
  role: Role
  /** Called for each thread. */
  start: () => Life
  onError: (error: Error) => void
  /** Whether no more threads are to start. */
  isOver: () => boolean
}

export class Seat {
  readonly #options: Options
  #worker: Worker
  #state: 'starting' | 'ready' | 'ending' | 'over' = 'starting'

  constructor(options: Options) {
    this.#options = options
    this.#worker = this.#start()
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  #start(): Worker {
    const { role, start, onError, isOver } = this.#options
    const { workerData, onEnd } = start()
    this.#state = 'starting'
    // Plain modules, and no arguments: every runtime starts them as they are, and fast.
    const worker = new Worker(new URL(`${role}.mjs`, import.meta.url), { workerData, execArgv: [] })
    worker.once('message', () => {
      if (this.#state === 'starting') this.#state = 'ready'
    })
    worker.on('error', onError)
    worker.once('exit', () => {
      onEnd(this.#endedAt === null ? null : performance.now() - this.#endedAt)
      this.#endedAt = null
      if (isOver()) this.#state = 'over'
      else this.#worker = this.#start()
    })
    return worker
  }

  #endedAt: number | null = null

  /** Terminates the thread, wherever it is. */
  reap(): void {
    if (this.#state === 'ending' || this.#state === 'over') return
    this.#state = 'ending'
    this.#endedAt = performance.now()
    void this.#worker.terminate()
  }

  /** Waits for the last thread, which has been told to end. */
  async end(): Promise<void> {
    if (this.#state !== 'over') await once(this.#worker, 'exit')
  }
}
