// Runs machines of examples/kvm on /dev/kvm: `npm run test:kvm [part of a title]`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { compileProgram } from '../../examples/kvm/guest-program.js'
import { endThreads, startThreads } from '../../examples/kvm/threads.js'
import { NoKvmError, openKvm } from '../../examples/kvm/vm.js'
import { UsageError } from '../../examples/machine/usage-error.js'
import { runScenarios } from '../scenario.js'
import { scenarios } from './scenarios.js'

const [wanted] = process.argv.slice(2)

/** How many failed. */
async function run(folder: string): Promise<number> {
  const kvm = openKvm()
  const programs = { work: compileProgram('work', folder), hostile: compileProgram('hostile', folder) }
  const threads = startThreads()
  const failed = await runScenarios(scenarios, { kvm, folder, threads, programs }, wanted)
  await endThreads(threads)
  return failed
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-kvm-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  process.exitCode = (await run(folder)) === 0 ? 0 : 1
} catch (error) {
  if (!(error instanceof NoKvmError || error instanceof UsageError)) throw error
  console.log(`skipped: ${error.message}`)
}
