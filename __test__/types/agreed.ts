// The agreed declarations, less what is to come later.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import ts from 'typescript'

import { declarationsIn } from '../documentation/declarations.js'
import { LATER } from './later.js'

interface Part {
  /** `Item`, `Item.member` or `Alias.literal`. */
  readonly name: string
  readonly start: number
  readonly end: number
}

function literalsOf({ name, node }: { name: string; node: ts.Node }): Part[] {
  if (!ts.isTypeAliasDeclaration(node) || !ts.isUnionTypeNode(node.type)) return []
  return node.type.types.flatMap((type) =>
    ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)
      ? [{ name: `${name}.${type.literal.text}`, start: type.getStart(), end: type.getEnd() }]
      : [],
  )
}

function partsOf(text: string): Part[] {
  return declarationsIn(text).flatMap((declaration) => [
    { name: declaration.name, start: declaration.node.getStart(), end: declaration.node.getEnd() },
    ...literalsOf(declaration),
  ])
}

/** All that is declared, by name. */
export function declaredIn(text: string): Set<string> {
  return new Set(partsOf(text).map(({ name }) => name))
}

function without(text: string, part: Part): string {
  // What is left of a union is one, with a member less.
  const rest = part.name.includes('.ERR_') ? 'never' : ''
  return text.slice(0, part.start) + rest + text.slice(part.end)
}

/** The declarations without what is listed in `later.ts`, which has to be there. */
export function reduced(text: string): string {
  const parts = partsOf(text).filter(({ name }) => LATER.includes(name))
  const names = new Set(parts.map(({ name }) => name))
  const unknown = LATER.filter((name) => !names.has(name))
  if (unknown.length > 0) throw new Error(`not among what is agreed: ${unknown.join(', ')}`)
  return parts.toSorted((a, b) => b.start - a.start).reduce(without, text)
}
