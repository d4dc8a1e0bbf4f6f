// Builds the addon with AddressSanitizer and runs the specs on it: `npm run test:asan -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { locate, run, start } from './packages/program.mjs'
import { hostTarget, root } from './targets.mjs'

const HELP = `Usage: npm run test:asan [-- spec …]

Builds the addon with AddressSanitizer, and runs the specs on it, or all of them. Needs npm run build before (dist/),
gcc's libasan, and Linux with glibc.

  -h, --help  this text`

/** Tests whose subject the sanitizer takes away, by patterns of their titles, and why. */
const NO_LOCKS = 'the sanitizer lets mlock do nothing'
const OWN_MEMORY = 'the sanitizer keeps what was freed for a while'
const LEFT_OUT = new Map([
  ['pages are locked: *', NO_LOCKS],
  ['what may be locked *', NO_LOCKS],
  ['options of locks *', NO_LOCKS],
  ['what was locked *', NO_LOCKS],
  ['without memory, *', 'the sanitizer needs more addresses than are left'],
  ['forty connections with *', OWN_MEMORY],
  ['a hundred connections that read nothing *', OWN_MEMORY],
  ['options that are refused without end*', OWN_MEMORY],
  ['the storm ends the process where memory does not recover', 'the sanitizer ends it by another signal'],
])

const OUT = path.join(root, 'out-asan')
const REPORTS = path.join(OUT, 'reports')
const TOOLS = path.join(OUT, 'tools')

/** Runs a program that prints for the user, and tells whether it has succeeded. */
function succeeds(command, args, env) {
  const { error, status } = start(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
  if (error !== undefined) throw error
  return status === 0
}

/** Sees to it that there is what is needed. Returns the target of this machine, and the library of the sanitizer. */
function prepare() {
  const target = hostTarget()
  if (target.libc !== 'glibc') throw new Error('it runs on Linux with glibc')
  if (!existsSync(path.join(root, 'dist'))) throw new Error('dist/ is missing: run npm run build first')
  // gcc answers with the bare name where it has no such file.
  const library = run('gcc', ['-print-file-name=libasan.so'], { hint: 'install gcc with its sanitizers' }).trim()
  if (!path.isAbsolute(library)) throw new Error('libasan.so is missing: install the sanitizer libraries of gcc')
  return { target, library }
}

/**
 * Builds without optimization, with debug assertions and checks of overflow. In a target folder of its own, since these flags
 * are for every crate; for a target triple, so that they are not for build scripts and macros.
 */
function build({ triple }) {
  const args = [
    'napi',
    'build',
    '--platform',
    '--manifest-path',
    'crate/Cargo.toml',
    '--output-dir',
    OUT,
    '--target',
    triple,
  ]
  const env = { CARGO_TARGET_DIR: 'target/asan', RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Zsanitizer=address' }
  if (!succeeds('npx', args, env)) throw new Error('the build with AddressSanitizer failed')
}

/** What has a process load the sanitizer, and the addon that was built with it. */
function environment(binary, library) {
  rmSync(REPORTS, { recursive: true, force: true })
  for (const folder of [REPORTS, TOOLS]) mkdirSync(folder, { recursive: true })
  // Some specs ask cargo where upstream's sources are, or rustc how structs lie. The compiler crashes with libasan before it.
  for (const tool of ['cargo', 'rustc']) {
    const script = `#!/bin/sh\nunset LD_PRELOAD\nexec '${locate(tool)}' "$@"\n`
    writeFileSync(path.join(TOOLS, tool), script, { mode: 0o755 })
  }
  return {
    NAPI_RS_NATIVE_LIBRARY_PATH: binary,
    LD_PRELOAD: library,
    PATH: TOOLS + path.delimiter + process.env.PATH,
    ASAN_OPTIONS: [
      // Node itself frees little when it ends.
      'detect_leaks=0',
      // As malloc does where there is no memory: specs ask for absurd sizes.
      'allocator_may_return_null=1',
      // To files, so that none is lost in a child whose failure a spec expects.
      `log_path=${path.join(REPORTS, 'asan')}`,
    ].join(':'),
  }
}

/** The loader goes on to the next candidate when it cannot load the first. */
function checkThatItLoads(env) {
  const probe = `require(${JSON.stringify(root)})
const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8')
process.exit(maps.includes(process.env.NAPI_RS_NATIVE_LIBRARY_PATH) && maps.includes('libasan') ? 0 : 1)`
  if (!succeeds(process.execPath, ['-e', probe], env)) throw new Error('the addon with AddressSanitizer does not load')
}

/** What has the runner leave tests out. */
function leftOut() {
  for (const [title, reason] of LEFT_OUT) console.log(`Left out: ${title} (${reason})`)
  return [...LEFT_OUT.keys()].map((title) => `--match=!${title}`)
}

function main() {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  })
  if (values.help) return console.log(HELP)
  const { target, library } = prepare()
  build(target)
  const env = environment(path.join(OUT, target.binary), library)
  checkThatItLoads(env)
  // One after another: some specs give the programs they start a time, which is short enough for slow code.
  const passed = succeeds('npx', ['ava', '--timeout=10m', '--concurrency=1', ...leftOut(), ...positionals], env)

  // The other files are warnings of allocations that were refused.
  const found = readdirSync(REPORTS)
    .map((report) => readFileSync(path.join(REPORTS, report), 'utf8'))
    .filter((report) => report.includes('ERROR: AddressSanitizer'))
  for (const report of found) console.error(report)
  if (found.length > 0) throw new Error(`AddressSanitizer has reported ${found.length} time(s)`)
  if (!passed) process.exitCode = 1
}

try {
  main()
} catch (error) {
  console.error(`test:asan: ${error.message}`)
  process.exitCode = 1
}
