// Publishes the packages of `npm run pack:all`: `npm run release -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { run, start } from './packages/program.mjs'
import { TARBALLS, tarballOf } from './packages/tarballs.mjs'
import { manifest, targets } from './targets.mjs'

const HELP = `Usage: npm run release -- --tag v<version> [--dry-run]

Publishes the tarballs in target/packages, with a statement of where they were built. The packages of platforms come first,
so that the one that asks for them never stands alone. What is published already is left out, so that a release that broke
off can be taken up again.

      --tag <tag>  must be the version of package.json, with a "v" in front
      --dry-run    does everything but publish
  -h, --help       this text`

const { version } = manifest

/** The answer to a version that nobody knows is an error, or nothing. */
function isPublished(name) {
  const { status, stdout } = start('npm', ['view', `${name}@${version}`, 'version'])
  return status === 0 && stdout !== ''
}

function main() {
  const { values } = parseArgs({
    options: {
      tag: { type: 'string' },
      'dry-run': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(HELP)
  if (values.tag !== `v${version}`) throw new Error(`the tag is ${values.tag ?? 'missing'}, the version ${version}`)
  const names = [...targets.map(({ packageName }) => packageName), manifest.name]
  const missing = names.map(tarballOf).filter((file) => !existsSync(path.join(TARBALLS, file)))
  if (missing.length > 0) {
    throw new Error(`no ${missing.join(', ')} in target/packages: npm run build:all && npm run pack:all`)
  }

  for (const name of names) {
    if (isPublished(name)) {
      console.log(`${name}@${version} is published already`)
      continue
    }
    const options = values['dry-run'] ? ['--dry-run'] : ['--provenance', '--access', 'public']
    run('npm', ['publish', path.join(TARBALLS, tarballOf(name)), ...options], { stdio: 'inherit' })
  }
}

try {
  main()
} catch (error) {
  console.error(`release: ${error.message}`)
  process.exitCode = 1
}
