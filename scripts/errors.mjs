// Writes docs/errors.md from where errors are made, crate/src/node/error.rs, and from the crate whose errors they are.
// `npm run docs:errors -- --help` tells the rest. (It is run by tsx, since it imports TypeScript.)
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { bindingErrors, upstreamErrors } from './error-tables.mjs'
import { checkPage, table, writePage } from './page.mjs'
import { upstreamSource } from './upstream-source.js'

const HELP = `Usage: npm run docs:errors [-- options]

Writes docs/errors.md from crate/src/node/error.rs.

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

function render() {
  const source = readFileSync(join(ROOT, 'crate', 'src', 'node', 'error.rs'), 'utf8')
  const tables = upstreamErrors(source, upstreamSource().files)
  const own = bindingErrors(source)
  const codes = codesOf(tables.flatMap(({ rows }) => rows))
  checkDeclared('VmMemoryError', codes)
  checkDeclared('BindingErrorCode', codesOf(own))
  for (const code of Object.keys(NEVER_SEEN)) if (!codes.includes(code)) throw new Error(`there is no ${code}`)

  const heads = ['Code', 'When', 'Message', 'Properties', 'Upstream']
  const sections = tables.map(({ name, rows }) => `## ${name}\n\n${table(heads, rows.map(upstreamCells))}`)
  return `<!-- Written by scripts/errors.mjs; do not edit. -->

# Errors

What is refused is thrown as an \`Error\`, or, by a method that returns a promise, is what that is rejected with. \`code\` tells
what it is; texts are for people. Of each method, \`index.d.ts\` says what it throws.

\`\`\`ts
import { GuestMemoryMmap, type VmMemoryError } from 'vm-memory'

const memory = GuestMemoryMmap.fromRanges([[0x1000, 0x1000]])
try {
  memory.readU64(0x1ffe)
} catch (error) {
  const { name, code, message } = error as VmMemoryError
  console.log(name, code) // GuestMemoryError ERR_PARTIAL_BUFFER
  console.log(message) // Guest memory error: only used 2 bytes in 8 long buffer
}
\`\`\`

What the crate vm-memory refuses has the type of its error as \`name\`, the text of that, word for word, as \`message\`, and what
the error holds as properties: addresses as bigints, counts as numbers, \`errno\` positive. The four types follow; \`…\` stands
for what the operating system says. After them, what this package refuses [on its own](#of-this-package).

What a callback or a getter of an argument throws comes out as it went in, and so does the reason of an \`AbortSignal\`.

${sections.join('\n\n')}

## Of this package

${table(['Code', 'Class', 'When'], own.map(ownCells))}

## Of loading it

Where there is no binary for the platform, loading the package throws an \`Error\` with the code \`ERR_UNSUPPORTED_PLATFORM\`,
which names the platforms that there are. Where the binary is not installed, or does not load, the code is
\`ERR_BINARY_NOT_LOADED\`; the chain of its \`cause\` tells what was tried.
`
}

const codesOf = (rows) => [...new Set(rows.flatMap(({ code }) => code ?? []))]

/** Sees to it that a type in index.d.ts has these codes and no others. */
function checkDeclared(type, codes) {
  const declarations = readFileSync(join(ROOT, 'index.d.ts'), 'utf8')
  const declaration = new RegExp(`^export \\w+ ${type}\\b[^]*?^(?:\\}|$)`, 'm').exec(declarations)?.[0] ?? ''
  const declared = [...declaration.matchAll(/\| '(ERR_\w+)'/g)].map((match) => match[1])
  const odd = [...codes, ...declared].filter((code) => !codes.includes(code) || !declared.includes(code))
  if (odd.length > 0) throw new Error(`error.rs and ${type} of index.d.ts do not both have ${odd.join(', ')}`)
}

function upstreamCells({ code, when, message, properties, variant }) {
  if (code === undefined) return ['–', `${when} The error in it is shown.`, '', '', `\`${variant}\``]
  const reason = NEVER_SEEN[code]
  const never = reason === undefined ? '' : ` Never seen: ${reason}.`
  return [`\`${code}\``, when + never, message, properties, `\`${variant}\``]
}

const ownCells = (error) => [error.code === undefined ? 'none' : `\`${error.code}\``, `\`${error.class}\``, error.when]

async function main() {
  const { values } = parseArgs({ options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) return console.log(HELP)
  const page = render()
  await (values.check ? checkPage(PAGE, page, 'npm run docs:errors') : writePage(PAGE, page))
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
