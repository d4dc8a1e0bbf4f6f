// Something that can be let go of.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/**
 * Holds what a test must be able to let go of. Everything is done in functions of their own: whatever an async function
 * had in its hands, if only for the length of an expression, may stay in its frame.
 */
export class Held<T extends object> {
  #value: T | null
  constructor(make: () => T) {
    this.#value = make()
  }
  static async of<T extends object>(make: () => Promise<T>): Promise<Held<T>> {
    const value = await make()
    return new Held(() => value)
  }
  use<R>(work: (value: T) => R): R {
    if (this.#value === null) throw new Error('let go of already')
    return work(this.#value)
  }
  letGo(): void {
    this.#value = null
  }
}
