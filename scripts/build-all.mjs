// Builds the binaries of all platforms on one machine: `npm run build:all -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { FOLDERS, inspect } from './packages/binary.mjs'
import { locate, run } from './packages/program.mjs'
import { environment } from './packages/python.mjs'
import { CARGO_ZIGBUILD, ZIG } from './packages/versions.mjs'
import { table, writePage } from './page.mjs'
import { OLDEST_GLIBC, OLDEST_MACOS, root, targetOf, targets } from './targets.mjs'

const HELP = `Usage: npm run build:all [-- platform …]

Builds the addon for the platforms, such as linux-arm64-musl, or for all of them: into npm/<platform>/, with dist/.
When all are built, docs/binaries.md is written. Needs Rust with rustup, and Python 3; a linker for all targets is downloaded
once (400 MB), into the user's cache.

  -h, --help  this text`

const PAGE = path.join(root, 'docs', 'binaries.md')

function compilerFlags(target) {
  const flags = FOLDERS.map(([folder, name]) => `--remap-path-prefix=${folder}=${name}`)
  if (target.os !== 'darwin') return flags
  // Else the file would have the path that it was built at for its name, and ask for libraries that it does not use.
  return [...flags, `-Clink-arg=-Wl,-install_name,@rpath/${target.binary}`, '-Clink-arg=-Wl,-dead_strip_dylibs']
}

/** In a folder of its own, so that the developer's binary stays. Returns what it needs. */
function build(target, tools) {
  const output = path.join(root, 'target', 'cross', target.platform)
  rmSync(output, { recursive: true, force: true })
  mkdirSync(output, { recursive: true })
  // The suffix is for the linker: without it, a newer glibc would be needed than has to be.
  const triple = target.libc === 'glibc' ? `${target.triple}.${OLDEST_GLIBC}` : target.triple
  run('npm', ['run', 'build:native', '--', '--output-dir', output, '--target', triple, '--cross-compile'], {
    cwd: root,
    env: {
      ...process.env,
      PATH: tools + path.delimiter + process.env.PATH,
      MACOSX_DEPLOYMENT_TARGET: OLDEST_MACOS,
      RUSTFLAGS: compilerFlags(target).join(' '),
    },
  })
  const declarations = (folder) => readFileSync(path.join(folder, 'index.d.ts'), 'utf8')
  if (declarations(output) !== declarations(root)) {
    throw new Error(`index.d.ts is not what ${target.triple} gives: run npm run build and compare`)
  }
  const file = path.join(output, target.binary)
  const found = inspect(target, file)
  copyFileSync(file, path.join(target.folder, target.binary))
  return found
}

function renderPage(results) {
  const rustc = run('rustc', ['--version']).split(' ')[1]
  const rows = results.map(({ target, size, system, libraries }) => [
    `\`${target.platform}\``,
    `\`${target.triple}\``,
    size.toLocaleString('en'),
    system,
    libraries.map((library) => `\`${library}\``).join(', '),
  ])
  return `<!-- Written by scripts/build-all.mjs; do not edit. -->

# Binaries

\`npm run build:all\` made these binaries last, with rustc ${rustc}, zig ${ZIG} and cargo-zigbuild ${CARGO_ZIGBUILD}. "System" is
the oldest system that has everything that the binary needs.

${table(['Platform', 'Target', 'Bytes', 'System', 'Libraries'], rows)}

All binaries are stripped, and contain no path of the machine that built them. The binaries for arm64 Linux load on hosts with
pages of up to 64 KiB. The binary for arm64 macOS has the signature that macOS needs. The build checks all of this.
`
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  })
  if (values.help) return console.log(HELP)
  const wanted = positionals.length === 0 ? targets : positionals.map(targetOf)
  for (const program of ['cargo', 'rustup']) locate(program, 'install Rust with rustup')
  if (FOLDERS.some(([folder]) => /\s/.test(folder))) throw new Error('the compiler cannot be told paths with spaces')

  console.log('Tools …')
  const tools = environment(`ziglang==${ZIG}`, `cargo-zigbuild==${CARGO_ZIGBUILD}`)
  run('rustup', ['target', 'add', ...wanted.map(({ triple }) => triple)], { cwd: root })
  run('npx', ['napi', 'create-npm-dirs'], { cwd: root })
  const results = wanted.map((target, index) => {
    process.stdout.write(`[${index + 1}/${wanted.length}] ${target.triple} … `)
    const begun = performance.now()
    const found = build(target, tools)
    const seconds = Math.round((performance.now() - begun) / 1000)
    console.log(`${seconds} s, ${found.size.toLocaleString('en')} bytes, ${found.system}`)
    return { target, ...found }
  })
  run('npm', ['run', 'build:lib'], { cwd: root })
  if (wanted.length === targets.length) await writePage(PAGE, renderPage(results))
}

try {
  await main()
} catch (error) {
  console.error(`\nbuild:all: ${error.message}`)
  process.exitCode = 1
}
