// Tools of npm that the package is tried with, in folders of their own.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { cached } from './cache.mjs'
import { run } from './program.mjs'

/** The folder in which packages such as `rollup@4.68.8` are installed, once for all checkouts. */
export function tools(name, packages) {
  const version = createHash('sha256').update(packages.join()).digest('hex').slice(0, 8)
  return cached(`${name}-${version}`, (folder) => {
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
    run('npm', ['install', '--no-audit', '--no-fund', '--save-exact', ...packages], { cwd: folder })
  })
}
