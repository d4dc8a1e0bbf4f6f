// The main thread exits while others wait for a lock that it holds.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { GuestMemoryAtomic, GuestMemoryMmap } from '../../index.js'

const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
globalThis.kept = atomic.lock()

for (const task of ['lock', 'lock', 'update', 'lockAsync']) {
  const worker = new Worker(new URL('agent.mjs', import.meta.url), { workerData: { ticket: atomic.share() } })
  await once(worker, 'message')
  worker.postMessage({ id: 0, task })
  await once(worker, 'message') // it is about to
}
await setTimeout(100)
void atomic.lockAsync()
process.stdout.write('exiting\n')
process.exit(0)
