// That every public item and member says in its declaration what it is.
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
