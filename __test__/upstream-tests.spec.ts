// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import test from 'ava'

test('every upstream unit test is ported, or left out for a reason, and the page that says so is up to date', (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['--import=tsx', 'scripts/upstream-tests.mjs', '--check'], {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
  })
  t.is(status, 0, stderr)
})
