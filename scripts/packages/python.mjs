// Packages of Python, without touching the machine's own.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { cached } from './cache.mjs'
import { run } from './program.mjs'

const HINT = 'install Python 3'

/**
 * The folder of programs of an environment with these packages, such as `ziglang==0.17.1`. The environment is moved after
 * it was made: pip is to be called as `python -m pip`.
 */
export function environment(...packages) {
  const folder = cached(['python', ...packages].join('-').replaceAll('==', '-'), (folder) => {
    try {
      run('python3', ['-m', 'venv', folder], { hint: HINT })
    } catch (error) {
      throw new Error('python3 cannot make environments: on Debian, install python3-venv', { cause: error })
    }
    if (packages.length > 0) run(path.join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', ...packages])
  })
  return path.join(folder, 'bin')
}

/** Unpacks a package that was built for another machine into a folder. */
export function unpackWheel(folder, requirement, platform) {
  const python = path.join(environment(), 'python')
  const options = ['--quiet', '--no-deps', '--only-binary=:all:', `--platform=${platform}`, `--dest=${folder}`]
  run(python, ['-m', 'pip', 'download', ...options, requirement])
  for (const wheel of readdirSync(folder)) {
    run(python, ['-m', 'zipfile', '-e', path.join(folder, wheel), folder])
    rmSync(path.join(folder, wheel))
  }
}
