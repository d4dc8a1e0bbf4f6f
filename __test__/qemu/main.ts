// Runs real guests on examples/vhost-user-blk: npm run test:qemu
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runScenarios } from '../scenario.js'
import { makeBase } from './initramfs.js'
import { locks } from './locks.js'
import { mapChanges } from './map-changes.js'
import { migrations } from './migrations.js'
import { MissingError, preparePackages, QEMU } from './packages.js'
import { restarts } from './restarts.js'
import { savedMemory } from './saved-memory.js'
import { scenarios } from './scenarios.js'
import { truncatedMemory } from './truncated-memory.js'

const USAGE = `Usage: npm run test:qemu -- [options] [part of a title]

Boots virtual machines on the vhost-user-blk device, with QEMU of Debian's packages, which are downloaded.

  --migrations <number>   how often a guest moves, in each of the ways that there are (once, over a socket)
  --restarts <number>     how often the device ends, and half as often as it is killed under each load (2)
  --help
`

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function parse() {
  try {
    const options = {
      migrations: { type: 'string' },
      restarts: { type: 'string', default: '2' },
      help: { type: 'boolean' },
    } as const
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    return refuse((error as Error).message)
  }
}

const { values, positionals } = parse()
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
function times(name: 'migrations' | 'restarts'): number {
  const count = Number(values[name])
  return Number.isInteger(count) && count >= 1 ? count : refuse(`--${name} must be a number from 1 on`)
}
const moves = values.migrations === undefined ? undefined : times('migrations')
const ends = times('restarts')
const [wanted, ...more] = positionals
if (more.length > 0) refuse(`too many arguments: ${more.join(' ')}`)

/** How many failed. */
async function run(folder: string): Promise<number> {
  const packages = preparePackages(QEMU)
  const base = path.join(folder, 'base')
  makeBase(packages, base)
  const all = [
    ...scenarios,
    ...mapChanges,
    savedMemory,
    truncatedMemory,
    locks,
    ...restarts(ends),
    ...migrations(moves),
  ]
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
