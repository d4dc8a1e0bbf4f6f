// This package beside Rust, hand-written code and foreign-function packages, in one run: npm run bench
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import CliTable from 'cli-table3'
import { CONTENDERS, GROUPS } from './catalogue.js'
import { parseCommandLine } from './command-line.js'
import { duration } from './format.js'
import { measure, median, type Results } from './measure.js'
import { plotResults, plotScaling } from './plots.js'
import { makeProgress } from './progress.js'
import { compare, readFloors } from './ratios.js'
import { makeReport } from './report.js'
import { buildRustProgram } from './rust-program.js'

const USAGE = `Usage: npm run bench -- [options]

Measures the same works in everyone's way and prints a table. A full run takes a quarter of an hour and writes
results.md, results.svg and scaling.svg into benches/; with --quick, --filter or --rounds they go to benches/target/
instead, and are not worth publishing.

  --quick            few and short rounds
  --filter <regexp>  only works whose name matches, such as ^scalar/read, or copy/.*/4096
  --rounds <number>  how often everyone takes a turn (31; quick: 5)
  --help
`

function printTables(results: Results): void {
  for (const group of GROUPS) {
    const works = group.works.filter(({ id }) => results.get(id)?.size)
    if (works.length === 0) continue
    const columns = CONTENDERS.filter(({ id }) => works.some((work) => results.get(work.id)?.has(id)))
    const table = new CliTable({
      head: [group.title, ...columns.map(({ title }) => title.replaceAll(' ', '\n'))],
      colAligns: ['left', ...columns.map(() => 'right' as const)],
      style: { compact: true, head: [], border: [] },
    })
    for (const work of works) {
      const samples = results.get(work.id)
      table.push([
        work.title,
        ...columns.map(({ id }) => {
          const own = samples?.get(id)
          return own ? duration(median(own)) : ''
        }),
      ])
    }
    process.stdout.write(`${table.toString()}\n\n`)
  }
}

const options = parseCommandLine({
  usage: USAGE,
  full: { rounds: 31, milliseconds: 10, warmUp: 200 },
  quick: { rounds: 5, milliseconds: 2, warmUp: 50 },
})
const isFull = !options.isQuick && options.filter.source === '(?:)' && options.rounds >= 31

buildRustProgram()
const progress = makeProgress()
const results = await measure(
  { wants: ({ id }) => options.filter.test(id), takesPart: () => true },
  options,
  progress.onProgress,
)
progress.stop()
if (results.size === 0) {
  process.stderr.write('no work has such a name\n')
  process.exit(2)
}

printTables(results)
const outcomes = readFloors().ratios.flatMap((floor) => compare(floor, results))
const folder = fileURLToPath(new URL(isFull ? '.' : 'target', import.meta.url))
mkdirSync(folder, { recursive: true })
const files = {
  'results.md': makeReport(results, options, outcomes),
  'results.svg': plotResults(results),
  'scaling.svg': plotScaling(results),
}
for (const [name, content] of Object.entries(files)) {
  if (content === null) continue
  writeFileSync(join(folder, name), content)
  process.stdout.write(`${relative('', join(folder, name))}\n`)
}
