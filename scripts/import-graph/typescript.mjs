// Reads what the modules of a TypeScript folder import from each other, as TypeScript's own parser sees it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import path from 'node:path'
import ts from 'typescript'

import { sourcesOf } from './files.mjs'

/**
 * Reads the arrows between the files of a folder: by `import` (also of types alone), `export … from`, `import()` and
 * `require()` of a constant name.
 * @returns {Map<string, Set<string>>}
 */
export function typescriptGraph(folder) {
  const sources = sourcesOf(folder, '.ts')
  const graph = new Map()
  for (const [file, text] of sources) {
    const imported = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
    const targets = imported.filter((name) => name.startsWith('.')).map((name) => resolve(file, name, sources))
    graph.set(file, new Set(targets.filter((target) => target !== undefined && target !== file)))
  }
  return graph
}

/** Finds the file that a relative name stands for; none when it is outside of the folder. */
function resolve(from, name, sources) {
  const target = path.posix.join(path.posix.dirname(from), name).replace(/\.[cm]?[jt]s$/, '')
  return [target, path.posix.join(target, 'index')].find((file) => sources.has(file))
}
