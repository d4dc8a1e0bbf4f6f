// Sums up what the test runners printed: `node .ci/count.mjs LOG FAILED_STEPS`.
import { readFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

const [log, failedSteps] = process.argv.slice(2)
// Some runners insist on colours.
const text = stripVTControlCharacters(readFileSync(log, 'utf8'))

const sum = (pattern) => [...text.matchAll(pattern)].reduce((total, [, count]) => total + Number(count), 0)

// ava, then cargo, then scripts of this project.
const passed =
  sum(/^ +(\d+) tests? passed$/gm) + sum(/^test result: \w+\. (\d+) passed/gm) + sum(/^(\d+) passed, \d+ failed$/gm)
let failed =
  sum(/^ +(\d+) tests? failed$/gm) +
  sum(/^ +(\d+) uncaught exceptions?$/gm) +
  sum(/^ +(\d+) unhandled rejections?$/gm) +
  sum(/^test result: \w+\. \d+ passed; (\d+) failed/gm) +
  sum(/^\d+ passed, (\d+) failed$/gm)
// A step that failed without a failed test, such as a linter or a crash, counts as one.
if (Number(failedSteps) > 0 && failed === 0) failed = Number(failedSteps)

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
