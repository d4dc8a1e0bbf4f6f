// Writes docs/upstream-tests.md: where each unit test of the vm-memory crate went, or why it did not come along. The tests are
// read from the crate's source, and where they are from the titles in the specs, so that the page cannot claim too much.
// `npm run docs:upstream-tests -- --help` tells the rest. (It is run by tsx, since it imports TypeScript.)
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { runPage, table } from './page.mjs'
import { upstreamSource } from './upstream-source.js'

const HELP = `Usage: npm run docs:upstream-tests [-- options]

Writes docs/upstream-tests.md from the source of the crate vm-memory and the titles of the specs.

  --check     writes nothing, and exits with 1 when the page is out of date
  -h, --help  this text`

const ROOT = join(import.meta.dirname, '..')
const PAGE = join(ROOT, 'docs', 'upstream-tests.md')
const SPECS = '__test__'

const PLAIN_BIGINT = 'tests the Rust type of an address, which is a plain bigint here'

/** Why the tests that are in no spec are left out. */
const LEFT_OUT = {
  'address::test_new': PLAIN_BIGINT,
  'address::test_equals': PLAIN_BIGINT,
  'address::test_cmp': PLAIN_BIGINT,
  'address::test_default': PLAIN_BIGINT,
  'address::test_bit_and': PLAIN_BIGINT,
  'address::test_bit_or': PLAIN_BIGINT,
  'bitmap::backend::atomic_bitmap_arc::test_bitmap_impl': 'tests `AtomicBitmapArc`, which is private to the crate',
  'bytes::test_byte_valued': 'tests the making of Rust references from aligned bytes',
  'io::test_write_volatile_for_vec': 'tests a sink that grows as it is written to, which no bytes of JavaScript do',
  'volatile_memory::alignment': 'tests a function that is private to the crate',
  'volatile_memory::misaligned_ref': 'tests the making of Rust references from aligned bytes',
}

/**
 * @typedef {object} UpstreamTest
 * @property {string} module the path of its file, as a Rust path
 * @property {string} name
 */

/** The names of the tests in a Rust file. */
function testNames(source) {
  const names = [...source.matchAll(/#\[test\]\s+(?:(?:#\[|\/\/).*\s+)*fn (\w+)/g)].map((match) => match[1])

  // A test that a macro wraps in a module exists once for each use of the macro (endian.rs).
  const macro = /macro_rules! (?<macro>\w+) \{\s*\((?<parameters>[^)]*)\) => \{\s*mod \$(?<parameter>\w+) \{/.exec(
    source,
  )
  if (macro?.groups === undefined) {
    return names
  }
  const { parameters, parameter } = macro.groups
  const position = parameters.split(',').findIndex((text) => text.trim().startsWith(`$${parameter}:`))
  const uses = source.matchAll(new RegExp(`^\\s*${macro.groups['macro']}!\\(([^)]*)\\);`, 'gm'))
  const modules = [...uses].map((use) => use[1].split(',')[position].trim())
  return modules.flatMap((module) => names.map((name) => `${module}::${name}`))
}

/**
 * The tests of the crate that the native half is built with.
 * @returns {{ version: string, tests: UpstreamTest[] }}
 */
function upstream() {
  const { version, files } = upstreamSource()
  return { version, tests: files.flatMap(({ module, text }) => testNames(text).map((name) => ({ module, name }))) }
}

/** The titles in each spec. */
function specTitles() {
  const specs = readdirSync(join(ROOT, SPECS)).filter((file) => file.endsWith('.spec.ts'))
  return new Map(
    specs.toSorted().map((file) => {
      const titles = readFileSync(join(ROOT, SPECS, file), 'utf8').matchAll(/^test(?:\.serial)?\(\s*'([^']+)'/gm)
      return [file, new Set([...titles].map((match) => match[1]))]
    }),
  )
}

/**
 * The spec with a test: the one of its top module under its name, or another one under both.
 * @param {UpstreamTest} test
 * @param {ReadonlyMap<string, ReadonlySet<string>>} specs
 */
function whereIs({ module, name }, specs) {
  const [topModule] = module.split('::', 1)
  const ownSpec = `${topModule.replaceAll('_', '-')}.spec.ts`
  if (specs.get(ownSpec)?.has(name) === true) {
    return ownSpec
  }
  return [...specs].find(([, titles]) => titles.has(`${topModule}::${name}`))?.[0]
}

function render() {
  const { version, tests } = upstream()
  const specs = specTitles()
  const unused = new Set(Object.keys(LEFT_OUT))
  let ported = 0

  const rows = tests.map((test) => {
    const key = `${test.module}::${test.name}`
    const reason = LEFT_OUT[key]
    let where
    if (reason !== undefined) {
      unused.delete(key)
      where = `– ${reason}`
    } else {
      const spec = whereIs(test, specs)
      if (spec === undefined) {
        throw new Error(`${key} is neither in a spec nor left out for a reason`)
      }
      ported += 1
      where = `[\`${spec}\`](../${SPECS}/${spec})`
    }
    return [`\`${test.module}\``, `\`${test.name}\``, where]
  })
  if (unused.size > 0) {
    throw new Error(`upstream has no such tests: ${[...unused].join(', ')}`)
  }

  return `<!-- Written by scripts/upstream-tests.mjs; do not edit. -->

# Upstream's unit tests

vm-memory ${version} has ${tests.length} unit tests, without those of the backends for Windows and Xen. ${ported} of them are ported, under their
names and with all of their assertions. The other ${tests.length - ported} test things that only Rust has.

If a test is ported to the spec of another module, the name of its own module stands before its name there.

${table(['Module', 'Test', 'Ported to, or why not'], rows)}
`
}

await runPage({ help: HELP, page: PAGE, render, command: 'npm run docs:upstream-tests' })
