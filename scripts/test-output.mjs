// What test runners have printed, as numbers.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { stripVTControlCharacters } from 'node:util'

/** Without colours, on which some runners insist. */
export const plain = stripVTControlCharacters

/** How many tests have passed and failed, of ava, of cargo, and of scripts of this project. */
export function countTests(text) {
  const sum = (...patterns) =>
    patterns.flatMap((pattern) => [...text.matchAll(pattern)]).reduce((total, [, count]) => total + Number(count), 0)
  return {
    passed: sum(/^ +(\d+) tests? passed$/gm, /^test result: \w+\. (\d+) passed/gm, /^(\d+) passed, \d+ failed$/gm),
    failed: sum(
      /^ +(\d+) tests? failed$/gm,
      /^ +(\d+) uncaught exceptions?$/gm,
      /^ +(\d+) unhandled rejections?$/gm,
      /^test result: \w+\. \d+ passed; (\d+) failed/gm,
      /^\d+ passed, (\d+) failed$/gm,
    ),
  }
}
