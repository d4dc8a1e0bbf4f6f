// The public names of the package, read from its declarations.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import ts from 'typescript'
import { type Declaration, DECLARATIONS, declarationsIn } from './declarations.js'

export class DeclaredNames {
  readonly #names = new Set<string>()
  /** What an item has its other members from. */
  readonly #parents = new Map<string, string[]>()
  readonly #literals = new Set<string>()

  constructor(declarations: string) {
    for (const { name, node } of declarationsIn(declarations)) {
      this.#names.add(name)
      this.#parents.set(name, [...(this.#parents.get(name) ?? []), ...parentsOf(node)])
      for (const literal of stringLiterals(node)) this.#literals.add(literal)
    }
  }

  static ofPackage(): DeclaredNames {
    return new DeclaredNames(DECLARATIONS)
  }

  /** `Item` and `Item.member`, each where it is declared. */
  all(): string[] {
    return [...this.#names]
  }

  /** Where a name is declared: an inherited member in an interface that its class extends. */
  find(name: string): string | undefined {
    if (this.#names.has(name)) return name
    const [item = '', ...rest] = name.split('.')
    if (rest.length === 0) return undefined
    return (this.#parents.get(item) ?? [])
      .map((parent) => this.find([parent, ...rest].join('.')))
      .find((found) => found !== undefined)
  }

  /** Whether some type has this string as a value. */
  hasLiteral(text: string): boolean {
    return this.#literals.has(text)
  }
}

function parentsOf(node: Declaration['node']): string[] {
  if (!ts.isClassDeclaration(node) && !ts.isInterfaceDeclaration(node)) return []
  return (node.heritageClauses ?? []).flatMap(({ types }) => types.map(({ expression }) => expression.getText()))
}

function stringLiterals(node: ts.Node): string[] {
  if (ts.isStringLiteral(node)) return [node.text]
  const found: string[] = []
  ts.forEachChild(node, (child) => {
    found.push(...stringLiterals(child))
  })
  return found
}
