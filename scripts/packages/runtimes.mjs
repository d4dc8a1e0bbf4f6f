// The runtimes that the package is for.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import process from 'node:process'
import { nodeRelease } from './node-releases.mjs'
import { BUN, DENO, NODE_RELEASES, OLDEST_NODE } from './versions.mjs'

/**
 * @typedef {object} Runtime
 * @property {string} id for the command line
 * @property {string} title
 * @property {boolean} specs whether ava runs on it
 * @property {() => readonly string[]} command what runs a script on it, with the collector exposed
 */

/** @returns {Runtime} */
const node = (range, specs) => ({
  id: `node${range}`,
  title: `Node.js ${range}`,
  specs,
  command: () => [nodeRelease(process.platform, process.arch, range).program, '--expose-gc'],
})

/** @returns {Runtime} */
const other = (title, version, args) => ({
  id: title.toLowerCase(),
  title,
  specs: false,
  command: () => ['npm', 'exec', '--yes', `--package=${title.toLowerCase()}@${version}`, '--', ...args],
})

/** @type {readonly Runtime[]} */
export const runtimes = [
  node(OLDEST_NODE, false),
  ...NODE_RELEASES.map((range) => node(range, true)),
  other('Bun', BUN, ['bun']),
  other('Deno', DENO, ['deno', 'run', '--allow-all', '--v8-flags=--expose-gc']),
]
