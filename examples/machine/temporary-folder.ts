import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reasonOf } from './input-file.js'
import { UsageError } from './usage-error.js'

/** A folder for the files of this run, removed when the process ends, on whatever way. */
export function makeTemporaryFolder(): string {
  let path: string
  try {
    path = mkdtempSync(join(tmpdir(), 'vm-memory-machine-'))
  } catch (error) {
    throw new UsageError(`${tmpdir()}: cannot make a temporary folder: ${reasonOf(error)}`)
  }
  process.on('exit', () => rmSync(path, { recursive: true, force: true }))
  return path
}
