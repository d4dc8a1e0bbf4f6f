// A thread of threads.mjs.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic, GuestRegionMmap } from 'vm-memory'

const atomic = GuestMemoryAtomic.fromShared(workerData.ticket)
const [region] = atomic.memory()
const words = new Uint32Array(region.buffer)
for (let i = 0; i < workerData.count; i += 1) Atomics.add(words, 2, 1)
atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(map.lastAddr + 0x1001n, 0x1000)))
parentPort.postMessage('done')
