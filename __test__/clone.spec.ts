// That a clone is installed without a warning.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))

test('npm ci warns neither of the version of Node.js, nor of scripts that nobody has allowed', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-clone-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  for (const file of ['package.json', 'package-lock.json']) {
    fs.copyFileSync(path.join(root, file), path.join(folder, file))
  }
  // Whatever the tests themselves were started with, such as `npm --silent test`.
  const { status, stdout, stderr } = spawnSync(
    'npm',
    ['ci', '--dry-run', '--offline', '--no-audit', '--loglevel=notice'],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  )
  t.is(status, 0, stderr)
  t.regex(stdout, /^add ava /m)
  t.deepEqual(stderr.match(/EBADENGINE|install-scripts/g) ?? [], [])
})
