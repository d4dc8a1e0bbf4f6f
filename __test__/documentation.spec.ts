// That every public item and member says in its declaration what it is, and every function what it does.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import ts from 'typescript'
import { DECLARATIONS, declarationsIn } from './documentation/declarations.js'

/** Items, and members of classes, interfaces and namespaces, that have no doc comment. */
function undocumented(text: string): string[] {
  const declarations = declarationsIn(text)
  // Of an interface that continues a class, the class says what it is; overloads are said once.
  const documented = new Set(
    declarations.filter(({ node }) => ts.getJSDocCommentsAndTags(node).length > 0).map(({ name }) => name),
  )
  return [...new Set(declarations.map(({ name }) => name))].filter((name) => !documented.has(name))
}

/** What the generator adds, or what extends a member that is documented where it comes from. */
const EXCEPTIONS = new Set(['TypedArray', 'GuestMemoryAtomic.memory'])

test('every public item and member has a doc comment', (t) => {
  const missing = undocumented(DECLARATIONS).filter((name) => !EXCEPTIONS.has(name))
  t.deepEqual(missing, [])
})

test('a member without one is noticed', (t) => {
  t.deepEqual(
    undocumented('/** A class. */\nexport declare class Box {\n  open(): void\n  /** Closes. */\n  close(): void\n}'),
    ['Box.open'],
  )
})

// Words in -s that begin a sentence and are no verbs.
const SMALL_WORDS = ['Always', 'As', 'Has', 'Is', 'Its', 'This', 'Thus', 'Unless', 'Was']
const NOUNS = ['Addresses', 'Bits', 'Bytes', 'Elements', 'Errors', 'Guards', 'Pages', 'Pieces', 'Regions', 'Slices']

const isVerb = (word: string): boolean => /^[A-Z][a-z]+s$/.test(word) && ![...SMALL_WORDS, ...NOUNS].includes(word)

const isFunction = (node: ts.Node): boolean =>
  ts.isFunctionDeclaration(node) ||
  ts.isMethodDeclaration(node) ||
  ts.isMethodSignature(node) ||
  ts.isConstructorDeclaration(node)

/** Functions whose doc comment does not begin with a verb in the third person, each with the words that it begins with. */
function withoutVerb(text: string): string[] {
  return declarationsIn(text)
    .filter(({ node }) => isFunction(node))
    .flatMap(({ name, node }) =>
      ts.getJSDocCommentsAndTags(node).map((doc) => ({ name, doc: ts.getTextOfJSDocComment(doc.comment) ?? '' })),
    )
    .filter(({ doc }) => !isVerb(doc.split(/\s/, 1)[0] ?? ''))
    .map(({ name, doc }) => `${name}: ${doc.slice(0, 30)}`)
}

test('the doc comment of every function and method begins with what it does', (t) => {
  t.deepEqual(withoutVerb(DECLARATIONS), [])
})

const NO_DEEDS = ['Whether it is open.', 'The lid.', 'Bytes in it.', 'As `close`.', '`lid + box`.', 'Open it.', '']
for (const beginning of NO_DEEDS) {
  test(`a method whose doc comment begins with "${beginning}" is noticed`, (t) => {
    for (const [box, method] of [
      ['class', 'open(): void'],
      ['interface', 'open(): void'],
      ['namespace', 'export function open(): void'],
    ]) {
      t.is(withoutVerb(`export declare ${box} Box {\n  /** ${beginning} */\n  ${method}\n}`).length, 1)
    }
  })
}

test('a method that says what it does is not, nor is a property', (t) => {
  const members =
    '/** Opens the box. */\n  open(): void\n  /** The lid. */\n  readonly lid: string\n  get size(): number'
  t.deepEqual(withoutVerb(`export declare class Box {\n  ${members}\n}`), [])
})
