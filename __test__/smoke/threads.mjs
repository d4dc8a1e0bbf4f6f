// Worker threads that share one map and one lock.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { Worker } from 'node:worker_threads'
import { GuestMemoryAtomic, GuestMemoryMmap } from 'vm-memory'
import { check } from './checks.mjs'

/** What the worker answers when it has done its work on this ticket. */
function work(ticket, count) {
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { ticket, count } })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  }).finally(() => worker.terminate())
}

check('two threads count in the same word, and plug memory into the same map', async () => {
  const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
  const count = 1000
  const answers = await Promise.all([work(atomic.share(), count), work(atomic.share(), count)])
  assert.deepEqual(answers, ['done', 'done'])
  assert.equal(atomic.memory().readU32(8), 2 * count)
  assert.equal(atomic.memory().numRegions, 3)
})

check('a ticket is good for one thread', async () => {
  const ticket = new GuestMemoryAtomic(new GuestMemoryMmap()).share()
  GuestMemoryAtomic.fromShared(ticket)
  assert.throws(() => GuestMemoryAtomic.fromShared(ticket), { code: 'ERR_INVALID_TICKET' })
})
