// The smoke suite of __test__/smoke, on any runtime.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { cpSync } from 'node:fs'
import path from 'node:path'
import { root } from '../targets.mjs'

/** Puts the suite into a folder, under this name. */
export function layOut(folder, name) {
  cpSync(path.join(root, '__test__', 'smoke'), path.join(folder, name), { recursive: true })
}

/** What the suite has found out, by what it printed. A suite that broke off has failed. */
export function read({ status, signal, error, stdout, stderr }) {
  const output = `${stdout}${stderr}${error?.message ?? signal ?? ''}`
  const [, passed = 0, failed = 0] = (/^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? []).map(Number)
  const facts = /^facts (.*)$/m.exec(stdout)?.[1]
  return {
    passed,
    failed: status !== 0 && failed === 0 ? 1 : failed,
    facts: facts === undefined ? undefined : JSON.parse(facts),
    output,
  }
}
