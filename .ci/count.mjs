// Sums up what the test runners printed: `node .ci/count.mjs LOG FAILED_STEPS`.
import { readFileSync } from 'node:fs'
import { countTests, plain } from '../scripts/test-output.mjs'

const [log, failedSteps] = process.argv.slice(2)
const { passed, failed: failedTests } = countTests(plain(readFileSync(log, 'utf8')))
// A step that failed without a failed test, such as a linter or a crash, counts as one.
const failed = failedTests === 0 ? Number(failedSteps) : failedTests

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
