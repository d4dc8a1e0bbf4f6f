// Choices that a seed decides.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { randomNumbers } from '../../stress/random.mjs'

export class Chance {
  readonly #below: (below: number) => number

  /** The choices of one program of a run. */
  constructor(seed: number, program: number) {
    // Seeds that are neighbours would give programs that are shifted copies.
    const mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(program + 1, 0xc2b2ae35)
    this.#below = randomNumbers(mixed)
    this.#below(2)
  }

  /** A whole number from 0 to below `limit`, which is at most 2^32. */
  below(limit: number): number {
    return this.#below(limit)
  }

  /** True `percent` times of a hundred. */
  percent(percent: number): boolean {
    return this.below(100) < percent
  }

  among<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T {
    let at = this.below(items.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, item] of items) {
      if (at < weight) return item
      at -= weight
    }
    throw new RangeError('nothing to choose from')
  }

  /** A whole number of at most 64 bits, of any magnitude. */
  bits(): bigint {
    const value = (BigInt(this.below(2 ** 32)) << 32n) | BigInt(this.below(2 ** 32))
    return value >> BigInt(this.below(64))
  }
}
