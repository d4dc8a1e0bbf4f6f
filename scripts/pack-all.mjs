// Makes the tarballs that are published: `npm run pack:all -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { inspect } from './packages/binary.mjs'
import { compiledFiles } from './packages/compiled.mjs'
import { run } from './packages/program.mjs'
import { TARBALLS, tarballOf } from './packages/tarballs.mjs'
import { temporaryFolder } from './packages/temporary.mjs'
import { hostTarget, manifest, root, targets } from './targets.mjs'

const HELP = `Usage: npm run pack:all [-- --host]

Makes tarballs of the package and of the packages of all platforms, in target/packages, of what npm run build:all has
built. In them, and not in package.json, the package depends on those of the platforms: npm ci could not find what is not
published yet.

      --host  only of the package and of this machine's platform, of what npm run build has built; not to be published
  -h, --help  this text`

const LICENCES = ['LICENSE-APACHE', 'LICENSE-BSD-3-Clause']

/** What the README links to or shows. */
const documents = () => [
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'benches/results.md',
  'benches/results.svg',
  'benches/scaling.svg',
  'benches/snapshot.md',
  ...['docs', 'examples'].flatMap((folder) => filesBelow(folder)),
]

const filesBelow = (folder) =>
  readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))

const readManifest = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))

function writeManifest(folder, content) {
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`)
}

function unpack(tarball, folder) {
  mkdirSync(folder)
  run('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'])
}

/**
 * The package as npm would pack it, with what the tarball alone has.
 * @param {readonly import('./targets.mjs').Target[]} platforms that it depends on
 */
function stageRoot(folder, platforms) {
  if (!existsSync(path.join(root, 'dist'))) throw new Error('dist/ is missing: run npm run build:all first')
  const draft = `${folder}.draft`
  mkdirSync(draft)
  run('npm', ['pack', '--pack-destination', draft], { cwd: root })
  unpack(path.join(draft, tarballOf(manifest.name)), folder)
  const optionalDependencies = Object.fromEntries(platforms.map(({ packageName }) => [packageName, manifest.version]))
  writeManifest(folder, { ...readManifest(folder), optionalDependencies })
}

/** @param {boolean} isForHost with the binary of npm run build, which may ask for a newer system than is published for */
function stagePlatform(target, folder, isForHost) {
  const binary = path.join(isForHost ? root : target.folder, target.binary)
  const command = isForHost ? 'npm run build' : 'npm run build:all'
  if (!existsSync(binary)) throw new Error(`${target.binary} is missing: run ${command} first`)
  if (!isForHost) inspect(target, binary)
  cpSync(target.folder, folder, { recursive: true })
  cpSync(binary, path.join(folder, target.binary))
  for (const licence of LICENCES) cpSync(path.join(root, licence), path.join(folder, licence))
  const staged = readManifest(folder)
  const { name, version, os, cpu, libc = [] } = staged
  const told = [name, version, os, cpu, libc].join(' ')
  const expected = [target.packageName, manifest.version, target.os, target.cpu, target.libc ?? ''].join(' ')
  if (told !== expected) {
    throw new Error(`npm/${target.platform}/package.json is of ${told}, not ${expected}: run npx napi create-npm-dirs`)
  }
  writeManifest(folder, { ...staged, files: [...staged.files, ...LICENCES] })
}

/** Packs a folder, and sees to it that there is in it what should be, and nothing else. */
function pack(folder, name, contents) {
  run('npm', ['pack', '--pack-destination', TARBALLS], { cwd: folder })
  const tarball = path.join(TARBALLS, tarballOf(name))
  const packed = run('tar', ['-tzf', tarball]).trim().split('\n')
  const expected = ['package.json', 'README.md', ...LICENCES, ...contents].map((file) => `package/${file}`)
  const missing = expected.filter((file) => !packed.includes(file))
  const odd = packed.filter((file) => !expected.includes(file))
  if (missing.length > 0) throw new Error(`${name} lacks ${missing.join(', ')}`)
  if (odd.length > 0) throw new Error(`${name} has files that nobody asked for: ${odd.join(', ')}`)
  console.log(`${path.basename(tarball)}: ${statSync(tarball).size.toLocaleString('en')} bytes, ${packed.length} files`)
}

function main() {
  const { values } = parseArgs({ options: { host: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) return console.log(HELP)
  const platforms = values.host ? [hostTarget()] : targets
  const stage = temporaryFolder('pack')
  rmSync(TARBALLS, { recursive: true, force: true })
  mkdirSync(TARBALLS, { recursive: true })
  for (const target of platforms) {
    const folder = path.join(stage, target.platform)
    stagePlatform(target, folder, values.host)
    pack(folder, target.packageName, [target.binary])
  }
  const folder = path.join(stage, manifest.name)
  stageRoot(folder, platforms)
  pack(folder, manifest.name, ['index.js', 'index.d.ts', ...compiledFiles(), ...documents()])
}

try {
  main()
} catch (error) {
  console.error(`pack:all: ${error.message}`)
  process.exitCode = 1
}
