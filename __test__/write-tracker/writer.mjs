// Writes where it is told to, in a thread of its own: by a method, and through a view.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

const { GuestMemoryMmap } = createRequire(import.meta.url)('../../index.js')

const memory = GuestMemoryMmap.fromShared(workerData)
parentPort.on('message', ([addr, count]) => {
  memory.writeU8(1, addr)
  for (const view of memory.views(addr, count)) view.fill(2)
  parentPort.postMessage('written')
})
