// Checks that print a line each, and are counted.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import process from 'node:process'

export class Tally {
  #passed = 0
  #failed = 0

  get failed() {
    return this.#failed
  }

  /** What `run` returns; undefined where it threw. */
  async check(title, run) {
    const begun = performance.now()
    try {
      const result = await run()
      console.log(`  ✔ ${title} (${((performance.now() - begun) / 1000).toFixed(1)} s)`)
      this.#passed += 1
      return result
    } catch (error) {
      console.log(`  ✘ ${title}`)
      console.log(error.message.replaceAll(/^/gm, '      '))
      this.#failed += 1
      return undefined
    }
  }

  /** Counts tests that another program has run. */
  add(title, { passed, failed, output }) {
    console.log(`  ${failed === 0 ? '✔' : '✘'} ${title}: ${passed} passed, ${failed} failed`)
    if (failed > 0) console.log(output.trimEnd().replaceAll(/^/gm, '      '))
    this.#passed += passed
    this.#failed += failed
  }

  /** Prints the numbers, and makes them the exit code. */
  finish() {
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`)
    process.exitCode = this.#failed === 0 && this.#passed > 0 ? 0 : 1
  }
}
