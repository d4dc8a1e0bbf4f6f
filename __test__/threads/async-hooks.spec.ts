// Async hooks that come back into the package while the engine makes what the package has asked for.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { run } from './script.js'

for (const call of ['memory', 'lockAsync', 'writeVolatileToAsync', 'lock', 'share']) {
  test(`an init hook may call everything while ${call} is called for the first time`, async (t) => {
    const types = '["vm-memory","vm-memory transfer"]'
    t.deepEqual(await run('async-hooks.mjs', call), { code: 0, output: types, errors: '' })
  })
}
