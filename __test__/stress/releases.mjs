// Regions are replaced and released while threads read them, and end at any moment. Each region is full of one word; what is mapped
// where it was is full of others.
//
//   node releases.mjs SECONDS after|during    whether a grace period is waited for before a region is released
//   node releases.mjs SECONDS too-soon        none is waited for, and readers expect that one was
//
// Prints what was done, and ends with 1 if a reader has met what it must not.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, MmapRegion } from '../../index.js'

const SLOTS = 4
const SIZE = 16 * 4096
const startOf = (slot) => (slot + 1) * 0x10_0000
const wordOf = (slot) => 0x5107_0001 + slot * 0x101
const FOREIGN = 0xdead_beef
const THREADS = 3

const [seconds, when] = process.argv.slice(2)
const end = performance.now() + Number(seconds) * 1000

function fill(mapping, word) {
  const words = new Uint32Array(SIZE / 4).fill(word)
  new GuestRegionMmap(mapping, 0).writeSlice(new Uint8Array(words.buffer), 0)
  return mapping
}

function regionOf(slot) {
  const region = GuestRegionMmap.fromRange(startOf(slot), SIZE)
  region.writeSlice(new Uint8Array(new Uint32Array(SIZE / 4).fill(wordOf(slot)).buffer), 0)
  return region
}

const counts = { changes: 0, terminations: 0, reads: 0, refused: 0, zeros: 0 }
const failures = []
const regions = Array.from({ length: SLOTS }, (_, slot) => regionOf(slot))
const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRegions(regions))
const readers = new Set()
let isOver = false

function start() {
  const workerData = { ticket: atomic.share(), when: when === 'during' ? 'during' : 'after' }
  const worker = new Worker(new URL('release-reader.mjs', import.meta.url), { workerData, execArgv: [] })
  readers.add(worker)
  worker.on('message', ({ failure, ...done }) => {
    for (const name in done) counts[name] += done[name]
    if (failure !== undefined) failures.push(failure)
  })
  worker.on('error', (error) => failures.push(String(error)))
  worker.on('exit', () => {
    readers.delete(worker)
    if (!isOver && failures.length === 0) start()
  })
}
for (let thread = 0; thread < THREADS; thread += 1) start()

/** What may come to lie where something was. */
const foreign = []
let lastEnd = performance.now()
/** How long a reader has to do something before one of them is ended. */
const LIFE = 700
for (let slot = 0; performance.now() < end && failures.length === 0; slot = (slot + 1) % SLOTS) {
  const old = regions[slot]
  regions[slot] = regionOf(slot)
  atomic.update(() => GuestMemoryMmap.fromRegions(regions))
  if (when === 'after') await atomic.synchronize()
  old.release()
  foreign.push(fill(new MmapRegion(SIZE), FOREIGN))
  if (foreign.length > 8) foreign.shift().release()
  counts.changes += 1
  if (performance.now() - lastEnd > LIFE) {
    lastEnd = performance.now()
    const [worker] = readers
    if (worker !== undefined) {
      counts.terminations += 1
      await worker.terminate()
    }
  }
  await setImmediate()
}
isOver = true
await Promise.all([...readers].map((worker) => worker.terminate()))
console.log(JSON.stringify(counts))
for (const failure of failures.slice(0, 5)) console.error(failure)
process.exitCode = failures.length > 0 ? 1 : 0
