// Completes the generated declarations with what the generator cannot say of a class: type parameters, and that it cannot be
// made with `new`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** A class as the generator writes it, up to the line that closes it. */
const CLASS = /^export declare class (\w+) \{(?:\}$|\n([^]*?)^\}$)/gm

/** The type parameters that `crate/header.d.ts` gives an interface of this name: the two are merged, and have to agree. */
function parametersOf(name, declarations) {
  return declarations.match(new RegExp(`^export interface ${name}(<[^{]*>) (?:extends |\\{)`, 'm'))?.[1] ?? ''
}

/**
 * What an unconstructible class begins with. One that has nothing of its own gets a private field, without which anything that
 * has what its interfaces ask would be one: a bitmap for a slice of one.
 */
function beginning(members) {
  if (/^ {2}constructor\(/m.test(members)) return ''
  const nominal = members.trim() === '' ? '  #private\n' : ''
  return `${nominal}  private constructor()\n`
}

/**
 * @param {string} declarations what `napi build` has written
 */
export function complete(declarations) {
  return declarations.replace(CLASS, (_, name, members = '') => {
    const parameters = parametersOf(name, declarations)
    return `export declare class ${name}${parameters} {\n${beginning(members)}${members}}`
  })
}
