// Finds the source files of a folder.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'

/**
 * Reads all files of a folder with an extension.
 * @returns {Map<string, string>} texts by path below the folder, without the extension and with `/`, ascending
 */
export function sourcesOf(folder, extension) {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension))
    .map((file) => file.slice(0, -extension.length).split(path.sep).join('/'))
  return new Map(names.toSorted().map((name) => [name, readFileSync(path.join(folder, `${name}${extension}`), 'utf8')]))
}
