// Installs what is published into empty folders, and tries it there: `npm run test:packages -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { copyFileSync, cpSync, existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { bundles, tryBundle } from './packages/bundles.mjs'
import { deadLinks } from './packages/links.mjs'
import { musl, oldGlibc, thisMachine } from './packages/machines.mjs'
import { compile, expectContent, expectLines, install, makePath, readmeExample } from './packages/project.mjs'
import * as smoke from './packages/smoke.mjs'
import { Tally } from './packages/tally.mjs'
import { TARBALLS, tarballOf } from './packages/tarballs.mjs'
import { testRunners } from './packages/test-runners.mjs'
import { temporaryFolder } from './packages/temporary.mjs'
import { hostTarget, manifest, root, targets } from './targets.mjs'

const HELP = `Usage: npm run test:packages [-- --host]

Installs the tarballs of npm run pack:all into empty folders, with no compiler on the path, and runs the example of the
README and a smoke suite: on this machine, where common bundlers and test runners are tried too, and on Debian 11 and musl for
x64 and arm64. Those tools and systems are downloaded once (1.3 GB on disk), into the user's cache; this needs Debian on x64,
Python 3, and the right to make namespaces.

      --host  only this machine, which may also be a Mac; the tarballs of npm run pack:all -- --host will do
  -h, --help  this text`

const CONSUMERS = path.join(root, '__test__', 'packages')
const example = readmeExample()

/** @param {import('./packages/machines.mjs').Machine} machine */
const targetFor = ({ os, cpu, libc }) =>
  targets.find((target) => target.os === os && target.cpu === cpu && target.libc === libc?.split(' ')[0])

async function checkTarball(tally) {
  const tarball = path.join(TARBALLS, tarballOf(manifest.name))
  const program = (name) => path.join(root, 'node_modules', '.bin', name)
  console.log('The tarball')
  await tally.check('publint has nothing to say', () => expectContent(program('publint'), [tarball, '--strict']))
  await tally.check('attw finds the right types', () => expectContent(program('attw'), [tarball]))
}

/** What every machine must do. Returns the site, and what was compiled there. */
async function tryOn(tally, machine, bin) {
  console.log(machine.title)
  const site = await tally.check('it is there', () => machine.prepare())
  if (site === undefined) return undefined
  const target = targetFor(machine)
  await tally.check('npm installs it with the binary for the platform, and no other', () => {
    assert.deepEqual(install(site.folder, bin, machine.npm), [manifest.name, target.packageName].toSorted())
  })
  await tally.check('what its README links to or shows is there', () => {
    assert.deepEqual(deadLinks(path.join(site.folder, 'node_modules', manifest.name), 'README.md'), [])
  })
  await tally.check('that binary is loaded there', () => {
    copyFileSync(path.join(CONSUMERS, 'system.mjs'), path.join(site.folder, 'system.mjs'))
    const { stdout, stderr, error } = site.node(['system.mjs'])
    if (!stdout) throw new Error(error?.message ?? stderr)
    const { os, cpu, libc } = machine
    assert.deepEqual(
      JSON.parse(stdout),
      JSON.parse(JSON.stringify({ os, cpu, libc, binaries: [target.binary], compiler: false })),
    )
  })
  await tally.check('the example of the README prints what it says', () => {
    const file = compile(path.join(site.folder, 'readme'), example.code, 'module', { module: 'node16' })
    expectLines(site.node([path.relative(site.folder, file)]), example.promised)
  })
  smoke.layOut(site.folder, 'smoke')
  tally.add('the smoke suite', smoke.read(site.node(['--expose-gc', 'smoke/main.mjs'])))
  return site
}

/** How a project may depend on it. */
async function tryConsumers(tally, site) {
  console.log('Projects')
  cpSync(CONSUMERS, site.folder, { recursive: true })
  for (const [title, file] of [
    ['an ES module', 'esm.mjs'],
    ['a CommonJS module', 'commonjs.cjs'],
  ]) {
    await tally.check(title, () => expectLines(site.node([file]), ['fine']))
  }
  for (const [name, type, module, moduleResolution] of [
    ['ES modules', 'module', 'node16', 'node16'],
    ['CommonJS', 'commonjs', 'node16', 'node16'],
    ['a bundler', 'module', 'es2022', 'bundler'],
  ]) {
    await tally.check(`TypeScript for ${name}, moduleResolution ${moduleResolution}`, () => {
      const folder = path.join(site.folder, `${moduleResolution}-${type}`)
      const file = compile(folder, example.code, type, { module, moduleResolution })
      expectLines(site.node([path.relative(site.folder, file)]), example.promised)
    })
  }
}

/** What takes the package apart, or loads it in its own way. */
async function tryTools(tally, site, machine) {
  console.log('Bundlers and test runners')
  const { packageName } = targetFor(machine)
  for (const bundle of bundles) await tally.check(bundle.title, () => tryBundle(bundle, site.folder, packageName))
  for (const { title, run } of testRunners) await tally.check(title, () => run(site.folder))
}

/** Where there is no binary, or it was left out. */
async function tryWithout(tally, machine, bin) {
  console.log('Without a binary')
  const site = machine.prepare()
  await tally.check('npm leaves it out when told to', () => {
    assert.deepEqual(install(site.folder, bin, ['--omit=optional']), [manifest.name])
  })
  copyFileSync(path.join(CONSUMERS, 'unsupported.cjs'), path.join(site.folder, 'unsupported.cjs'))
  const thrown = (machine) => JSON.parse(site.node(['unsupported.cjs', machine]).stdout)
  await tally.check('the error says which package is missing', () => {
    const here = thrown(`${process.platform}-${process.arch}`)
    assert.equal(here.code, 'ERR_BINARY_NOT_LOADED')
    assert.ok(here.message.includes(`${process.platform}-${process.arch}`), here.message)
    assert.ok(here.message.includes(targetFor(machine).packageName), here.message)
    assert.match(here.cause, /Cannot find module/)
  })
  await tally.check('on another platform, the error names it and those that there are', () => {
    const { code, message } = thrown('linux-arm')
    assert.equal(code, 'ERR_UNSUPPORTED_PLATFORM')
    const platforms = targets.map(({ platform }) => platform).toSorted()
    assert.equal(message, `${manifest.name} has no binary for linux-arm, but for ${platforms.join(', ')}`)
  })
}

async function main() {
  const { values } = parseArgs({ options: { host: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) return console.log(HELP)
  if (!values.host && `${process.platform}-${process.arch}` !== 'linux-x64') {
    throw new Error('the other machines are to be had on Linux on x64 only: npm run test:packages -- --host')
  }
  const platforms = values.host ? [hostTarget()] : targets
  for (const name of [manifest.name, ...platforms.map(({ packageName }) => packageName)]) {
    if (!existsSync(path.join(TARBALLS, tarballOf(name)))) {
      throw new Error(`${tarballOf(name)} is missing: run npm run build:all && npm run pack:all first`)
    }
  }
  const bin = makePath(temporaryFolder('path'))

  const tally = new Tally()
  await checkTarball(tally)
  const here = thisMachine(bin)
  const site = await tryOn(tally, here, bin)
  if (site !== undefined) {
    await tryConsumers(tally, site)
    await tryTools(tally, site, here)
  }
  await tryWithout(tally, here, bin)
  if (!values.host) {
    for (const machine of [oldGlibc('x64'), musl('x64'), oldGlibc('arm64'), musl('arm64')]) {
      await tryOn(tally, machine, bin)
    }
  }
  tally.finish()
}

try {
  await main()
} catch (error) {
  console.error(`test:packages: ${error.message}`)
  process.exitCode = 1
}
