// The counter: a plain number in guest memory, incremented by whoever holds the lock, and for each seat how often it did.
// A thread may be terminated between any two writes. So it writes down first what it is about to do, and the next holder
// does it again if it finds that unfinished: doing it twice is the same as doing it once.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { PAGE } from './layout.mjs'

const COUNT = 0
const INTENT = { pending: 8, count: 16, seat: 24, own: 32 }
const LAST_GENERATION = 64
const ownAddress = (seat) => PAGE + 8 * seat

/** Finishes what a holder that is gone has begun. */
export function settle(memory) {
  if (memory.readU64(INTENT.pending) === 0n) return
  finish(memory)
}

function finish(memory) {
  memory.writeU64(memory.readU64(INTENT.count) + 1n, COUNT)
  memory.writeU64(memory.readU64(INTENT.own) + 1n, ownAddress(Number(memory.readU64(INTENT.seat))))
  memory.writeU64(0n, INTENT.pending)
}

/** With the lock held. `pause` is called between reading and writing. */
export function increment(memory, seat, pause) {
  settle(memory)
  const count = memory.readU64(COUNT)
  memory.writeU64(count, INTENT.count)
  memory.writeU64(BigInt(seat), INTENT.seat)
  memory.writeU64(memory.readU64(ownAddress(seat)), INTENT.own)
  memory.writeU64(1n, INTENT.pending)
  pause()
  finish(memory)
  const now = memory.readU64(COUNT)
  if (now !== count + 1n) throw new Error(`someone else held the lock too: the counter went from ${count} to ${now}`)
}

/** The counter, and what each seat has added to it. */
export function totals(memory, seats) {
  settle(memory)
  return {
    count: memory.readU64(COUNT),
    own: Array.from({ length: seats }, (_, seat) => memory.readU64(ownAddress(seat))),
  }
}

/** With the lock held, before publishing: no generation is skipped, and none published twice. */
export function advance(memory, generation) {
  const last = memory.readU64(LAST_GENERATION)
  // A writer may have been terminated after it had written this and before it published.
  if (last !== generation && last !== generation + 1n) {
    throw new Error(`an update was lost: ${last} was published, ${generation} is what is there`)
  }
  memory.writeU64(generation + 1n, LAST_GENERATION)
}
