// Changes a map of four regions again and again, in a process with warm fast paths and two workers, and counts what is mapped.
//
//   node map-changes.mjs CHANGES [leave]    leave: old regions are left to the collector
//
// Each region is of a file of its own. Prints `{ changes, mappings, descriptors, all, mebibytes }` each 100 changes: mappings of those
// files and open descriptors of them, all mappings of the process, and its addresses. Nobody runs a collection.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, memfdCreate } from '../../index.js'

const NAME = 'map-changes'
const REGIONS = 4
const SIZE = 1 << 20
const startOf = (slot) => slot * 2 * SIZE

function read(memory) {
  let sum = 0
  for (let slot = 0; slot < REGIONS; slot += 1) {
    for (let at = startOf(slot); at < startOf(slot) + SIZE; at += SIZE / 16) sum += memory.readU32(at)
  }
  return sum
}

/** Reads all of the memory, and lets its event loop turn. */
async function readForEver() {
  const atomic = GuestMemoryAtomic.fromShared(workerData)
  parentPort.postMessage('ready')
  for (;;) {
    const guard = atomic.memory()
    read(guard)
    guard.dispose()
    await setImmediate()
  }
}

function newRegion(slot) {
  const fd = memfdCreate(NAME, SIZE)
  const file = new FileOffset(fd, 0)
  closeSync(fd)
  const region = GuestRegionMmap.fromRange(startOf(slot), SIZE, file)
  file.dispose()
  for (let at = 0; at < SIZE; at += SIZE / 16) region.writeU32(slot, at)
  return region
}

function count(changes) {
  const lines = readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n')
  const descriptors = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(NAME)
    } catch {
      return false // that of the listing itself
    }
  })
  const mappings = lines.filter((line) => line.includes(NAME))
  const size = Number(/VmSize:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  const files = { mappings: mappings.length, descriptors: descriptors.length }
  console.log(JSON.stringify({ changes, ...files, all: lines.length, mebibytes: Math.round(size / 1024) }))
}

async function change(changes) {
  const regions = Array.from({ length: REGIONS }, (_, slot) => newRegion(slot))
  const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRegions(regions))
  const workers = Array.from({ length: 2 }, () => new Worker(new URL(import.meta.url), { workerData: atomic.share() }))
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
  for (let done = 0; done <= changes; done += 1) {
    if (done % 100 === 0) count(done)
    const slot = done % REGIONS
    const old = regions[slot]
    regions[slot] = newRegion(slot)
    atomic.update((map) => map.removeRegion(old.startAddr, SIZE)[0].insertRegion(regions[slot]))
    const guard = atomic.memory()
    read(guard)
    guard.dispose()
    await atomic.synchronize()
    if (process.argv[3] !== 'leave') old.release()
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
}

void (isMainThread ? change(Number(process.argv[2])) : readForEver())
