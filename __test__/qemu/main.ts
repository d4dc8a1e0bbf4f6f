// Runs real guests on examples/vhost-user-blk: `npm run test:qemu [part of a title]`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runScenarios } from '../scenario.js'
import { makeBase } from './initramfs.js'
import { locks } from './locks.js'
import { mapChanges } from './map-changes.js'
import { MissingError, preparePackages, QEMU } from './packages.js'
import { restarts } from './restarts.js'
import { savedMemory } from './saved-memory.js'
import { scenarios } from './scenarios.js'
import { truncatedMemory } from './truncated-memory.js'

const [wanted] = process.argv.slice(2)

/** How many failed. */
async function run(folder: string): Promise<number> {
  const packages = preparePackages(QEMU)
  const base = path.join(folder, 'base')
  makeBase(packages, base)
  const all = [...scenarios, ...mapChanges, savedMemory, truncatedMemory, locks, ...restarts]
  return runScenarios(all, { packages, folder, base }, wanted)
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-qemu-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  process.exitCode = (await run(folder)) === 0 ? 0 : 1
} catch (error) {
  if (!(error instanceof MissingError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
