// Numbers that the seed decides.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** A function that gives the next whole number from 0 to below its argument. */
export function randomNumbers(seed) {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) % below
  }
}
