// Runs the type test of `__test__/types` where the agreed declarations lie beside the checkout, and sees that it can fail.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import ts from 'typescript'

import { DECLARATIONS } from './documentation/declarations.js'
import { declaredIn, reduced } from './types/agreed.js'
import { LATER } from './types/later.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const agreed = path.join(root, '..', 'shared', 'api', 'second-round.d.ts')
const TYPE_TEST = ['__test__/types/api.ts', '__test__/types/tsconfig.json']

/** The oldest compiler that is supported: the newest is the one that this package is built with. */
const OLDEST = '5.4'

/** Where a compiler is; it is installed once, beside what is built. null where it cannot be had. */
function findCompiler(version: string | null): string | null {
  if (version === null) return path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const folder = path.join(root, 'target', `typescript-${version}`)
  const file = path.join(folder, 'node_modules', 'typescript', 'bin', 'tsc')
  if (fs.existsSync(file)) return file
  fs.mkdirSync(folder, { recursive: true })
  const options = ['--prefix', folder, '--no-save', '--no-package-lock', '--no-audit', '--no-fund']
  spawnSync('npm', ['install', ...options, `typescript@~${version}.0`], { cwd: folder, stdio: 'ignore' })
  return fs.existsSync(file) ? file : null
}

const RESOLUTIONS: readonly ts.server.protocol.CompilerOptions[] = [
  { target: 'es2022' as never, lib: ['es2022', 'esnext.disposable'], module: 'node16' as never },
  { target: 'esnext' as never, module: 'nodenext' as never },
  { target: 'esnext' as never, module: 'esnext' as never, moduleResolution: 'bundler' as never },
]

async function check(
  project: string,
  compiler = findCompiler(null) as string,
): Promise<{ status: number; output: string }> {
  const child = spawn(process.execPath, [compiler, '-p', project, '--pretty', 'false'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'close') as Promise<[number]>
  const output = await text(child.stdout)
  return { status: (await exit)[0], output }
}

/** A project that uses the package by its name, as a user would with this compiler and these options. */
function projectOfUser(t: ExecutionContext, options: ts.server.protocol.CompilerOptions): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-types-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  for (const file of ['package.json', 'index.d.ts']) fs.copyFileSync(path.join(root, file), path.join(directory, file))
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(directory, 'node_modules'))
  fs.copyFileSync(path.join(root, '__test__', 'types', 'usage.ts'), path.join(directory, 'usage.mts'))
  const compilerOptions = { strict: true, noEmit: true, types: ['node'], ...options }
  fs.writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['usage.mts'] }))
  return directory
}

/** A copy of everything that the type test reads, in which the generated declarations can be changed. */
function copyOfDeclarations(t: ExecutionContext, change: (declarations: string) => string): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-types-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  const copy = path.join(directory, 'package')
  for (const file of ['package.json', 'tsconfig.json', '__test__/package.json', ...TYPE_TEST]) {
    fs.cpSync(path.join(root, file), path.join(copy, file))
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  const beside = path.join(directory, 'shared', 'api')
  fs.mkdirSync(beside, { recursive: true })
  fs.writeFileSync(path.join(beside, path.basename(agreed)), reduced(fs.readFileSync(agreed, 'utf8')))
  fs.writeFileSync(path.join(copy, 'index.d.ts'), change(DECLARATIONS))
  return path.join(copy, '__test__', 'types')
}

/** Declarations that are wrong in one place, and the alias in the type test that must notice. */
const MISTAKES: [what: string, pattern: RegExp, replacement: string][] = [
  ['a class that is another', /export declare class FileOffset\b/, 'export declare class FileOffsets'],
  ['a method under another name', /\bfindRegion\(addr: U64\)/, 'findRegionAt(addr: U64)'],
  ['a property of another type', /readonly lastAddr: bigint|get lastAddr\(\): bigint/, 'readonly lastAddr: string'],
  ['an address that may only be a number', /\btoRegionAddr\(addr: U64\)/, 'toRegionAddr(addr: number)'],
  ['a scalar type that is missing', /\| 'le32'/, ''],
  ['an error code that is missing', /\| 'ERR_PROTECTION'/, ''],
]

for (const version of [null, OLDEST]) {
  for (const options of RESOLUTIONS) {
    const how = `TypeScript ${version ?? ts.versionMajorMinor}, ${options.moduleResolution ?? options.module}`
    test.serial(`the types know and refuse what they should: ${how}`, async (t) => {
      const compiler = findCompiler(version)
      if (compiler === null) {
        t.log(`TypeScript ${version} cannot be installed here`)
        return t.pass()
      }
      const { status, output } = await check(projectOfUser(t, options), compiler)
      t.is(output, '')
      t.is(status, 0)
    })
  }
}

if (fs.existsSync(agreed)) {
  test('what is to come later is not there yet', (t) => {
    // `GuestMemoryMmap` takes its members from `GuestMemory`.
    const declared = new Set(
      [...declaredIn(DECLARATIONS)].map((name) => name.replace('GuestMemory.', 'GuestMemoryMmap.')),
    )
    t.deepEqual(
      LATER.filter((name) => declared.has(name)),
      [],
      'take these off __test__/types/later.ts',
    )
  })

  test.serial('the generated declarations are as agreed', async (t) => {
    const { status, output } = await check(copyOfDeclarations(t, (declarations) => declarations))
    t.is(output, '')
    t.is(status, 0)
  })

  for (const [what, pattern, replacement] of MISTAKES) {
    test.serial(`the type test notices ${what}`, async (t) => {
      const project = copyOfDeclarations(t, (declarations) => {
        t.regex(declarations, pattern, 'there is something to change')
        return declarations.replace(pattern, replacement)
      })
      const { status, output } = await check(project)
      t.not(status, 0)
      t.regex(output, /\bapi\.ts\(\d+,\d+\): error TS/)
    })
  }
} else {
  test('no agreed declarations lie beside this checkout, so none are compared', (t) => {
    t.log(`looked for ${path.relative(root, agreed)}`)
    t.pass()
  })
}
