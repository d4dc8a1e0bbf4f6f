// Reads a word of shared memory again and again, until that is an error or another word: what came first is told.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

const { GuestMemoryMmap } = createRequire(import.meta.url)('../../index.js')

const ready = new Int32Array(workerData.ready)

parentPort.on('message', ({ ticket, word, addr }) => {
  const memory = GuestMemoryMmap.fromShared(ticket)
  // So often that the fast paths answer.
  for (let use = 0; use < 1000; use += 1) memory.readU32(addr)
  Atomics.add(ready, 0, 1)
  let found = word
  let code = 'none'
  try {
    while (found === word) found = memory.readU32(addr)
  } catch (error) {
    code = error.code
  }
  parentPort.postMessage({ found, code })
})
