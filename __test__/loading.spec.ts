// How the package is loaded: again, into other realms, by constant names, and what is said when it cannot be.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseTriple } from '@napi-rs/cli'
import test, { type ExecutionContext } from 'ava'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const { napi, version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  napi: { targets: string[] }
  version: string
}

/** Names the platform of this process. */
function here(): string {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  const libc = process.platform === 'linux' ? (header.glibcVersionRuntime === undefined ? '-musl' : '-gnu') : ''
  return `${process.platform}-${process.arch}${libc}`
}

/** Runs a program, and returns what it prints. */
function run(args: readonly string[], cwd = root, env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, ...env } })
}

function temporaryFolder(t: ExecutionContext): string {
  // Real, since modules are known by real paths.
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-loading-')))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  return folder
}

/** Installs the package into a folder as npm does: the binary is in a package of its own, as a hard link where it can be. */
function install(folder: string, { withBinary = true, of = version } = {}): void {
  const modules = path.join(folder, 'node_modules')
  const target = path.join(modules, 'vm-memory')
  fs.mkdirSync(target, { recursive: true })
  for (const file of ['index.js', 'dist', 'package.json']) {
    fs.cpSync(path.join(root, file), path.join(target, file), { recursive: true })
  }
  if (of !== version) fs.writeFileSync(path.join(target, 'dist', 'version.js'), `exports.VERSION = '${of}'`)
  if (!withBinary) return
  const platform = here()
  const name = `vm-memory-${platform}`
  const main = `vm-memory.${platform}.node`
  fs.mkdirSync(path.join(modules, name))
  fs.writeFileSync(path.join(modules, name, 'package.json'), JSON.stringify({ name, version, main }))
  const binary = path.join(root, main)
  try {
    fs.linkSync(binary, path.join(modules, name, main))
  } catch {
    // Another file system: on it, the library is another one too.
    fs.copyFileSync(binary, path.join(modules, name, main))
  }
}

/** Uses classes and objects of one load with those of another. */
const TRY_OUT = `
  const newAtomic = (vm) => new vm.GuestMemoryAtomic(vm.GuestMemoryMmap.fromRanges([[0, 4096]]))
  async function tryOut(vm, atomic) {
    for (let value = 1; value < 50; value += 1) {
      const guard = atomic.memory()
      guard.writeU32(value, 0)
      if (guard.readU32(0) !== value) throw new Error('not what was written')
      if (!(guard instanceof vm.GuestMemoryLoadGuard)) throw new Error('another class of guards')
      guard.dispose()
    }
    atomic.update((map) => map.insertRegion(vm.GuestRegionMmap.fromRange(8192, 4096)))
    if (atomic.memory().numRegions !== 2) throw new Error('not replaced')
    const [region] = atomic.memory().intoInner().iter()
    if (!(region instanceof vm.GuestRegionMmap)) throw new Error('another class of regions')
    const guard = await atomic.lockAsync({ timeout: 1000 })
    if (!(guard instanceof vm.GuestMemoryExclusiveGuard)) throw new Error('another class of locks')
    guard.dispose()
  }
  async function tryBoth(first, second) {
    const names = Object.keys(first)
    if (names.join() !== Object.keys(second).join()) throw new Error('other names')
    for (const name of names) if (second[name] !== first[name]) throw new Error('another ' + name)
    await tryOut(second, newAtomic(first))
    await tryOut(first, newAtomic(second))
    console.log('fine')
  }`

/** Programs that get the package twice, in each of the ways in which that happens. */
const SECOND_LOADS: Record<string, string> = {
  'after the cache of modules was emptied': `
    const first = require('vm-memory')
    for (const name of Object.keys(require.cache)) delete require.cache[name]
    tryBoth(first, require('vm-memory'))`,
  'after all but the addon was forgotten': `
    const first = require('vm-memory')
    for (const name of Object.keys(require.cache)) if (!name.endsWith('.node')) delete require.cache[name]
    tryBoth(first, require('vm-memory'))`,
  'a hundred times': `
    const first = require('vm-memory')
    let last
    for (let i = 0; i < 100; i += 1) {
      for (const name of Object.keys(require.cache)) delete require.cache[name]
      last = require('vm-memory')
    }
    tryBoth(first, last)`,
  'from two installations that share their files': `
    tryBoth(require('vm-memory'), require('./nested/node_modules/vm-memory'))`,
  'in a thread, and twice in another one': `
    const { Worker } = require('node:worker_threads')
    const first = require('vm-memory')
    for (const name of Object.keys(require.cache)) delete require.cache[name]
    const second = require('vm-memory')
    const { workerData } = require('node:worker_threads')
    if (workerData === null) {
      const worker = new Worker(__filename, { workerData: 'second', stdout: true })
      worker.on('exit', (code) => code === 0 ? tryBoth(first, second) : process.exit(1))
    } else {
      tryBoth(first, second)
    }`,
}

for (const fastPaths of ['1', '0']) {
  const mode = fastPaths === '1' ? 'fast' : 'native'
  for (const [title, program] of Object.entries(SECOND_LOADS)) {
    test(`loaded again ${title}, it has the same classes (${mode})`, (t) => {
      const folder = temporaryFolder(t)
      install(folder)
      install(path.join(folder, 'nested'))
      fs.writeFileSync(path.join(folder, 'program.cjs'), `${TRY_OUT}\n${program}`)
      t.is(run(['program.cjs'], folder, { VM_MEMORY_FAST_PATHS: fastPaths }), 'fine\n')
    })
  }

  for (const [part, title] of Object.entries({
    realm: 'all answers are of the realm of the host',
    gone: 'it works when the globals of its realm have gone',
    receivers: 'getters refuse a wrong receiver as documented',
    using: 'there is a method for each symbol that `using` looks for',
    timers: 'timers are those of who has loaded it last',
  })) {
    test(`in a context of node:vm, ${title} (${mode})`, (t) => {
      const program = path.join('__test__', 'loading', 'context.cjs')
      t.is(run([program, part], root, { VM_MEMORY_FAST_PATHS: fastPaths }), 'fine\n')
    })
  }
}

test('all modules are required by constant names, as bundlers and tracers want it', (t) => {
  const odd: string[] = []
  const compiled = fs.readdirSync(path.join(root, 'dist'), { recursive: true, encoding: 'utf8' })
  const files = ['index.js', ...compiled.filter((file) => file.endsWith('.js')).map((file) => path.join('dist', file))]
  for (const file of files) {
    const source = ts.createSourceFile(
      file,
      fs.readFileSync(path.join(root, file), 'utf8'),
      ts.ScriptTarget.Latest,
      true,
    )
    const visit = (node: ts.Node): void => {
      if (ts.isIdentifier(node) && node.text === 'require') {
        const { parent } = node
        const isConstant =
          ts.isCallExpression(parent) && parent.expression === node && parent.arguments.every(ts.isStringLiteral)
        if (!isConstant) odd.push(`${file}: ${parent.getText()}`)
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  t.true(files.length > 20)
  t.deepEqual(odd, [])
})

/** Tells what loading the package throws. */
const CAUGHT = `
  try {
    require('vm-memory')
    console.log('{}')
  } catch ({ name, code, message, cause }) {
    console.log(JSON.stringify({ name, code, message, cause: String(cause) }))
  }`

interface Refusal {
  name: string
  code: string
  message: string
  cause: string
}

/** What loading the package throws in a folder, by a program that begins otherwise or has other flags. */
function refusal(folder: string, flags: readonly string[] = [], first = ''): Refusal {
  fs.writeFileSync(path.join(folder, 'caught.cjs'), first + CAUGHT)
  // Not by a file that the specs may have been told to run on.
  return JSON.parse(run([...flags, 'caught.cjs'], folder, { NAPI_RS_NATIVE_LIBRARY_PATH: '' })) as Refusal
}

test('where it was not installed, the error names the package and what leaves it out', (t) => {
  const folder = temporaryFolder(t)
  install(folder, { withBinary: false })
  const { name, code, message, cause } = refusal(folder)
  t.is(name, 'Error')
  t.is(code, 'ERR_BINARY_NOT_LOADED')
  t.true(message.includes(`vm-memory-${here()} is not installed`), message)
  t.true(message.includes('--omit=optional'), message)
  t.regex(cause, /Cannot find module/)
  // No other package has to do with it.
  const others = napi.targets.map((triple) => parseTriple(triple).platformArchABI)
  for (const other of others) if (other !== here()) t.false((message + cause).includes(other), other)
})

test('where there is no binary for the platform, the error names those that there are', (t) => {
  const folder = temporaryFolder(t)
  install(folder)
  for (const [platform, arch] of [
    ['linux', 'riscv64'],
    ['win32', 'x64'],
    ['android', 'arm64'],
    ['darwin', 'ia32'],
  ] as const) {
    const fake = `Object.defineProperties(process, { platform: { value: '${platform}' }, arch: { value: '${arch}' } })`
    const { code, message, cause } = refusal(folder, [], fake)
    t.is(code, 'ERR_UNSUPPORTED_PLATFORM')
    t.regex(message, new RegExp(`no binary for ${platform}-${arch},`))
    for (const triple of napi.targets) t.true(message.includes(parseTriple(triple).platformArchABI), triple)
    t.is(cause, 'undefined')
  }
})

test('each platform with a binary asks for its own package', (t) => {
  const folder = temporaryFolder(t)
  install(folder, { withBinary: false })
  for (const triple of napi.targets) {
    const { platform, arch, abi, platformArchABI: name } = parseTriple(triple)
    const header = abi === 'gnu' ? `{ glibcVersionRuntime: '2.36' }` : '{}'
    const fake = `Object.defineProperties(process, { platform: { value: '${platform}' }, arch: { value: '${arch}' } })
      process.report.getReport = () => ({ header: ${header} })`
    const { code, message, cause } = refusal(folder, [], fake)
    t.is(code, 'ERR_BINARY_NOT_LOADED')
    t.true(message.includes(`vm-memory-${name} is not installed`), message)
    t.true(cause.includes(`vm-memory-${name}'`), cause)
  }
})

test('where addons are forbidden, the error says by what', (t) => {
  const folder = temporaryFolder(t)
  install(folder)
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission'
  for (const flags of [['--no-addons'], [permission, '--allow-fs-read=*']]) {
    const { code, message } = refusal(folder, flags)
    t.is(code, 'ERR_BINARY_NOT_LOADED', flags.join(' '))
    t.true(message.includes('may not load addons'), message)
    t.true(message.includes('--no-addons') && message.includes('--permission'), message)
    t.false(message.includes('installed'), message)
  }
})

test('a binary that cannot be read as one is told with what the system says', (t) => {
  const folder = temporaryFolder(t)
  install(folder)
  const platform = here()
  const file = path.join(folder, 'node_modules', `vm-memory-${platform}`, `vm-memory.${platform}.node`)
  fs.rmSync(file)
  fs.writeFileSync(file, 'no library')
  const { code, message, cause } = refusal(folder)
  t.is(code, 'ERR_BINARY_NOT_LOADED')
  t.true(message.includes(`vm-memory-${platform} cannot be loaded (`), message)
  t.true(cause.includes(file), cause)
})

test('a binary of another version is refused, and both versions are told', (t) => {
  const folder = temporaryFolder(t)
  install(folder, { of: '9.8.7' })
  const { code, message } = refusal(folder)
  t.is(code, 'ERR_BINARY_NOT_LOADED')
  t.true(message.includes('9.8.7') && message.includes(version), message)
})
