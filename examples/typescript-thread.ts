import { Worker, type WorkerOptions } from 'node:worker_threads'

/** Starts a thread with a module of TypeScript. tsx does not reach into worker threads by itself, so they ask for it. */
export function startThread(module: URL, options: WorkerOptions): Worker {
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import('${module.href}') })`
  return new Worker(bootstrap, { ...options, eval: true })
}
