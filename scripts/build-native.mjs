// Builds the addon and its declarations. Options are those of `napi build`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { complete } from './declarations.mjs'
import { ProgramError, start } from './packages/program.mjs'

const root = path.join(import.meta.dirname, '..')
const DECLARATIONS = 'index.d.ts'

const given = process.argv.slice(2)
const named = given.indexOf('--output-dir')
const folder = path.resolve(root, named < 0 ? '.' : given[named + 1])

const options = ['--platform', '--manifest-path', 'crate/Cargo.toml', '--no-js', '--dts', DECLARATIONS]
const output = named < 0 ? ['--output-dir', '.'] : []

function main() {
  const { error, status } = start('napi', ['build', ...options, ...output, ...given], { cwd: root, stdio: 'inherit' })
  if (error?.code === 'ENOENT')
    throw new ProgramError('napi is missing: run this with npm run build:native, after npm ci')
  if (error !== undefined) throw error
  if (status !== 0) throw new ProgramError(`napi build: exit code ${status}`)
  const file = path.join(folder, DECLARATIONS)
  writeFileSync(file, complete(readFileSync(file, 'utf8')))
}

try {
  main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
