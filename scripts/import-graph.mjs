// Prints what imports what in crate/src and lib/, and holds it to limits: `node scripts/import-graph.mjs --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { circlesOf } from './import-graph/circles.mjs'
import { layersOf } from './import-graph/layers.mjs'
import { rustGraph } from './import-graph/rust.mjs'
import { typescriptGraph } from './import-graph/typescript.mjs'

const HELP = `Usage: node scripts/import-graph.mjs [options]

Prints, for crate/src and lib/, how many arrows there are (a file that names another one), which of them run up from a lower
layer to a higher one, and the circles (files that can all be reached from each other). scripts/import-graph.json names the
layers, bottom first, and the limits.

      --arrows   prints each arrow, too
      --check    prints nothing that is within its limits, and exits with 1 when there is anything else
      --root     the folder with crate/src, lib/ and scripts/import-graph.json: this project without it
  -h, --help     this text`

/** Reads the graph of a folder by its language. */
const READERS = { 'crate/src': rustGraph, lib: typescriptGraph }

/**
 * @typedef {object} Rules
 * @property {readonly import('./import-graph/layers.mjs').Layer[]} layers
 * @property {{ up: number, circles: readonly number[] }} limits arrows that run up, and the sizes of circles, descending
 */

/** @param {string} root @param {string} folder @param {Rules} rules */
function examine(root, folder, { layers, limits }) {
  const graph = READERS[folder](path.join(root, folder))
  const layer = layersOf(graph.keys(), layers)
  const arrows = [...graph].flatMap(([from, targets]) => [...targets].toSorted().map((to) => ({ from, to })))
  const up = arrows.filter(({ from, to }) => layer.get(to) > layer.get(from))
  const circles = circlesOf(graph)
  const describe = ({ from, to }) => `${from} (${layers[layer.get(from)].name}) → ${to} (${layers[layer.get(to)].name})`
  return {
    summary: `${folder}: ${graph.size} files, ${arrows.length} arrows, ${up.length} up, ${circles.length} circles`,
    arrows: arrows.map(describe),
    up: up.map(describe),
    circles: circles.map((circle) => `${circle.length}: ${circle.join(', ')}`),
    exceeded: [...tooMany(up.length, limits.up), ...tooLarge(circles, limits.circles)],
  }
}

const tooMany = (up, limit) => (up > limit ? [`${up} arrows run up, ${limit} may`] : [])

/** Compares the largest circle with the first limit, and so on. Where there is no limit, there may be no circle. */
function tooLarge(circles, limits) {
  const sizes = circles.map(({ length }) => length)
  if (sizes.every((size, index) => size <= (limits[index] ?? 1))) return []
  return [`there are circles of ${sizes.join(', ')}, not ${limits.join(', ') || 'none'}`]
}

function print(title, lines) {
  if (lines.length > 0) console.log([`  ${title}`, ...lines.map((line) => `    ${line}`)].join('\n'))
}

function main() {
  const { values } = parseArgs({
    options: {
      arrows: { type: 'boolean' },
      check: { type: 'boolean' },
      root: { type: 'string', default: path.join(import.meta.dirname, '..') },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(HELP)
  const rules = JSON.parse(readFileSync(path.join(values.root, 'scripts', 'import-graph.json'), 'utf8'))
  for (const folder of Object.keys(READERS)) {
    const found = examine(values.root, folder, rules[folder])
    if (values.check && found.exceeded.length === 0) continue
    console.log(found.summary)
    if (values.arrows) print('arrows', found.arrows)
    print('up', found.up)
    print('circles', found.circles)
    print('beyond the limits', found.exceeded)
    if (values.check) process.exitCode = 1
  }
}

try {
  main()
} catch (error) {
  console.error(`import-graph: ${error.message}`)
  process.exitCode = 1
}
