// The public names of the package, read from its declarations.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import ts from 'typescript'

interface Owner {
  readonly members: Set<string>
  readonly parents: Set<string>
}

export class DeclaredNames {
  readonly #owners = new Map<string, Owner>()
  readonly #literals = new Set<string>()

  constructor(declarations: string) {
    const source = ts.createSourceFile('index.d.ts', declarations, ts.ScriptTarget.Latest, true)
    for (const statement of source.statements) this.#addStatement(statement)
  }

  static ofPackage(): DeclaredNames {
    return new DeclaredNames(readFileSync(new URL('../../index.d.ts', import.meta.url), 'utf8'))
  }

  /** `Item` and `Item.member`, each where it is declared. */
  all(): string[] {
    return [...this.#owners].flatMap(([item, { members }]) => [
      item,
      ...[...members].map((member) => `${item}.${member}`),
    ])
  }

  /** Where a name is declared: an inherited member in an interface that its class extends. */
  find(name: string): string | undefined {
    const [item = '', ...rest] = name.split('.')
    const owner = this.#owners.get(item)
    if (owner === undefined || rest.length === 0) return owner && item
    const member = rest.join('.')
    if (owner.members.has(member)) return name
    return [...owner.parents].map((parent) => this.find(`${parent}.${member}`)).find((found) => found !== undefined)
  }

  /** Whether some type has this string as a value. */
  hasLiteral(text: string): boolean {
    return this.#literals.has(text)
  }

  #addStatement(node: ts.Statement): void {
    for (const literal of stringLiterals(node)) this.#literals.add(literal)
    if (ts.isVariableStatement(node)) {
      for (const { name } of node.declarationList.declarations) this.#ownerOf(name.getText())
    } else if (ts.isFunctionDeclaration(node) || ts.isTypeAliasDeclaration(node)) {
      this.#ownerOf(node.name!.text)
    } else if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isEnumDeclaration(node)) {
      const owner = this.#ownerOf(node.name!.text)
      for (const member of node.members) owner.members.add(nameOf(member))
      if (ts.isEnumDeclaration(node)) return
      for (const clause of node.heritageClauses ?? [])
        for (const { expression } of clause.types) owner.parents.add(expression.getText())
    } else if (ts.isModuleDeclaration(node)) {
      const owner = this.#ownerOf(node.name.text)
      if (node.body === undefined || !ts.isModuleBlock(node.body)) return
      for (const inner of node.body.statements) owner.members.add(nameOf(inner))
    } else {
      throw new Error(`not understood: ${node.getText()}`)
    }
  }

  #ownerOf(item: string): Owner {
    const owner = this.#owners.get(item) ?? { members: new Set(), parents: new Set() }
    this.#owners.set(item, owner)
    return owner
  }
}

function nameOf(node: ts.Node & { readonly name?: ts.Node }): string {
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  if (node.name === undefined) throw new Error(`has no name: ${node.getText()}`)
  return node.name.getText()
}

function stringLiterals(node: ts.Node): string[] {
  if (ts.isStringLiteral(node)) return [node.text]
  const found: string[] = []
  ts.forEachChild(node, (child) => {
    found.push(...stringLiterals(child))
  })
  return found
}
