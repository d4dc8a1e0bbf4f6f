// A built-in that is replaced for a moment leaves nothing wrong behind, and is shown nothing that users have no business with.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

test('every built-in may be replaced for a moment, before objects are used and after', async (t) => {
  t.timeout(600_000)
  const program = fileURLToPath(new URL('built-ins/sweep.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  const { count, problems } = JSON.parse(stdout) as { count: number; problems: string[] }
  t.deepEqual(problems, [])
  t.true(count > 2000, `${count} replacements`)
  t.log(`${count} replacements`)
})
