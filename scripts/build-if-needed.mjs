// Builds what is older than its sources, and says nothing when that is nothing. `npm start` and `npm test` begin with it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { run } from './packages/program.mjs'

const HELP = `Usage: node scripts/build-if-needed.mjs

Builds the addon and lib/, each only when a source of it is newer than what was built. npm run build always builds.

  -h, --help  this text`

const ROOT = path.join(import.meta.dirname, '..')

const ADDON = `vm-memory.${process.platform}-${process.arch}`

/** `made` is what a build makes last: its time tells when that was. */
const BUILDS = [
  {
    what: 'the addon, which takes about a minute',
    script: 'build:native',
    sources: [
      'Cargo.toml',
      'Cargo.lock',
      'package.json',
      'package-lock.json',
      'scripts/build-native.mjs',
      'scripts/declarations.mjs',
      'crate',
    ],
    made: readdirSync(ROOT).find((name) => name.startsWith(ADDON) && name.endsWith('.node')) ?? `${ADDON}.node`,
    others: ['index.d.ts'],
  },
  {
    what: 'lib/',
    script: 'build:lib',
    sources: [
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'scripts/copy-methods.mjs',
      'scripts/packages/compiled.mjs',
      'lib',
    ],
    made: 'dist/index.js',
    others: [],
  },
]

/** A crate of its own. */
const FUZZER = 'crate/fuzz'

/** Finds when a source was changed last. Folders count, since files are taken out of them. */
function lastChange(source) {
  const status = statSync(path.join(ROOT, source))
  const parts = status.isDirectory() && source !== FUZZER ? readdirSync(path.join(ROOT, source)) : []
  return Math.max(status.mtimeMs, ...parts.map((name) => lastChange(`${source}/${name}`)))
}

/** Marks a build that has begun and has not succeeded: what it left half done may be newer than all sources. */
const unfinished = (script) => path.join(ROOT, 'target', `unfinished-${script.replace(':', '-')}`)

function isCurrent({ script, sources, made, others }) {
  if (existsSync(unfinished(script)) || ![made, ...others].every((file) => existsSync(path.join(ROOT, file))))
    return false
  const { mtimeMs: built } = statSync(path.join(ROOT, made))
  return sources.every((source) => lastChange(source) <= built)
}

function main() {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) return console.log(HELP)
  for (const { what, script } of BUILDS.filter((build) => !isCurrent(build))) {
    console.error(`Building ${what} …`)
    mkdirSync(path.join(ROOT, 'target'), { recursive: true })
    writeFileSync(unfinished(script), '')
    run('npm', ['run', script], { cwd: ROOT })
    rmSync(unfinished(script))
  }
}

try {
  main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
