// A fault in a worker, of which two threads hear. Nothing keeps either alive.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { createRequire } from 'node:module'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

const vm = createRequire(import.meta.url)('../../index.js')
const PAGE = vm.pageSize()

if (isMainThread) {
  const fd = vm.memfdCreate('listener', 2 * PAGE, { seal: false })
  const memory = vm.GuestMemoryMmap.fromRanges([[0, 2 * PAGE, new vm.FileOffset(fd, 0)]], { recoverFaults: true })
  const seen = { main: 0, uncaught: 0 }
  vm.onMemoryFault((region, fault) => {
    if (region === memory.findRegion(0) && fault.offset === PAGE) seen.main += 1
    throw new Error('of a listener')
  })
  process.on('uncaughtException', () => (seen.uncaught += 1))
  const counts = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(import.meta.url), { workerData: { ticket: memory.share(), fd, counts } })
  worker.on('exit', () => setTimeout(() => console.log(JSON.stringify({ ...seen, other: counts[0] })), 200))
} else {
  const { ticket, fd, counts } = workerData
  const memory = vm.GuestMemoryMmap.fromShared(ticket)
  vm.onMemoryFault((region) => (counts[0] += region === memory.findRegion(0) ? 1 : 0))
  fs.ftruncateSync(fd, PAGE)
  new Uint8Array(memory.findRegion(0).buffer)[PAGE] = 1
  setTimeout(() => {}, 200)
}
