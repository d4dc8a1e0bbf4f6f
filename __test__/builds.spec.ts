// That a build is known: the parts of the package are of one version, and objects of another build are told from its own.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

import { VERSION } from '../lib/version.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8')
const manifest = (file: string): { version: string; packages?: Record<string, { version: string }> } =>
  JSON.parse(read(file))

test('crate, package, and the packages of the platforms are of one version', (t) => {
  const { version } = manifest('package.json')
  t.regex(version, /^\d+\.\d+\.\d+$/)
  const crates = ['crate/Cargo.toml', 'crate/src/operations/Cargo.toml', 'crate/src/sync/Cargo.toml'].map((file) => {
    return [file, /^version = "(.*)"$/m.exec(read(file))?.[1]] as const
  })
  const locked = ['vm-memory-node', 'vm-memory-operations', 'vm-memory-sync'].map((name) => {
    return [
      `Cargo.lock, ${name}`,
      new RegExp(`^name = "${name}"\\nversion = "(.*)"$`, 'm').exec(read('Cargo.lock'))?.[1],
    ]
  })
  const platforms = fs.readdirSync(path.join(root, 'npm')).map((name) => {
    return [name, manifest(path.join('npm', name, 'package.json')).version] as const
  })
  t.true(platforms.length > 0)
  const lock = manifest('package-lock.json')
  const found = Object.fromEntries([
    ...crates,
    ...locked,
    ...platforms,
    ['lib/version.ts', VERSION],
    ['package-lock.json', lock.version],
    ['package-lock.json, itself', lock.packages?.['']?.version],
  ]) as Record<string, string | undefined>
  t.deepEqual(found, Object.fromEntries(Object.keys(found).map((name) => [name, version])))
})

/** Finds the program that crate/build.rs was compiled to. */
function buildScript(): string {
  const found = ['target/release/build', 'target/debug/build']
    .map((folder) => path.join(root, folder))
    .filter((folder) => fs.existsSync(folder))
    .flatMap((folder) => fs.readdirSync(folder).map((name) => path.join(folder, name, 'build-script-build')))
    .filter((file) => file.includes('vm-memory-node-') && fs.existsSync(file))
    .toSorted((one, other) => fs.statSync(other).mtimeMs - fs.statSync(one).mtimeMs)
  if (found[0] === undefined) throw new Error('crate/build.rs was not compiled: run npm run build first')
  return found[0]
}

/** What a build is made of, in a folder where it can be changed, with the environment that cargo gives to the script. */
interface Build {
  folder: string
  env: Record<string, string>
}

function newBuild(t: ExecutionContext): Build {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-builds-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  for (const file of ['crate/src', 'crate/Cargo.toml', 'Cargo.toml', 'Cargo.lock']) {
    fs.cpSync(path.join(root, file), path.join(folder, file), { recursive: true })
  }
  const env = {
    CARGO_PKG_NAME: 'vm-memory-node',
    CARGO_PKG_VERSION: '1.2.3',
    CARGO_CFG_TARGET_OS: process.platform === 'darwin' ? 'macos' : 'linux',
    CARGO_CFG_TARGET_ENV: 'gnu',
    CARGO_ENCODED_RUSTFLAGS: '',
    RUSTC: 'rustc',
    TARGET: 'x86_64-unknown-linux-gnu',
    PROFILE: 'release',
    OPT_LEVEL: '3',
    DEBUG: 'false',
  }
  return { folder, env }
}

/** The version that the crate is compiled with, and so the one that its type tags are made of. */
function versionOf({ folder, env }: Build): string {
  const cwd = path.join(folder, 'crate')
  const printed = execFileSync(buildScript(), [], { cwd, env: { ...process.env, ...env }, encoding: 'utf8' })
  const version = /^cargo::rustc-env=CARGO_PKG_VERSION=(.*)$/m.exec(printed)?.[1]
  if (version === undefined) throw new Error(`it prints no version:\n${printed}`)
  return version
}

const append = ({ folder }: Build, file: string, text: string): void => fs.appendFileSync(path.join(folder, file), text)

const CHANGES: Record<string, (build: Build) => void> = {
  'a source': (build) => append(build, 'crate/src/node/value.rs', '\n'),
  'a source of the small crate': (build) => append(build, 'crate/src/sync/gate.rs', '\n'),
  'a source more': (build) => append(build, 'crate/src/more.rs', ''),
  'a dependency': (build) => append(build, 'Cargo.lock', '\n'),
  'a feature': (build) => append(build, 'crate/Cargo.toml', '\n'),
  'the profile': (build) => append(build, 'Cargo.toml', '\n'),
  'the kind of the profile': ({ env }) => void (env['PROFILE'] = 'debug'),
  'how it is optimized': ({ env }) => void (env['OPT_LEVEL'] = '0'),
  'what it is for': ({ env }) => void (env['TARGET'] = 'x86_64-unknown-linux-musl'),
  'a flag of the compiler': ({ env }) => void (env['CARGO_ENCODED_RUSTFLAGS'] = '-Zrandomize-layout'),
  'the version': ({ env }) => void (env['CARGO_PKG_VERSION'] = '1.2.4'),
  'the compiler': ({ env, folder }) => {
    const compiler = path.join(folder, 'rustc')
    fs.writeFileSync(compiler, '#!/bin/sh\necho rustc 9.9.9\n', { mode: 0o755 })
    env['RUSTC'] = compiler
  },
}

for (const [what, change] of Object.entries(CHANGES)) {
  test(`objects of builds that differ in ${what} are told apart`, (t) => {
    const build = newBuild(t)
    const before = versionOf(build)
    change(build)
    t.not(versionOf(build), before)
  })
}

test('the same build in another folder is the same', (t) => {
  const one = newBuild(t)
  const other = newBuild(t)
  other.env['CARGO_ENCODED_RUSTFLAGS'] = `--remap-path-prefix=${other.folder}=/src`
  t.regex(versionOf(one), /^1\.2\.3\+[0-9a-f]{16}$/)
  t.is(versionOf(other), versionOf(one))
})

test('the addon was compiled with that version', (t) => {
  const code = "console.log(require('./dist/load.js').load().door.version)"
  const version = execFileSync(process.execPath, ['-e', code], { cwd: root, encoding: 'utf8' }).trim()
  t.regex(version, new RegExp(`^${VERSION.replaceAll('.', '\\.')}\\+[0-9a-f]{16}$`))
})
