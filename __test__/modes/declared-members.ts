// Everything in index.d.ts that can be called or read: members of each class, inherited ones too, and functions.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { NAMES_OF_CLASSES } from './program.js'

const PATH = fileURLToPath(new URL('../../index.d.ts', import.meta.url))

/** The names, as `function`, `Namespace.function` or `Class.member`; what `new` makes is `Class.constructor`. */
export function declaredMembers(): string[] {
  const program = ts.createProgram([PATH], { target: ts.ScriptTarget.ES2023, types: ['node'] })
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(PATH)
  const module = file && checker.getSymbolAtLocation(file)
  if (module === undefined) throw new Error(`is no module: ${PATH}`)
  return checker.getExportsOfModule(module).flatMap((item) => {
    if (item.flags & ts.SymbolFlags.Class) return classMembers(item, checker)
    if (item.flags & ts.SymbolFlags.Function) return [item.name]
    if (item.flags & ts.SymbolFlags.Module) {
      return checker.getExportsOfModule(item).map(({ name }) => `${item.name}.${name}`)
    }
    return []
  })
}

function classMembers(item: ts.Symbol, checker: ts.TypeChecker): string[] {
  const isOwn = (member: ts.Symbol): boolean => !member.declarations?.some((each) => isPrivate(each))
  const members = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(item)).filter(isOwn).map(nameOf)
  const statics = checker.getExportsOfModule(item).map(nameOf)
  const isMade = item.declarations?.some(
    (each) =>
      ts.isClassDeclaration(each) &&
      each.members.some((member) => ts.isConstructorDeclaration(member) && !isPrivate(member)),
  )
  return [...(isMade ? ['constructor'] : []), ...statics, ...members]
    .filter((name) => name !== 'prototype')
    .map((name) => `${item.name}.${name}`)
}

/** Whether users may not name a member: a brand of the types, or a constructor of what is never made by `new`. */
function isPrivate(member: ts.Declaration): boolean {
  const name = ts.getNameOfDeclaration(member)
  return (
    (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) !== 0 ||
    (name !== undefined && ts.isPrivateIdentifier(name))
  )
}

/** Of a symbol such as `Symbol.iterator`, `[Symbol.iterator]`. */
function nameOf(member: ts.Symbol): string {
  const name = member.declarations?.[0] && ts.getNameOfDeclaration(member.declarations[0])
  return name === undefined ? member.name : name.getText()
}

/** Finds the steps that may use a member: by the names of variables, and for functions by their own. */
export function mention(member: string): RegExp {
  const [owner = '', ...rest] = member.split('.')
  const name = rest.join('.')
  const variable = (NAMES_OF_CLASSES as Record<string, string>)[owner]
  if (name === '') return new RegExp(`\\b${owner}\\(`)
  if (name === 'constructor') return new RegExp(`\\bnew ${owner}\\(`)
  if (name === '[Symbol.dispose]') return new RegExp(`\\b${variable}\\d+\\[disposal\\]`)
  if (name === '[Symbol.iterator]') return new RegExp(`\\.\\.\\.${variable}\\d+\\]`)
  return new RegExp(`\\b(?:${variable ?? owner}\\d+|${owner})\\.${name}\\b`)
}
