// Reads which modules of a Rust crate name each other.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync } from 'node:fs'
import path from 'node:path'

import { sourcesOf } from './files.mjs'
import { wordsOf } from './rust-words.mjs'

const isName = (word) => word !== undefined && /^[$\p{L}_]/u.test(word)

/**
 * Reads the arrows between the files of a crate: by `use`, and by paths wherever they stand, also in macros, where they count
 * for the file that they are written in. That a file declares modules below it (`mod`), or is visible to others (`pub(in …)`),
 * is no arrow. A folder with a manifest is a small crate of its own, which the others know by the folder's name.
 * @returns {Map<string, Set<string>>}
 */
export function rustGraph(folder) {
  const sources = sourcesOf(folder, '.rs')
  /** Files by the path of their module. */
  const modules = new Map([...sources.keys()].map((file) => [moduleOf(file).join('::'), file]))
  const isCrate = (name) => modules.has(name) && existsSync(path.join(folder, name, 'Cargo.toml'))
  const graph = new Map()
  for (const [file, text] of sources) {
    const paths = pathsIn(wordsOf(text), moduleOf(file), (path) => modules.has(path.join('::')), isCrate)
    const targets = new Set(paths.map((path) => fileOf(path, modules)))
    targets.delete(file)
    graph.set(file, targets)
  }
  return graph
}

const moduleOf = (file) => (file === 'lib' ? [] : file.replace(/\/(?:mod|lib)$/, '').split('/'))

/** Finds the file that a path leads to: that of its longest beginning that is a module. */
function fileOf(path, modules) {
  for (let length = path.length; length > 0; length -= 1) {
    const file = modules.get(path.slice(0, length).join('::'))
    if (file !== undefined) return file
  }
  return 'lib'
}

/**
 * Reads the paths that lead into the crate, from its root.
 * @param {readonly string[]} words
 * @param {readonly string[]} module the one that they stand in
 * @param {(path: readonly string[]) => boolean} isModule
 * @param {(name: string) => boolean} isCrate
 * @returns {string[][]}
 */
function pathsIn(words, module, isModule, isCrate) {
  const paths = []
  /** For each open brace, the module that it begins, if it begins one. */
  const braces = []
  let at = 0

  const take = (path) => {
    const here = [...module, ...braces.filter((name) => name !== undefined)]
    const absolute = path.length > 1 && isCrate(path[0]) ? path : fromRoot(path, here, isCrate)
    if (absolute !== undefined) paths.push(absolute)
    // Without a word before it, a path can lead to what is below.
    else if (path.length > 1 && isModule([...here, path[0]])) paths.push([...here, ...path])
  }
  /** Reads a path, or a tree of paths that begin alike, and stops behind it. */
  const read = (beginning) => {
    const path = [...beginning, words[at]]
    at += 1
    if (words[at] !== '::' || !(isName(words[at + 1]) || words[at + 1] === '{')) return take(path)
    at += 1
    if (words[at] !== '{') return read(path)
    for (at += 1; words[at] !== '}';) {
      if (words[at] === 'as') at += 2
      else if (isName(words[at])) read(path)
      else {
        // Everything of it.
        if (words[at] === '*') take(path)
        at += 1
      }
    }
    at += 1
  }

  while (at < words.length) {
    const word = words[at]
    if (word === 'pub' && words[at + 1] === '(') at = words.indexOf(')', at)
    else if (word === 'mod' && words[at + 2] === '{') {
      braces.push(words[at + 1])
      at += 3
    } else if (isName(word) && words[at - 1] !== '::') read([])
    else {
      if (word === '{') braces.push(undefined)
      if (word === '}') braces.pop()
      at += 1
    }
  }
  return paths
}

/** Resolves a path that begins with `crate`, `self` or `super`. */
function fromRoot(path, here, isCrate) {
  const [first, ...rest] = path
  if (first === 'crate' || first === '$crate') return isCrate(here[0]) ? [here[0], ...rest] : rest
  if (first !== 'self' && first !== 'super') return undefined
  const levels = path.filter((word) => word === 'super').length
  return [...here.slice(0, here.length - levels), ...path.filter((word) => word !== 'self' && word !== 'super')]
}
