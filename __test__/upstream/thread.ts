import type { Worker } from 'node:worker_threads'

import { startThread as start } from '../../examples/typescript-thread.js'

/** Starts a thread with a module of this folder. */
export function startThread(module: string, workerData: unknown): Worker {
  return start(new URL(module, import.meta.url), { workerData })
}
