// Where everything is in the guest memory of the stress suite, and in the block of numbers that its threads share beside it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

export const PAGE = 4096

/** The region that is in every map: the counter and its accounts. Only who holds the lock writes to it. */
export const ACCOUNTS = { base: 0, size: 16 * PAGE }

/** A region of one page that lists the others of its map; each map has a new one. */
export const MANIFEST = 0x10_0000

/** Regions that come and go, each at an address of its own. */
export const SLOTS = 24
export const MOST_PAGES = 3
export const slotAddress = (/** @type {number} */ slot) => 0x100_0000 + slot * 0x10_0000

/** What is counted while the suite runs, in the order of the numbers in the shared block. */
const TALLIES = [
  'snapshots',
  'pages',
  'handovers',
  'replaces',
  'abandoned',
  'forgotten',
  'givenUp',
  'terminations',
  'beats',
]

const STOP = 0
const NONCE = 1
const FIRST_TALLY = 2
const FIRST_SEAT = FIRST_TALLY + TALLIES.length
const SEAT_LENGTH = 3

/** What a thread is doing about the lock. */
export const IDLE = 0
export const WAITING = 1
export const HOLDING = 2

/** The numbers that all threads share. They are no guest memory: what they say does not depend on what is tested. */
export class Board {
  static lengthFor(seats) {
    return Int32Array.BYTES_PER_ELEMENT * (FIRST_SEAT + seats * SEAT_LENGTH)
  }

  constructor(buffer) {
    this.numbers = new Int32Array(buffer)
  }

  stop() {
    Atomics.store(this.numbers, STOP, 1)
  }

  get stopped() {
    return Atomics.load(this.numbers, STOP) === 1
  }

  /** A number that no other region has. */
  nextNonce() {
    return Atomics.add(this.numbers, NONCE, 1) + 1
  }

  count(what, amount = 1) {
    Atomics.add(this.numbers, FIRST_TALLY + TALLIES.indexOf(what), amount)
  }

  counted(what) {
    return Atomics.load(this.numbers, FIRST_TALLY + TALLIES.indexOf(what))
  }

  setState(seat, state) {
    Atomics.store(this.numbers, FIRST_SEAT + seat * SEAT_LENGTH, state)
  }

  state(seat) {
    return Atomics.load(this.numbers, FIRST_SEAT + seat * SEAT_LENGTH)
  }

  /** Before an increment. */
  attempt(seat) {
    Atomics.add(this.numbers, FIRST_SEAT + seat * SEAT_LENGTH + 1, 1)
  }

  attempts(seat) {
    return Atomics.load(this.numbers, FIRST_SEAT + seat * SEAT_LENGTH + 1)
  }

  /** After the lock was given back. */
  acknowledge(seat) {
    Atomics.add(this.numbers, FIRST_SEAT + seat * SEAT_LENGTH + 2, 1)
  }

  acknowledged(seat) {
    return Atomics.load(this.numbers, FIRST_SEAT + seat * SEAT_LENGTH + 2)
  }
}
