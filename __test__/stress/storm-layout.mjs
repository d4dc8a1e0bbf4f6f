// What the threads of the storm share: memory in which no word is ever zero, as long as nothing is lost, and numbers beside it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { pageSize } from '../../index.js'

export const PAGE = pageSize()
export const PAGES = 16
export const SIZE = PAGES * PAGE
/** Files, each with a region. */
export const SLOTS = 2
export const startOf = (slot) => (slot + 1) * 0x100_0000

/** Threads that read and write. In the first half of a page each has words of its own; in the second one, all write everywhere. */
export const THREADS = 4
export const HALF = PAGE / 2

const WORDS = PAGE / Uint32Array.BYTES_PER_ELEMENT
/** What the file of a slot has in a page, but for the lowest byte, which is whatever somebody wrote there last. */
const markOf = (slot, page) => (0x57_0000_00 | (slot << 16) | (page << 8)) >>> 0

/** A word that may be written to a page. */
export const wordOf = (slot, page, version) => (markOf(slot, page) | (1 + (version % 255))) >>> 0

export const isWordOf = (word, slot, page) => (word & ~0xff) >>> 0 === markOf(slot, page) && (word & 0xff) !== 0

/** A page as it is in a file that was just made longer. */
export function freshPage(slot, page) {
  return new Uint8Array(new Uint32Array(WORDS).fill(wordOf(slot, page, 0)).buffer)
}

/** What nobody may meet: other memory of this process is full of it. */
export const FOREIGN = 0xdeadbeef

/** What is counted, in the order in which it is printed. */
const TALLIES = [
  'accesses by methods',
  'accesses by views',
  'errors of lost memory',
  'errors of released memory',
  'zeros in views',
  'writes found in the file',
  'heals',
  'truncations',
  'regions replaced',
  'terminations',
  'silent zeros',
  'foreign bytes',
  'writes lost in silence',
  'errors without a loss',
]
const STOP = 0
const FIRST_EPOCH = 1
const FIRST_TALLY = FIRST_EPOCH + SLOTS

export class StormBoard {
  static length = Int32Array.BYTES_PER_ELEMENT * (FIRST_TALLY + TALLIES.length)

  constructor(buffer) {
    this.numbers = new Int32Array(buffer)
  }

  stop() {
    Atomics.store(this.numbers, STOP, 1)
  }

  get stopped() {
    return Atomics.load(this.numbers, STOP) === 1
  }

  /** Odd while the file of a slot may be too short, or not healed. */
  epoch(slot) {
    return Atomics.load(this.numbers, FIRST_EPOCH + slot)
  }

  nextEpoch(slot) {
    Atomics.add(this.numbers, FIRST_EPOCH + slot, 1)
  }

  count(what, amount = 1) {
    Atomics.add(this.numbers, FIRST_TALLY + TALLIES.indexOf(what), amount)
  }

  counts() {
    return Object.fromEntries(
      TALLIES.map((what, index) => [what, Atomics.load(this.numbers, FIRST_TALLY + index) >>> 0]),
    )
  }
}
