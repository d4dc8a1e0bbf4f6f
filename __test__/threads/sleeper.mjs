// Uses guards in some way, and then sleeps, or loops without a turn of its event loop, until a word says otherwise.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic } from '../../index.js'

const { ticket, way, signal, loops } = workerData
const atomic = GuestMemoryAtomic.fromShared(ticket)
const word = new Int32Array(signal)

const WAYS = {
  'read and dispose': () => {
    const guard = atomic.memory()
    guard.readU8(0)
    guard.dispose()
  },
  dispose: () => atomic.memory().dispose(),
  clone: () => {
    const guard = atomic.memory()
    guard.clone().dispose()
    guard.dispose()
  },
  'take the map out': () => atomic.memory().intoInner(),
  'transfer asynchronously': async () => {
    const guard = atomic.memory()
    const transfer = guard.writeVolatileToAsync(0, 1, 0)
    guard.dispose()
    await transfer
  },
  'use it often': () => {
    for (let use = 0; use < 20_000; use += 1) WAYS['read and dispose']()
  },
  'keep a guard': () => atomic.memory(),
  'keep one of two guards': () => {
    const guard = atomic.memory()
    atomic.memory().dispose()
    return guard
  },
}

const kept = await WAYS[way]()
parentPort.postMessage('sleeps')
if (loops) while (Atomics.load(word, 0) === 0);
else Atomics.wait(word, 0, 0)
kept?.dispose?.()
parentPort.postMessage(atomic.memory().numRegions)
