// Reads all of the memory in many ways, and tells what it has met: `after` a grace period nothing but the words of the regions.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic } from '../../index.js'

const SLOTS = 4
const SIZE = 16 * 4096
const startOf = (slot) => (slot + 1) * 0x10_0000
const wordOf = (slot) => 0x5107_0001 + slot * 0x101

const { ticket, when } = workerData
const atomic = GuestMemoryAtomic.fromShared(ticket)
const bytes = new Uint8Array(4096)
const words = new Uint32Array(bytes.buffer)

const done = { reads: 0, refused: 0, zeros: 0 }
/** A thread that is told to end may take some steps after its native calls have stopped being done. */
const canCall = () => atomic.clone() !== undefined
const fail = (failure) => {
  if (!canCall()) return
  parentPort.postMessage({ ...done, failure })
  process.exit()
}

function see(word, slot, way) {
  done.reads += 1
  if (word === wordOf(slot)) return
  if (word === 0 && when === 'during') done.zeros += 1
  else fail(`${way} of slot ${slot} has met 0x${word.toString(16)}`)
}

const WAYS = {
  readU32: (memory, at) => memory.readU32(at),
  load: (memory, at) => memory.load('u32', at, 2),
  'readObj of an array': (memory, at) => memory.readObj(['u32', 8], at)[7],
  'a slice': (memory, at) => memory.getSlice(at, 64).readU32(60),
  'a region': (memory, at) => {
    const [region, offset] = memory.toRegionAddr(at)
    return region.readU32(offset)
  },
  readSlice: (memory, at) => {
    memory.readSlice(bytes, at - (at % 4096))
    for (const word of words) if (word !== words[0]) return word === 0 ? words[0] : word
    return words[0]
  },
  views: (memory, at) => new DataView(memory.views(at, 64)[0].slice().buffer).getUint32(60, true),
}

const kept = []
async function read() {
  for (let round = 0; ; round += 1) {
    const guard = atomic.memory()
    for (let slot = 0; slot < SLOTS; slot += 1) {
      for (const way in WAYS) {
        // Views keep addresses, and those of all regions that ever were are too many.
        if (way === 'views' && round % 64 !== 0) continue
        for (let at = startOf(slot); at < startOf(slot) + SIZE - 64; at += 4096) {
          try {
            see(WAYS[way](guard, at), slot, way)
          } catch (error) {
            if (error.code !== 'ERR_DISPOSED' || when === 'after') fail(`${way}: ${error}`)
            done.refused += 1
          }
        }
      }
    }
    kept.push(guard)
    if (kept.length > round % 3) for (const each of kept.splice(0)) each.dispose()
    if (round % 32 === 0) {
      parentPort.postMessage({ ...done })
      done.reads = done.refused = done.zeros = 0
      await setImmediate()
    }
  }
}
void read()
