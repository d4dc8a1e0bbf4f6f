// Says which layer a file is in.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/**
 * A layer has files (`index`), folders (`fast/`), or everything that no other layer names (`*`).
 * @typedef {{ name: string, files: readonly string[] }} Layer
 */

/**
 * Finds the layers of files, as numbers from the bottom. A file is in the layer that names it, or the nearest folder of it.
 * @param {Iterable<string>} files
 * @param {readonly Layer[]} layers bottom first
 * @returns {Map<string, number>}
 */
export function layersOf(files, layers) {
  return new Map([...files].map((file) => [file, layerOf(file, layers)]))
}

function layerOf(file, layers) {
  const folders = file.split('/').slice(0, -1)
  const nearestFirst = folders.map((_, index) => `${folders.slice(0, folders.length - index).join('/')}/`)
  for (const name of [file, ...nearestFirst, '*']) {
    const layer = layers.findIndex(({ files }) => files.includes(name))
    if (layer !== -1) return layer
  }
  throw new Error(`${file} is in no layer`)
}
