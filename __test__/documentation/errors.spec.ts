// That docs/errors.md and the declarations are what the table of errors says, and that what they say is seen.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = fs.readFileSync(path.join(root, 'docs', 'errors.md'), 'utf8')

/** What the check says of a checkout; nothing when all is well. */
function check(checkout: string): string {
  const { status, stderr } = spawnSync(process.execPath, ['--import=tsx', 'scripts/errors.mjs', '--check'], {
    cwd: checkout,
    encoding: 'utf8',
  })
  return status === 0 ? '' : `exit code ${status}: ${stderr}`
}

test('errors.md is up to date', (t) => {
  t.is(check(root), '')
})

/** What the script reads, where it can be changed. */
function copyOfCheckout(t: ExecutionContext): string {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-errors-'))
  t.teardown(() => fs.rmSync(copy, { recursive: true }))
  for (const file of ['scripts', 'docs', 'crate/src', 'crate/Cargo.toml', 'crate/build.rs', '__test__/wrong-calls'])
    fs.cpSync(path.join(root, file), path.join(copy, file), { recursive: true })
  for (const file of ['Cargo.toml', 'Cargo.lock', 'package.json', '.prettierrc.json', 'index.d.ts'])
    fs.cpSync(path.join(root, file), path.join(copy, file))
  for (const file of ['node_modules', 'dist']) fs.symlinkSync(path.join(root, file), path.join(copy, file))
  return copy
}

const MISTAKES: readonly [what: string, file: string, pattern: RegExp, replacement: string, complaint: RegExp][] = [
  ['a page that was edited', 'docs/errors.md', /Incomplete read/, 'Complete read', /out of date/],
  ['a code that is not declared', 'index.d.ts', /.*'ERR_MOVED'.*\n/, '', /BindingErrorCode .* ERR_MOVED$/m],
  [
    'a code of the wrong kind',
    'index.d.ts',
    /'ERR_MOVED'/,
    "'ERR_TOO_BIG'",
    /BindingErrorCode .* ERR_MOVED, ERR_TOO_BIG$/m,
  ],
  [
    'a code of no error',
    'index.d.ts',
    /'ERR_TOO_BIG'/,
    "'ERR_TOO_LARGE'",
    /VolatileMemoryError .* ERR_TOO_BIG, ERR_TOO_LARGE$/m,
  ],
  ['a reason for what is no error', 'scripts/errors.mjs', /ERR_SEEK_START:/, 'ERR_SEEK:', /no ERR_SEEK$/m],
]
for (const [what, file, pattern, replacement, complaint] of MISTAKES) {
  test(`${what} is noticed`, (t) => {
    const copy = copyOfCheckout(t)
    const text = fs.readFileSync(path.join(copy, file), 'utf8')
    fs.writeFileSync(path.join(copy, file), text.replace(pattern, replacement))
    t.regex(check(copy), complaint)
  })
}

test('an unchanged copy is not complained about', (t) => {
  t.is(check(copyOfCheckout(t)), '')
})

test('every code of errors.md is seen in a test, but those that it says are never seen', (t) => {
  const seen = fs.readFileSync(path.join(root, '__test__', 'errors.spec.ts'), 'utf8')
  const rows = [...page.matchAll(/^\| `(ERR_\w+)`.*$/gm)]
  t.true(rows.length > 30)
  for (const [row, code] of rows) t.is(seen.includes(`'${code}'`), !row.includes('Never seen'), code)
})
