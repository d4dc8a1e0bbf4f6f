// That every public item and member says in its declaration what it is.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import test from 'ava'
import ts from 'typescript'

const file = new URL('../index.d.ts', import.meta.url)

/** Items, and members of classes, interfaces and namespaces, that have no doc comment. */
function undocumented(text: string): string[] {
  const source = ts.createSourceFile('index.d.ts', text, ts.ScriptTarget.Latest, true)
  const documented = new Set<string>()
  const found = new Map<string, ts.Node>()
  const visit = (node: ts.Node, prefix: string): void => {
    // Of an interface that continues a class, the class says what it is; overloads are said once.
    const name = nameOf(node, source)
    if (name !== undefined) {
      const full = prefix + name
      if (ts.getJSDocCommentsAndTags(node).length > 0) documented.add(full)
      found.set(full, node)
    }
    const members = membersOf(node)
    for (const member of members) visit(member, name === undefined ? prefix : `${prefix}${name}.`)
  }
  for (const statement of source.statements) visit(statement, '')
  return [...found.keys()].filter((name) => !documented.has(name))
}

function nameOf(node: ts.Node, source: ts.SourceFile): string | undefined {
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  if (ts.isVariableStatement(node)) return node.declarationList.declarations[0]?.name.getText(source)
  const { name } = node as ts.Node & { name?: ts.Node }
  return name?.getText(source)
}

function membersOf(node: ts.Node): readonly ts.Node[] {
  if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isEnumDeclaration(node)) return node.members
  if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body)) return node.body.statements
  return []
}

/** What the generator adds, or what extends a member that is documented where it comes from. */
const EXCEPTIONS = new Set(['TypedArray', 'GuestMemoryAtomic.memory'])

test('every public item and member has a doc comment', (t) => {
  const missing = undocumented(readFileSync(file, 'utf8')).filter((name) => !EXCEPTIONS.has(name))
  t.deepEqual(missing, [])
})

test('a member without one is noticed', (t) => {
  t.deepEqual(
    undocumented('/** A class. */\nexport declare class Box {\n  open(): void\n  /** Closes. */\n  close(): void\n}'),
    ['Box.open'],
  )
})
