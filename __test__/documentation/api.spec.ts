// That docs/api.md is what the declarations say, and that classes and what matters most of them have examples, which
// `examples.spec.ts` runs where they stand in that page.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import ts from 'typescript'
import { DECLARATIONS, declarationsIn } from './declarations.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = fs.readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')

test('api.md is up to date', (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/api.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  t.is(stderr, '')
  t.is(status, 0)
})

const hasExample = (node: ts.Node): boolean => ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'example')

test('every class has an example, and so have twenty methods and functions at least', (t) => {
  const declared = declarationsIn(DECLARATIONS)
  const classes = declared.filter(({ node }) => ts.isClassDeclaration(node))
  t.true(classes.length > 10)
  t.deepEqual(
    classes.filter(({ node }) => !hasExample(node)).map(({ name }) => name),
    [],
  )
  const others = declared.filter(({ node }) => !ts.isClassDeclaration(node) && hasExample(node))
  t.log(`${others.length} methods and functions`)
  t.true(others.length >= 20)
})

test('api.md has all that is exported, with each example', (t) => {
  for (const { name } of declarationsIn(DECLARATIONS)) {
    if (!name.includes('.')) t.regex(page, new RegExp(`\\b${name}\\b`), name)
  }
  const blocks = DECLARATIONS.match(/^ *\* ```ts$/gm)?.length ?? 0
  t.is(page.match(/^ *```ts(?: fragment)?$/gm)?.length, blocks + (DECLARATIONS.match(/```ts fragment$/gm)?.length ?? 0))
})
