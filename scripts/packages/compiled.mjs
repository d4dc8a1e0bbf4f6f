// What the build makes of lib/.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readdirSync } from 'node:fs'
import path from 'node:path'
import { root } from '../targets.mjs'

/** Folders of dist/: the fast methods, and their copies for classes that have them for themselves. */
export const METHODS = 'fast/methods'
export const COPIES = ['fast/of-maps', 'fast/of-regions', 'fast/of-mappings', 'fast/of-slices']

/** Lists all files of dist/, by what is in lib/. */
export function compiledFiles() {
  const files = readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.split(path.sep).join('/').replace(/\.ts$/, '.js'))
  const copies = COPIES.flatMap((copy) => {
    return files.filter((file) => file.startsWith(`${METHODS}/`)).map((file) => file.replace(METHODS, copy))
  })
  return [...files, ...copies].map((file) => `dist/${file}`)
}
