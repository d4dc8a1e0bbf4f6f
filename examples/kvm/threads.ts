import type { Worker } from 'node:worker_threads'
import { startThread } from '../typescript-thread.js'
import { CPUS } from './machine-layout.js'

/** The threads of a machine, which the next machine may use again: to start them takes longer than to restore a machine. */
export interface Threads {
  readonly vcpus: readonly Worker[]
  readonly device: Worker
}

export function startThreads(): Threads {
  // Descriptors come from another thread, and go there.
  const start = (module: string): Worker => startThread(new URL(module, import.meta.url), { trackUnmanagedFds: false })
  return { vcpus: Array.from({ length: CPUS }, () => start('vcpu-thread.ts')), device: start('device-thread.ts') }
}

/** Ends threads that no machine uses: one in KVM_RUN would not hear of it. */
export async function endThreads({ vcpus, device }: Threads): Promise<void> {
  await Promise.all([...vcpus, device].map((thread) => thread.terminate()))
}
