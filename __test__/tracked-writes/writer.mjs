// Writes to every page of tracked memory, in one of all ways, until it is terminated.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic, GuestMemoryMmap, Ordering } from '../../index.js'

const PAGE = 4096
const memory = GuestMemoryMmap.fromShared(workerData.ticket)
const guard = new GuestMemoryAtomic(memory).memory()
const region = memory.findRegion(0)
const word = Uint8Array.of(1, 2, 3, 4)
const page = new Uint8Array(PAGE).fill(7)

const WAYS = {
  writeU8: (at) => memory.writeU8(1, at),
  writeI16: (at) => guard.writeI16(-1, at),
  writeU32: (at) => region.writeU32(1, at),
  writeU64: (at) => memory.writeU64(1n, at),
  writeObj: (at) => guard.writeObj('be32', 1, at),
  'writeObj of an array': (at) => memory.writeObj(['u8', 4], word, at),
  store: (at) => memory.store('u16', 1, at, Ordering.SeqCst),
  'store of 64 bits': (at) => region.store('u64', 1n, at, Ordering.Release),
  write: (at) => memory.write(word, at),
  writeSlice: (at) => guard.writeSlice(page, at),
  fill: (at) => memory.fill(7, at, PAGE),
}

const write = WAYS[workerData.way]
// Warm first: what is rare is met by who is fast.
for (let i = 0; i < 20_000; i += 1) write(0)
parentPort.postMessage('warm')
for (;;) for (let at = 0; at < workerData.size; at += PAGE) write(at)
