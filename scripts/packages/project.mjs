// A project that depends on the package, in a folder that was empty.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { manifest, root, targets } from '../targets.mjs'
import { locate, run, start } from './program.mjs'
import { TARBALLS, tarballOf } from './tarballs.mjs'

/** Makes a folder the whole path, with Node.js and npm in it, and nothing else: no compiler. */
export function makePath(folder) {
  symlinkSync(process.execPath, path.join(folder, 'node'))
  symlinkSync(locate('npm'), path.join(folder, 'npm'))
  return folder
}

/**
 * Installs the package as it is published, without a network: it alone is asked for, and what it depends on is taken from
 * tarballs too.
 * @param {string} folder
 * @param {string} bin the whole path
 * @param {readonly string[]} options of npm
 * @returns {readonly string[]} the packages that npm has chosen
 */
export function install(folder, bin, options) {
  const tarball = (name) => `file:${path.join(TARBALLS, tarballOf(name))}`
  const project = {
    private: true,
    type: 'module',
    dependencies: { [manifest.name]: tarball(manifest.name) },
    overrides: Object.fromEntries(targets.map(({ packageName }) => [packageName, tarball(packageName)])),
  }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(project))
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...options], {
    cwd: folder,
    env: { HOME: process.env.HOME, PATH: bin },
  })
  return readdirSync(path.join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))
}

/** The first example of the README, and what it says that it prints. */
export function readmeExample() {
  const code = /^```ts\n([^]*?)^```$/m.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))?.[1]
  if (code === undefined) throw new Error('README.md has no example')
  const promised = [...code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map((match) => match[1])
  if (promised.length === 0) throw new Error('the example of README.md prints nothing')
  return { code, promised }
}

/**
 * Compiles a module as a project in TypeScript would, in a folder below one where the package is installed.
 * @returns {string} the file that it has become
 */
export function compile(folder, code, type, compilerOptions) {
  mkdirSync(folder)
  const types = path.join(folder, '..', 'node_modules', '@types')
  if (!existsSync(types)) symlinkSync(path.join(root, 'node_modules', '@types'), types)
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type }))
  writeFileSync(path.join(folder, 'example.ts'), code)
  // Each check of the compiler, of declarations too, and syntax that the oldest Node.js has.
  const strict = {
    strict: true,
    skipLibCheck: false,
    types: ['node'],
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
  }
  writeFileSync(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...compilerOptions }, files: ['example.ts'] }),
  )
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  run(process.execPath, [compiler, '-p', folder, '--pretty', 'false'])
  return path.join(folder, 'example.js')
}

/** Fails unless a program has ended well and printed these lines. */
export function expectLines({ status, signal, error, stdout, stderr }, lines) {
  if (status !== 0) throw new Error(`${error?.message ?? signal ?? `exit code ${status}`}\n${stdout}${stderr}`)
  const printed = stdout.trimEnd().split('\n')
  if (printed.join('\n') !== lines.join('\n')) {
    throw new Error(`it prints\n${printed.join('\n')}\nand not\n${lines.join('\n')}`)
  }
}

/** Whether a command, such as a linter of packages, is content. */
export function expectContent(command, args) {
  const { status, error, stdout, stderr } = start(command, args, { cwd: root })
  if (status !== 0) throw new Error(error?.message ?? `${stdout}${stderr}`.trim())
}
