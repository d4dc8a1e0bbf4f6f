// A page that was written is dirty, whenever the thread that wrote it was ended.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { GuestMemoryMmap, type GuestRegionMmap } from '../index.js'

const PAGE = 4096
const SIZE = 2048 * PAGE

const WAYS = [
  'writeU8',
  'writeI16',
  'writeU32',
  'writeU64',
  'writeObj',
  'writeObj of an array',
  'store',
  'store of 64 bits',
  'write',
  'writeSlice',
  'fill',
]

/** Counts the pages that were written and are not dirty. */
function lost(region: GuestRegionMmap): number {
  const { bitmap } = region
  let count = 0
  const bytes = region.asUint8Array()
  for (let at = 0; at < SIZE; at += PAGE) {
    const isWritten = bytes.subarray(at, at + 8).some((byte) => byte !== 0)
    if (isWritten && !bitmap?.dirtyAt(at)) count += 1
  }
  return count
}

for (const way of WAYS) {
  test.serial(`${way} marks what it wrote, when its thread is terminated`, async (t) => {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const memory = GuestMemoryMmap.fromRanges([[0, SIZE]], { bitmap: true })
      const region = memory.findRegion(0) as GuestRegionMmap
      const worker = new Worker(new URL('tracked-writes/writer.mjs', import.meta.url), {
        workerData: { ticket: memory.share(), way, size: SIZE },
      })
      await once(worker, 'message')
      // Marks are taken away all the time: a page that is marked before it is written would be lost.
      const until = Date.now() + 20
      while (Date.now() < until) {
        const { bitmap } = region
        const taken = bitmap?.getAndReset() ?? new BigUint64Array()
        for (const [index, word] of taken.entries()) {
          for (let bit = 0; bit < 64; bit += 1)
            if ((word >> BigInt(bit)) & 1n) region.writeU64(0n, (index * 64 + bit) * PAGE)
        }
      }
      await setTimeout(Math.random() * 3)
      await worker.terminate()
      t.is(lost(region), 0)
    }
  })
}
