// That scripts/import-graph.mjs sees what files name each other, and fails beyond its limits.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const script = fileURLToPath(new URL('../scripts/import-graph.mjs', import.meta.url))

interface Limits {
  readonly up?: number
  readonly circles?: readonly number[]
}

/** Two layers for each language: what is in `low/` or `deep/`, and the rest. */
const LAYERS = [
  { name: 'lower', files: ['low/', 'deep/'] },
  { name: 'upper', files: ['*'] },
]

/** Runs the script on a project of these files, by their paths. */
function examine(t: ExecutionContext, files: Readonly<Record<string, string>>, limits: Limits, ...options: string[]) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-graph-'))
  t.teardown(() => fs.rmSync(root, { recursive: true }))
  const rules = { layers: LAYERS, limits: { up: 0, circles: [], ...limits } }
  const all = {
    'crate/src/lib.rs': '',
    'lib/index.ts': '',
    'scripts/import-graph.json': JSON.stringify({ 'crate/src': rules, lib: rules }),
    ...files,
  }
  for (const [file, text] of Object.entries(all)) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    fs.writeFileSync(path.join(root, file), text)
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--root', root, ...options], {
    encoding: 'utf8',
  })
  return { status, text: stdout + stderr }
}

/** The arrows of a project, each as `from → to`. */
function arrowsOf(t: ExecutionContext, files: Readonly<Record<string, string>>): string[] {
  const { text } = examine(t, files, {}, '--arrows')
  // Those that run up are printed twice.
  const arrows = [...text.matchAll(/^ {4}(\S+) \(\w+\) → (\S+) \(/gm)].map(([, from, to]) => `${from} → ${to}`)
  return [...new Set(arrows)]
}

const TARGETS = { 'crate/src/a.rs': '', 'crate/src/b/mod.rs': '', 'crate/src/b/c.rs': '', 'crate/src/low/d.rs': '' }

const RUST: readonly [what: string, code: string, targets: readonly string[]][] = [
  ['a name', 'use crate::a::Thing;', ['a']],
  ['a name of a folder', 'use crate::b::Thing;', ['b/mod']],
  ['a name below a folder', 'pub(crate) use crate::b::c::Thing as Other;', ['b/c']],
  ['a name of the root', 'use crate::Thing;', ['lib']],
  ['a tree', 'use crate::{a::{self, Thing as Other}, b::{c::*, More}, low};', ['a', 'b/c', 'b/mod', 'lib']],
  ['a path in an expression', 'fn f() { g(&crate::a::X, [crate::b::c::y::<u8>()]) }', ['a', 'b/c']],
  ['a path in a macro', 'macro_rules! m { ($t:ty) => { <$t as $crate::a::T>::f($crate::b::g) } }', ['a', 'b/mod']],
  ['the module above', 'use super::d::Thing;', ['low/d']],
  ['the module above that', 'fn f() { super::super::a::f() }', ['a']],
  [
    'the module above, from one within',
    'mod tests { mod more { use super::super::super::d; } } use super::d;',
    ['low/d'],
  ],
  ['no longer within', 'mod tests { } fn f() { super::d::f() }', ['low/d']],
  ['itself', 'use self::Other; fn f(&self) { Self::g(self.a) }', []],
  ['another crate', 'use vm_memory::a::Thing; use ::std::b; fn f() { napi::crate_of::a() }', []],
  ['who may see it', 'pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::b) fn h() {}', []],
  ['comments', '// crate::a\n/// [`crate::a`]\n//! crate::a\n/* crate::a /* nested */ crate::b */', []],
  ['texts', String.raw`const S: [&str; 3] = ["crate::a \" crate::b", r#"crate::a "crate::b""#, "// "];`, []],
  ['code behind marks in texts', 'const S: &str = "/*"; const C: char = \'"\'; use crate::a; // "', ['a']],
  ['code behind lifetimes', "fn f<'a, 'b>(x: &'a str) -> &'static str { crate::a::f() }", ['a']],
]
test('Rust: arrows are found by what they are written as', (t) => {
  const files = RUST.map(([, code], index) => [`crate/src/low/from_${index}.rs`, code])
  const arrows = arrowsOf(t, { ...TARGETS, ...Object.fromEntries(files) })
  for (const [index, [what, , targets]] of RUST.entries()) {
    const from = `low/from_${index} → `
    const found = arrows.filter((arrow) => arrow.startsWith(from)).map((arrow) => arrow.slice(from.length))
    t.deepEqual(found, targets, what)
  }
})

test('Rust: a folder names what is below it, but not by declaring it', (t) => {
  const below = { 'crate/src/b/c.rs': '', 'crate/src/b/e.rs': '' }
  const arrows = arrowsOf(t, { ...below, 'crate/src/b/mod.rs': 'mod c; mod e; fn f(c: u8) { e::f(c) }' })
  t.deepEqual(arrows, ['b/mod → b/e'])
})

test('Rust: a folder with a manifest is a crate of its own', (t) => {
  const arrows = arrowsOf(t, {
    'crate/src/a.rs': '',
    'crate/src/b.rs': 'use low::Thing; fn f() { low::a::g() }',
    'crate/src/c.rs': 'fn f(low: u8) { low }',
    'crate/src/low/Cargo.toml': '',
    'crate/src/low/lib.rs': 'mod a; pub use crate::a::Thing;',
    'crate/src/low/a.rs': '',
  })
  t.deepEqual(arrows, ['b → low/a', 'b → low/lib', 'low/lib → low/a'])
})

const TYPESCRIPT: readonly [what: string, code: string][] = [
  ['import', "import { a } from '../a'"],
  ['import of a type', "import type * as A from '../a.js'"],
  ['export', "export { a } from '../a'"],
  ['require', "const a = require('../a')"],
  ['import in an expression', "const a = import('../a')"],
  ['import in a type', "let a: import('../a').A"],
]
test('TypeScript: arrows are found by what they are written as', (t) => {
  const files = TYPESCRIPT.map(([, code], index) => [`lib/low/from-${index}.ts`, `// import '../b'\n${code}`])
  const arrows = arrowsOf(t, { 'lib/a.ts': '', 'lib/b.ts': '', ...Object.fromEntries(files) })
  for (const [index, [what]] of TYPESCRIPT.entries()) {
    t.deepEqual(
      arrows.filter((arrow) => arrow.startsWith(`low/from-${index} `)),
      [`low/from-${index} → a`],
      what,
    )
  }
})

test('TypeScript: a folder stands for its index, and what is not in it is left out', (t) => {
  const code = "import './low'\nimport '../index'\nimport 'node:fs'\nconst s = \"import './a'\""
  t.deepEqual(arrowsOf(t, { 'lib/a.ts': '', 'lib/low/index.ts': '', 'lib/from.ts': code }), ['from → low/index'])
})

for (const [language, files] of [
  ['Rust', { 'crate/src/a.rs': 'use crate::c;', 'crate/src/b.rs': 'use crate::a;', 'crate/src/c.rs': 'use crate::b;' }],
  ['TypeScript', { 'lib/a.ts': "import './c'", 'lib/b.ts': "import './a'", 'lib/c.ts': "import './b'" }],
] as const) {
  test(`${language}: a circle is named, and fails beyond its limit`, (t) => {
    const found = examine(t, files, {}, '--check')
    t.is(found.status, 1)
    t.regex(found.text, /^ {4}3: a, b, c$/m)
    t.regex(found.text, /there are circles of 3, not none/)
    t.is(examine(t, files, { circles: [2] }, '--check').status, 1)
    t.deepEqual(examine(t, files, { circles: [3] }, '--check'), { status: 0, text: '' })
  })
}

for (const [language, files] of [
  ['Rust', { 'crate/src/a.rs': '', 'crate/src/low/b.rs': 'use crate::a;', 'crate/src/c.rs': 'use crate::low::b;' }],
  ['TypeScript', { 'lib/a.ts': '', 'lib/low/b.ts': "import '../a'", 'lib/c.ts': "import './low/b'" }],
] as const) {
  test(`${language}: an arrow that runs up is named, and fails beyond its limit`, (t) => {
    const found = examine(t, files, {}, '--check')
    t.is(found.status, 1)
    t.regex(found.text, /^ {2}up\n {4}low\/b \(lower\) → a \(upper\)\n {2}beyond/m)
    t.deepEqual(examine(t, files, { up: 1 }, '--check'), { status: 0, text: '' })
  })
}

test('two circles that touch no one another are two', (t) => {
  const files = {
    'lib/a.ts': "import './b'",
    'lib/b.ts': "import './a'",
    'lib/c.ts': "import './a'\nimport './d'",
    'lib/d.ts': "import './c'",
  }
  t.regex(examine(t, files, {}).text, /^ {4}2: a, b\n {4}2: c, d$/m)
  t.is(examine(t, files, { circles: [2] }, '--check').status, 1)
  t.is(examine(t, files, { circles: [2, 2] }, '--check').status, 0)
})

test('a file that is in no layer is an error', (t) => {
  const rules = { layers: [{ name: 'top', files: ['index', 'lib'] }], limits: { up: 0, circles: [] } }
  const files = { 'lib/odd.ts': '', 'scripts/import-graph.json': JSON.stringify({ 'crate/src': rules, lib: rules }) }
  const { status, text } = examine(t, files, {}, '--check')
  t.is(status, 1)
  t.regex(text, /odd is in no layer/)
})
