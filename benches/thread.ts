/** One of the threads of `threads.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Loop } from './loop.js'
import type { ThreadData } from './threads.js'

const { module, what, shared, threads, arrived } = workerData as ThreadData
const { inThread } = (await import(module)) as { inThread: (what: string, shared: unknown) => Loop }
const loop = inThread(what, shared)

parentPort?.on('message', (iterations: number) => {
  // Spins, so that all start together.
  Atomics.add(arrived, 0, 1)
  while (Atomics.load(arrived, 0) < threads) continue
  parentPort?.postMessage(loop(iterations))
})
