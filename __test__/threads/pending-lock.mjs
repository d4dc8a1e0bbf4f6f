// Nothing is left to do but to wait for a lock that another thread gives back later (or for nothing, if told so).
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { GuestMemoryAtomic, GuestMemoryMmap } from '../../index.js'

const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
const worker = new Worker(new URL('agent.mjs', import.meta.url), { workerData: { ticket: atomic.share() } })
await once(worker, 'message')
worker.postMessage({ id: 0, task: 'lock' })
await once(worker, 'message') // it is about to
await once(worker, 'message') // it has it
worker.unref()

// Neither the worker nor the timer keeps this process.
setTimeout(() => worker.postMessage({ id: 1, task: 'unlock' }), 300).unref()
async function wait() {
  const guard = await atomic.lockAsync()
  guard.dispose()
  process.stdout.write('granted\n')
}
if (process.argv[2] === 'wait') void wait()
