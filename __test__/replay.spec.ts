// Replays recorded answers of the Rust crate, where a folder `shared` with them lies beside the checkout.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))
const reference = path.join(root, '..', 'shared', 'reference')
const replay = path.join(reference, 'replay.mjs')
const traces = path.join(reference, 'traces-open.jsonl')

if (fs.existsSync(replay) && fs.existsSync(traces)) {
  test('recorded answers of the Rust crate are answered alike', (t) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [replay, root, traces], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    t.log(stdout.trimEnd().split('\n').at(-1))
    t.is(signal, null, stderr)
    t.regex(stdout, /^[1-9]\d* passed, 0 failed\n$/, stdout + stderr)
    t.is(status, 0)
  })
} else {
  test('no recorded answers lie beside this checkout, so none are replayed', (t) => {
    t.log(`looked for ${path.relative(root, replay)} and ${path.relative(root, traces)}`)
    t.pass()
  })
}
