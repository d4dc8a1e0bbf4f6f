// Writes docs/api.md from the declarations: all that the package exports, class by class, with the examples of their comments.
// `npm run docs:api -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

import { runPage } from './page.mjs'

const HELP = `Usage: npm run docs:api [-- options]

Writes docs/api.md from index.d.ts, as it was built.

  --check     writes nothing, and exits with 1 when the page is out of date
  -h, --help  this text`

const ROOT = join(import.meta.dirname, '..')
const PAGE = join(ROOT, 'docs', 'api.md')

/** Classes in the order in which one meets them, each with what continues it. */
const CLASSES = [
  'GuestMemoryMmap',
  'GuestRegionMmap',
  'MmapRegion',
  'MmapRegionBuilder',
  'FileOffset',
  'GuestMemoryAtomic',
  'GuestMemoryLoadGuard',
  'GuestMemoryExclusiveGuard',
  'VolatileSlice',
  'VolatileRef',
  'VolatileArrayRef',
  'AtomicRef',
  'AtomicBitmap',
  'BitmapSlice',
  'WriteTracker',
]
/** Groups of members that classes share. */
const GROUPS = [
  'GuestMemory',
  'Mapping',
  'ByteAccess',
  'VolatileTransfer',
  'AsyncVolatileTransfer',
  'VolatileMemory',
  'Bitmap',
  'GuestAddressSpace',
]

const text = readFileSync(join(ROOT, 'index.d.ts'), 'utf8')
const source = ts.createSourceFile('index.d.ts', text, ts.ScriptTarget.Latest, true)

/** All statements that declare a name: what is declared in parts comes as often. */
const partsOf = new Map()
for (const statement of source.statements) {
  const name = (statement.name ?? statement.declarationList?.declarations[0].name)?.getText()
  if (name !== undefined) partsOf.set(name, [...(partsOf.get(name) ?? []), statement])
}

/** What a comment says before its first tag, and its tags. */
function commentOf(node) {
  const [doc] = node.jsDoc?.slice(-1) ?? []
  const tags = ts.getJSDocTags(node).filter((tag) => tag.parent === doc)
  return { said: textOf(doc?.comment), tags }
}

const textOf = (comment) => (ts.getTextOfJSDocComment(comment) ?? '').trim()

const oneLine = (text) => text.replaceAll(/\s+/g, ' ').trim()

/** A tag as a sentence of the page. */
function tagLine(tag) {
  const said = oneLine(textOf(tag.comment))
  switch (tag.tagName.text) {
    case 'param': {
      // The compiler takes `options.timeout` apart.
      const [, name = '', rest = ''] =
        /^@param (\S+) ([^]*)$/.exec(oneLine(tag.getText().replaceAll(/\n\s*\* ?/g, '\n'))) ?? []
      return `\`${name}\`: ${rest}`
    }
    case 'returns':
      return `Returns ${said}`
    case 'throws':
      return `Throws ${said}`
    default:
      return ''
  }
}

function exampleOf({ tags }) {
  const example = tags.find((tag) => tag.tagName.text === 'example')
  return example === undefined ? '' : textOf(example.comment)
}

/** A declaration without its comment and its body. */
function signatureOf(node) {
  const signature = node.getText().replace(/^(?:export |declare |public |private )+/g, '')
  return oneLine(signature).replace(/;$/, '')
}

/** Takes code out of a text: a part of a program that nobody could run. */
function apart(text) {
  const code = [...text.matchAll(/^```ts\n([^]*?)^```/gm)].map(([, lines]) => `\`\`\`ts fragment\n${lines}\`\`\``)
  return { prose: oneLine(text.replaceAll(/^```ts\n[^]*?^```/gm, '')), code: code.join('\n\n') }
}

function memberText(member) {
  const comment = commentOf(member)
  const lines = comment.tags.map(tagLine).filter((line) => line !== '')
  const details = lines.map((line) => `  - ${line}\n`).join('')
  const { prose, code } = apart(comment.said)
  const examples = [code, exampleOf(comment)].filter((example) => example !== '')
  const indented = examples.map((example) => `\n${example.replaceAll(/^/gm, '  ')}\n`).join('')
  return `- **\`${signatureOf(member)}\`**: ${prose}\n${details}${indented}`
}

/** Members that users have: none that are private, and of overloads each. */
function membersOf(node) {
  const members = ts.isModuleDeclaration(node) ? [...(node.body?.statements ?? [])] : [...(node.members ?? [])]
  return members.filter((member) => commentOf(member).said !== '')
}

const linkTo = (name) => `[\`${name}\`](#${name.toLowerCase()})`

/** What the parts of an item have from others. */
function parentsOf(parts) {
  const names = parts.flatMap((part) => part.heritageClauses ?? []).flatMap(({ types }) => types)
  return [...new Set(names.map(({ expression }) => expression.getText()))].filter((name) => partsOf.has(name))
}

/** An item with members, as a section. */
function section(name) {
  const parts = partsOf.get(name) ?? []
  const comments = parts.map(commentOf)
  const said = comments.map((comment) => comment.said).filter((text) => text !== '')
  const examples = comments.map(exampleOf).filter((text) => text !== '')
  const parents = parentsOf(parts)
  const inherited = parents.length === 0 ? [] : [`It has all of ${parents.map(linkTo).join(', ')}.`]
  const members = parts.flatMap(membersOf).map(memberText)
  return [`### ${name}`, ...said, ...inherited, ...examples, members.join('')].join('\n\n')
}

/** An item without members, as an entry of a list. */
const entry = (name) => partsOf.get(name).map(memberText).join('')

const isKind = (test) => (name) => partsOf.get(name).some(test)

/** What the head of the declarations says, whose lines are set by hand. */
function numberRules() {
  const [head = ''] = /\/\*\*\n \* Guest memory[^]*?\*\//.exec(text) ?? []
  const rules = head.split('\n').slice(3, -1)
  return rules.map((line) => line.replace(/^ \* ?/, '')).join('\n')
}

function render() {
  const names = [...partsOf.keys()]
  const functions = names.filter(isKind(ts.isFunctionDeclaration))
  const constants = names.filter(isKind(ts.isVariableStatement))
  const rest = names.filter((name) => ![...CLASSES, ...GROUPS, ...functions, ...constants].includes(name))
  const missing = names.filter(isKind(ts.isClassDeclaration)).filter((name) => !CLASSES.includes(name))
  if (missing.length > 0) throw new Error(`scripts/api.mjs does not know where to put ${missing.join(', ')}`)
  const withMembers = rest.filter((name) => partsOf.get(name).some((part) => membersOf(part).length > 0))
  const types = rest.filter((name) => !withMembers.includes(name))
  return `<!-- Written by scripts/api.mjs; do not edit. -->

# API

All that the package exports, as \`index.d.ts\` declares it. [Errors](errors.md) have a page of their own.

\`\`\`text
${numberRules()}
\`\`\`

| Classes | Groups of members that classes share |
| --- | --- |
| ${CLASSES.map(linkTo).join('<br>')} | ${GROUPS.map(linkTo).join('<br>')} |

## Classes

${CLASSES.map(section).join('\n\n')}

## Groups of members

${GROUPS.map(section).join('\n\n')}

## Functions

${functions.map(entry).join('')}

## Constants

${constants.map(entry).join('')}

## Types

${types.map(entry).join('')}

${withMembers.map(section).join('\n\n')}
`
}

await runPage({ help: HELP, page: PAGE, render, command: 'npm run docs:api' })
