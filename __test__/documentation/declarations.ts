// What index.d.ts declares: items, and the members of those that have some.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import ts from 'typescript'

export interface Declaration {
  /** `Item` or `Item.member`. What is declared in parts, such as a class that an interface continues, comes as often. */
  readonly name: string
  readonly node: ts.Node
}

export const DECLARATIONS = readFileSync(new URL('../../index.d.ts', import.meta.url), 'utf8')

export function declarationsIn(text: string): Declaration[] {
  return ts
    .createSourceFile('index.d.ts', text, ts.ScriptTarget.Latest, true)
    .statements.flatMap((statement) => declarationsOf(statement, ''))
}

function declarationsOf(node: ts.Node, prefix: string): Declaration[] {
  const name = prefix + nameOf(node)
  return [{ name, node }, ...membersOf(node).flatMap((member) => declarationsOf(member, `${name}.`))]
}

function nameOf(node: ts.Node & { readonly name?: ts.Node }): string {
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  const name = ts.isVariableStatement(node) ? node.declarationList.declarations[0]?.name : node.name
  if (name === undefined) throw new Error(`has no name: ${node.getText()}`)
  return name.getText()
}

/** Whether a member is of no concern to users: a constructor that they cannot call, the mark of a class. */
function isPrivate(member: ts.ClassElement): boolean {
  if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return true
  const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : []
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
}

function membersOf(node: ts.Node): readonly ts.Node[] {
  if (ts.isClassDeclaration(node)) return node.members.filter((member) => !isPrivate(member))
  if (ts.isInterfaceDeclaration(node) || ts.isEnumDeclaration(node)) return node.members
  if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body)) return node.body.statements
  return []
}
