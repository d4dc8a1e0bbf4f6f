// Publishes the packages of `npm run pack:all`: npm run release -- --tag v0.1.0
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const USAGE = `Usage: npm run release -- --tag v<version> [--dry-run]

Publishes target/packages/*.tgz, with a statement of where they were built. The packages of platforms come first, so that
the one that asks for them never stands alone. What is published already is left out, so that a release that broke off can
be taken up again.

  --tag <tag>  must be the version of package.json, with a "v" in front
  --dry-run    does everything but publish
`

function fail(message) {
  process.stderr.write(`release: ${message}\n`)
  process.exit(2)
}

function isPublished(name, version) {
  try {
    return (
      execFileSync('npm', ['view', `${name}@${version}`, 'version'], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0
    )
  } catch {
    // The answer to a version that nobody knows is an error.
    return false
  }
}

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: { tag: { type: 'string' }, 'dry-run': { type: 'boolean' }, help: { type: 'boolean' } },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit()
}
const { name, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
if (values.tag !== `v${version}`) fail(`the tag is ${values.tag ?? 'missing'}, the version ${version}`)

const folder = path.join(root, 'target/packages')
const suffix = `-${version}.tgz`
const tarballs = readdirSync(folder).filter((file) => file.endsWith(suffix))
const main = `${name}${suffix}`
if (!tarballs.includes(main)) fail(`no ${main} in target/packages: npm run build:all && npm run pack:all`)

for (const tarball of [...tarballs.filter((file) => file !== main), main]) {
  const packageName = tarball.slice(0, -suffix.length)
  if (isPublished(packageName, version)) {
    process.stdout.write(`${packageName}@${version} is published already\n`)
    continue
  }
  const options = values['dry-run'] ? ['--dry-run'] : ['--provenance', '--access', 'public']
  execFileSync('npm', ['publish', path.join(folder, tarball), ...options], { stdio: 'inherit' })
}
