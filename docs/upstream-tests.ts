// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Writes upstream-tests.md: where each unit test of the vm-memory crate went, or why it did not come along. The tests are
// read from the crate's source, and where they are from the titles in the specs, so that the page cannot claim too much.
//
//   npx tsx docs/upstream-tests.ts            writes the page
//   npx tsx docs/upstream-tests.ts --check    exits with 1 when the page is out of date

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { format, resolveConfig } from 'prettier'

import { upstreamSource } from './upstream-source.js'

const ROOT = join(import.meta.dirname, '..')
const PAGE = join(import.meta.dirname, 'upstream-tests.md')
const SPECS = '__test__'

const PLAIN_BIGINT = 'tests the Rust type of an address, which is a plain bigint here'

/** Why the tests that are in no spec are left out. */
const LEFT_OUT: Readonly<Record<string, string>> = {
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

interface UpstreamTest {
  /** The path of its file, as a Rust path. */
  readonly module: string
  readonly name: string
}

interface Crate {
  readonly version: string
  readonly tests: readonly UpstreamTest[]
}

/** The names of the tests in a Rust file. */
function testNames(source: string): string[] {
  const names = [...source.matchAll(/#\[test\]\s+(?:(?:#\[|\/\/).*\s+)*fn (\w+)/g)].map((match) => match[1]!)

  // A test that a macro wraps in a module exists once for each use of the macro (endian.rs).
  const macro = /macro_rules! (?<macro>\w+) \{\s*\((?<parameters>[^)]*)\) => \{\s*mod \$(?<parameter>\w+) \{/.exec(
    source,
  )
  if (macro?.groups === undefined) {
    return names
  }
  const { parameters, parameter } = macro.groups
  const position = parameters!.split(',').findIndex((text) => text.trim().startsWith(`$${parameter}:`))
  const uses = source.matchAll(new RegExp(`^\\s*${macro.groups['macro']}!\\(([^)]*)\\);`, 'gm'))
  const modules = [...uses].map((use) => use[1]!.split(',')[position]!.trim())
  return modules.flatMap((module) => names.map((name) => `${module}::${name}`))
}

/** The tests of the crate that the native half is built with. */
function upstream(): Crate {
  const { version, files } = upstreamSource()
  return { version, tests: files.flatMap(({ module, text }) => testNames(text).map((name) => ({ module, name }))) }
}

/** The titles in each spec. */
function specTitles(): Map<string, Set<string>> {
  const specs = readdirSync(join(ROOT, SPECS)).filter((file) => file.endsWith('.spec.ts'))
  return new Map(
    specs.toSorted().map((file) => {
      const titles = readFileSync(join(ROOT, SPECS, file), 'utf8').matchAll(/^test(?:\.serial)?\(\s*'([^']+)'/gm)
      return [file, new Set([...titles].map((match) => match[1]!))]
    }),
  )
}

/** The spec with a test: the one of its top module under its name, or another one under both. */
function whereIs({ module, name }: UpstreamTest, specs: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  const topModule = module.split('::', 1)[0]!
  const ownSpec = `${topModule.replaceAll('_', '-')}.spec.ts`
  if (specs.get(ownSpec)?.has(name) === true) {
    return ownSpec
  }
  return [...specs].find(([, titles]) => titles.has(`${topModule}::${name}`))?.[0]
}

async function render(): Promise<string> {
  const { version, tests } = upstream()
  const specs = specTitles()
  const unused = new Set(Object.keys(LEFT_OUT))
  let ported = 0

  const rows = tests.map((test) => {
    const key = `${test.module}::${test.name}`
    const reason = LEFT_OUT[key]
    let where: string
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
    return `| \`${test.module}\` | \`${test.name}\` | ${where} |`
  })
  if (unused.size > 0) {
    throw new Error(`upstream has no such tests: ${[...unused].join(', ')}`)
  }

  const text = `<!-- Written by docs/upstream-tests.ts; do not edit. -->

# Upstream's unit tests

${ported} of the ${tests.length} unit tests of vm-memory ${version} (without those of the backends for Windows and Xen) are ported, under
their names and with all that they assert. The other ${tests.length - ported} test what only Rust has.

A test that stands in the spec of another module has its own module before its name there.

| Module | Test | Ported to, or why not |
| --- | --- | --- |
${rows.join('\n')}
`
  return format(text, { ...(await resolveConfig(PAGE)), parser: 'markdown' })
}

const page = await render()
if (process.argv.includes('--check')) {
  if (!existsSync(PAGE) || readFileSync(PAGE, 'utf8') !== page) {
    console.error('docs/upstream-tests.md is out of date: run `npx tsx docs/upstream-tests.ts`')
    process.exitCode = 1
  }
} else {
  writeFileSync(PAGE, page)
}
