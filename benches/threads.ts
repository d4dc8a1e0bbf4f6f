/** The same work in several threads at once. */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../examples/typescript-thread.js'
import type { Loop, Measured } from './loop.js'

export interface ThreadWork {
  /** Has an `inThread(what, shared)` that makes the loop. */
  readonly module: string
  readonly what: string
  /** Called for each thread: a ticket is good for one. */
  readonly shared: () => unknown
}

export interface ThreadData {
  readonly module: string
  readonly what: string
  readonly shared: unknown
  readonly threads: number
  /** How many have arrived at the start. */
  readonly arrived: Int32Array
}

function startWorking(workerData: ThreadData): Worker {
  const worker = startThread(new URL('thread.ts', import.meta.url), { workerData })
  worker.unref()
  return worker
}

export function runThreads(count: number, work: ThreadWork): Loop {
  const arrived = new Int32Array(new SharedArrayBuffer(4))
  const { module, what } = work
  const workers = Array.from({ length: count }, () =>
    startWorking({ module, what, shared: work.shared(), threads: count, arrived }),
  )
  return async (iterations) => {
    globalThis.gc?.()
    Atomics.store(arrived, 0, 0)
    const answers = workers.map((worker) => {
      worker.ref()
      worker.postMessage(iterations)
      return once(worker, 'message') as Promise<[Measured]>
    })
    const measured = (await Promise.all(answers)).map(([each]) => each.nanoseconds)
    for (const worker of workers) worker.unref()
    return { nanoseconds: measured.reduce((sum, each) => sum + each, 0) / count, iterations }
  }
}
