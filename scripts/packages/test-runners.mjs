// Tests of projects that depend on the package, in runners that load it once for each file of tests.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { root } from '../targets.mjs'
import { run } from './program.mjs'
import { tools } from './tools.mjs'
import { TEST_RUNNERS } from './versions.mjs'

const TESTS = path.join(root, '__test__', 'packages', 'runners')

/**
 * Lays two files with the same tests out, since the first loads the addon and the second finds it loaded, and runs them in one
 * process.
 * @param {string} project where the package is installed
 */
function runTwice(project, name, file, program, args) {
  const folder = path.join(project, name)
  mkdirSync(path.join(folder, 'node_modules'), { recursive: true })
  const installed = tools('test-runners', TEST_RUNNERS)
  // Tests import it.
  symlinkSync(path.join(installed, 'node_modules', 'vitest'), path.join(folder, 'node_modules', 'vitest'))
  for (const each of ['one', 'two']) {
    copyFileSync(path.join(TESTS, file), path.join(folder, file.replace(/^[^.]*/, each)))
  }
  run(process.execPath, [path.join(installed, 'node_modules', program), ...args], { cwd: folder })
}

/** @type {readonly { title: string, run: (project: string) => void }[]} */
export const testRunners = [
  {
    title: 'jest',
    run: (project) => {
      const args = ['--runInBand', '--rootDir', '.', '--testMatch', '**/*.test.cjs']
      runTwice(project, 'jest', 'jest.test.cjs', 'jest/bin/jest.js', args)
    },
  },
  ...['threads', 'vmThreads'].map((pool) => ({
    title: `vitest, pool ${pool}`,
    run: (project) => {
      const args = ['run', '--maxWorkers=1', `--pool=${pool}`]
      runTwice(project, `vitest-${pool}`, 'vitest.test.mjs', 'vitest/vitest.mjs', args)
    },
  })),
]
