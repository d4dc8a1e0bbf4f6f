// Runs NBD clients of others on examples/nbd: `npm run test:nbd [part of a title]`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { MissingError, NBD_CLIENTS, preparePackages, type Packages } from '../qemu/packages.js'
import { runScenarios } from '../scenario.js'
import { scenarios } from './clients.js'

const [wanted] = process.argv.slice(2)

/** Fetches the clients; null, with a line that says why, where they are not to be had. */
function clients(): Packages | null {
  try {
    return preparePackages(NBD_CLIENTS)
  } catch (error) {
    if (!(error instanceof MissingError)) throw error
    console.log(`skipped: ${error.message}`)
    return null
  }
}

const packages = clients()
if (packages !== null) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-nbd-'))
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  process.exitCode = (await runScenarios(scenarios, { packages, folder }, wanted)) === 0 ? 0 : 1
}
