// Writes docs/errors.md from the table of errors in crate/src/node/error.rs, as the addon was built with it, and from the crate
// whose errors most of them are.
// `npm run docs:errors -- --help` tells the rest. (It is run by tsx, since it imports TypeScript.)
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import os from 'node:os'

import { HOST, WRONG_CALLS } from '../__test__/wrong-calls/calls.js'
import { runPage, table } from './page.mjs'
import { upstreamSource } from './upstream-source.js'

const HELP = `Usage: npm run docs:errors [-- options]

Writes docs/errors.md from crate/src/node/error.rs, as it was built.

  --check     writes nothing, and exits with 1 when the page is out of date
  -h, --help  this text`

const ROOT = join(import.meta.dirname, '..')
const PAGE = join(ROOT, 'docs', 'errors.md')

/** What the code does not tell: that one of its errors is never seen, and why. */
const NEVER_SEEN = {
  ERR_HOST_ADDRESS_NOT_AVAILABLE: 'all memory here is mapped into the process',
  ERR_MAPPING_OVERLAP: 'nothing upstream raises it',
  ERR_SEEK_START: 'a file that seeks to its end seeks to its start',
}

/**
 * An error as JavaScript sees it.
 * @typedef {object} Row
 * @property {string} name
 * @property {string} class
 * @property {string} code none where the engine has none, and where the error in it is shown
 * @property {string} variant the upstream one, by its path in Rust; none of an error of this package
 * @property {string} when told by upstream's own source where it is upstream's
 * @property {readonly string[]} properties
 */

/** @returns {Row[]} */
function errorTable() {
  const { door } = createRequire(import.meta.url)(join(ROOT, 'dist', 'load.js')).load()
  return door
    .errorTable()
    .map(([name, kind, code, variant, when, ...properties]) => ({ name, class: kind, code, variant, when, properties }))
}

function render() {
  const rows = errorTable()
  const upstream = rows.filter(({ variant }) => variant !== '')
  const own = rows.filter(({ variant }) => variant === '')
  checkDeclared('BindingErrorCode', codesOf(own))
  for (const code of Object.keys(NEVER_SEEN)) if (!codesOf(rows).includes(code)) throw new Error(`there is no ${code}`)

  const enums = upstreamSource().files.map(({ text }) => variantsIn(text))
  const heads = ['Code', 'When', 'Message', 'Properties', 'Upstream']
  const sections = [...new Set(upstream.map(({ name }) => name))].map((name) => {
    const rows = upstream.filter((row) => row.name === name)
    checkDeclared(name, codesOf(rows))
    return `## ${name}\n\n${table(heads, upstreamCells(rows, enums))}`
  })
  return `<!-- Written by scripts/errors.mjs; do not edit. -->

# Errors

A call that is refused throws an \`Error\`. A method that returns a promise rejects the promise with the error instead. Programs
should look at \`code\`; \`message\` is for people. \`index.d.ts\` says which errors each method throws.

\`\`\`ts
import { GuestMemoryMmap, isVmMemoryError } from 'vm-memory'

const memory = GuestMemoryMmap.fromRanges([[0x1000, 0x1000]])
try {
  memory.readU64(0x1ffe)
} catch (error) {
  if (!isVmMemoryError(error)) throw error
  switch (error.code) {
    case 'ERR_INVALID_GUEST_ADDRESS':
      console.log('nothing at', error.addr)
      break
    case 'ERR_PARTIAL_BUFFER':
      console.log(error.message) // Guest memory error: only used 2 bytes in 8 long buffer
      console.log(error.completed, 'of', error.expected) // 2 of 8
  }
}
\`\`\`

An error of the crate vm-memory has the name of its Rust type as \`name\`, and the text of the Rust error, word for word, as
\`message\`. The fields of the Rust error are properties: addresses are bigints, counts are numbers, and \`errno\` is positive. The
next four sections list the four types; \`…\` stands for a text of the operating system. The errors of this package itself come
[after them](#of-this-package).

What the text does not say is in more properties, which \`console.log\` shows:

| Property | Of | What it is |
| --- | --- | --- |
| \`operation\` | all | The method or function that was called. Constructors tell none. |
| \`addr\`, \`count\` | \`ERR_PARTIAL_BUFFER\`, \`ERR_INVALID_BACKEND_ADDRESS\` | Where the access was to begin, and how many bytes it was to have. |
| \`base\`, \`size\` | \`ERR_INVALID_GUEST_REGION\` | The region that was asked for. |
| \`ranges\` | \`ERR_MEMORY_REGION_OVERLAP\` | The two ranges, each as its first and last address, the lower one first. |
| \`completed\` | \`ERR_IO\` | How many bytes a transfer had moved before it failed. |
| \`hint\` | where the text misleads | A sentence with the values in hexadecimal. [Below](#what-wrong-calls-show) are all of them. |

If a callback or a getter of an argument throws, the caller gets that error unchanged. The same holds for the reason of
an \`AbortSignal\`.

${sections.join('\n\n')}

## Of this package

${table(['Code', 'Class', 'When'], own.map(ownCells))}

## What wrong calls show

All that the error of each call has. \`memory\` has the regions 0x0-0xfffff, 0x100000-0x100fff and 0x300002-0x301003; \`region\` is the first of
them, and \`slice\` its first 16 bytes. \`file\` and \`readOnly\` are descriptors of a file of 0x2000 bytes, \`closed\` is none that is open,
\`bytes(n)\` is a \`Uint8Array\`, and \`last\` is 2n ** 64n - 1n. [A test](../__test__/wrong-calls.spec.ts) makes these calls.

${table(['Call', 'Code', 'Message', 'Besides'], WRONG_CALLS.map(callCells))}

## Of loading it

If there is no binary for the platform, loading the package throws an \`Error\` with the code \`ERR_UNSUPPORTED_PLATFORM\`. The
error names the platforms that exist. If the binary is not installed, or does not load, the code is \`ERR_BINARY_NOT_LOADED\`. The
message says why: it is not installed, addons are forbidden, it is of another version, or the system cannot load it. \`cause\` is
what was thrown.
`
}

const codesOf = (rows) => [...new Set(rows.map(({ code }) => code).filter((code) => code !== ''))]

/** Sees to it that a type in index.d.ts has these codes and no others. */
function checkDeclared(type, codes) {
  const declarations = readFileSync(join(ROOT, 'index.d.ts'), 'utf8')
  const declaration =
    new RegExp(`^export type ${type}\\b[^]*?(?=^(?:export|/\\*\\*|$))`, 'm').exec(declarations)?.[0] ?? ''
  const declared = [...declaration.matchAll(/'(ERR_\w+)'/g)].map((match) => match[1])
  const odd = codes.concat(declared).filter((code) => !codes.includes(code) || !declared.includes(code))
  if (odd.length > 0) throw new Error(`error.rs and ${type} of index.d.ts do not both have ${odd.join(', ')}`)
}

/**
 * Describes the errors that are the variants of an enum.
 * @param {readonly Row[]} rows
 * @param {readonly ReturnType<typeof variantsIn>[]} enums of all upstream
 */
function upstreamCells(rows, enums) {
  const names = rows.map(({ variant }) => variant.split('::').at(-1))
  const described = enums.find((each) => each.size === names.length && names.every((name) => each.has(name)))
  if (described === undefined) throw new Error(`vm-memory has no enum of errors with ${names.join(', ')}`)
  return rows.map(({ code, variant, properties }, index) => {
    const { when, message } = described.get(names[index])
    if (code === '') return ['–', `${when} You get the error inside it.`, '', '', `\`${variant}\``]
    const never = code in NEVER_SEEN ? ` Never seen: ${NEVER_SEEN[code]}.` : ''
    return [`\`${code}\``, when + never, message, properties.map(propertyCell).join(', '), `\`${variant}\``]
  })
}

const propertyCell = (property) =>
  property
    .split(' or ')
    .map((each) => `\`${each}\``)
    .join(' or ')

const ownCells = (error) => [error.code === '' ? 'none' : `\`${error.code}\``, `\`${error.class}\``, error.when]

function callCells([call, { name: _name, code, message, ...rest }]) {
  const besides = Object.entries(rest).map(([name, value]) => `\`${name}: ${valueText(name, value)}\``)
  return [`\`${call.replaceAll('|', '\\|')}\``, `\`${code}\``, message, besides.join('<br>')]
}

/** A value as a program would write it. */
function valueText(name, value) {
  if (value === HOST) return 'a host address'
  if (name === 'errno') return Object.entries(os.constants.errno).find(([, errno]) => errno === value)[0]
  if (typeof value === 'bigint') return `0x${value.toString(16)}n`
  if (Array.isArray(value)) return `[${value.map((each) => valueText('', each)).join(', ')}]`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** The variants of an enum of errors, with what its source, which rustfmt has formatted, says of them. */
function variantsIn(text) {
  const body = /^pub enum Error \{\n([^]*?)\n\}/m.exec(text)?.[1] ?? ''
  const variants = body.matchAll(
    /(?<doc>(?:^ {4}\/\/\/.*\n)+) {4}#\[error\(\s*"(?<format>[^"]*)"[^]*?\)\]\n {4}(?<name>\w+)/gm,
  )
  return new Map(
    [...variants].map(({ groups }) => [groups.name, { when: sentence(groups.doc), message: message(groups.format) }]),
  )
}

/** What a doc comment says. */
function sentence(comment) {
  const text = comment.replaceAll(/^\s*\/\/\/ ?/gm, '').trim()
  return `${text.replaceAll('\n', ' ').replace(/\.$/, '')}.`
}

/** As it is seen: with the names of properties, and dots for the text of an error of the operating system. */
function message(format) {
  return format.replaceAll(/\{0?\}/g, '…').replaceAll(/\{(\w+)\b[^}]*\}/g, '{$1}')
}

await runPage({ help: HELP, page: PAGE, render, command: 'npm run docs:errors' })
