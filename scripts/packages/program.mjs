// Running programs.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

/** A program could not be started, or told that it failed. */
export class ProgramError extends Error {
  name = 'ProgramError'
}

/**
 * What a program prints on its standard output. Where it fails, all that it printed is in the error.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnSyncOptions & { hint?: string }} [options] a hint for when it is missing
 */
export function run(command, args, { hint, ...options } = {}) {
  const { error, status, signal, stdout, stderr } = start(command, args, options)
  if (error?.code === 'ENOENT') throw new ProgramError(`${command} is missing${hint === undefined ? '' : `: ${hint}`}`)
  if (error !== undefined) throw error
  if (status !== 0) {
    const end = signal === null ? `exit code ${status}` : signal
    throw new ProgramError(`${[path.basename(command), ...args].join(' ')}: ${end}\n${stdout}${stderr}`.trimEnd())
  }
  return stdout
}

/** The same, for those who judge of the result themselves. */
export function start(command, args, options = {}) {
  return spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
}

/** Where a program is on the path. */
export function locate(command, hint) {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const file = folders.map((folder) => path.join(folder, command)).find((each) => existsSync(each))
  if (file === undefined) throw new ProgramError(`${command} is missing${hint === undefined ? '' : `: ${hint}`}`)
  return file
}
