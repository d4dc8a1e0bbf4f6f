import { Worker } from 'node:worker_threads'

/** Starts a thread with a module of this folder. tsx does not reach into worker threads by itself, so they ask for it. */
export function startThread(module: string, workerData: unknown): Worker {
  const url = new URL(module, import.meta.url).href
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import('${url}') })`
  return new Worker(bootstrap, { eval: true, workerData })
}
