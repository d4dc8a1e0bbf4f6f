// Ratios between contenders against the floors of floors.json: npm run bench:check
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import CliTable from 'cli-table3'
import { CONTENDERS, type ContenderId, type Work } from './catalogue.js'
import { parseCommandLine } from './command-line.js'
import { digits } from './format.js'
import { measure, median, quantile, type Settings } from './measure.js'
import { makeProgress } from './progress.js'
import { compare, concerns, type Floor, type Held, type Outcome, pair, readFloors, worksOf } from './ratios.js'
import { buildRustProgram } from './rust-program.js'

const USAGE = `Usage: npm run bench:check -- [options]

Compares ratios, not times, with the floors of benches/floors.json. What falls through is measured again, longer and in new
processes, and counts with all that was measured. Exits with 1 when a ratio is still above its floor.

  --quick            few and short rounds
  --filter <regexp>  only works whose name matches
  --rounds <number>  how often everyone takes a turn (21; quick: 7)
  --help
`

/** How often what falls through is measured again, and how many times the rounds then. */
const RETRIES = 2
const LONGER = 2

const key = ({ floor, work }: Outcome): string => `${floor.name}/${floor.against}/${work.id}`
const passes = ({ floor, ratios }: Outcome): boolean => median(ratios) <= floor.atMost

async function outcomesOf(
  floors: readonly Floor[],
  wanted: (floor: Floor, work: Work) => boolean,
  settings: Settings,
): Promise<Outcome[]> {
  const takesPart = (floor: Floor, id: ContenderId, work: Work): boolean =>
    concerns(floor, id, work) &&
    (wanted(floor, work) || (work.id === floor.againstWork && worksOf(floor).some((each) => wanted(floor, each))))
  const progress = makeProgress()
  const results = await measure(
    {
      wants: (work) => floors.some((floor) => CONTENDERS.some(({ id }) => takesPart(floor, id, work))),
      takesPart: (id, work) => floors.some((floor) => takesPart(floor, id, work)),
    },
    settings,
    progress.onProgress,
  )
  progress.stop()
  return floors.flatMap((floor) => compare(floor, results)).filter(({ floor, work }) => wanted(floor, work))
}

function idleMap(): Held {
  const script = fileURLToPath(new URL('idle-map.ts', import.meta.url))
  return JSON.parse(
    execFileSync(process.execPath, ['--import=tsx', '--expose-gc', script], { encoding: 'utf8' }),
  ) as Held
}

const options = parseCommandLine({
  usage: USAGE,
  full: { rounds: 21, milliseconds: 4, warmUp: 200 },
  quick: { rounds: 7, milliseconds: 2, warmUp: 50 },
})
const floors = readFloors()
buildRustProgram()

const outcomes = new Map<string, Outcome>()
const first = await outcomesOf(floors.ratios, (_, { id }) => options.filter.test(id), options)
for (const outcome of first) outcomes.set(key(outcome), outcome)
for (let retry = 0; retry < RETRIES; retry++) {
  const fallen = new Set([...outcomes.values()].filter((each) => !passes(each)).map(key))
  if (fallen.size === 0) break
  process.stderr.write(`measuring ${fallen.size} again\n`)
  const settings = { ...options, rounds: options.rounds * LONGER }
  const isFallen = (floor: Floor, work: Work): boolean => fallen.has(key({ floor, work, ratios: [] }))
  for (const outcome of await outcomesOf(floors.ratios, isFallen, settings)) {
    const ratios = [...(outcomes.get(key(outcome))?.ratios ?? []), ...outcome.ratios]
    outcomes.set(key(outcome), { ...outcome, ratios })
  }
}

const table = new CliTable({
  head: ['', 'work', '', 'ratio', 'quartiles', 'at most', ''],
  colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'left'],
  style: { compact: true, head: [], border: [] },
})
let failures = 0
for (const outcome of outcomes.values()) {
  const { floor, work, ratios } = outcome
  if (!passes(outcome)) failures++
  const spread = `${digits(quantile(ratios, 0.25))}–${digits(quantile(ratios, 0.75))}`
  const verdict = passes(outcome) ? 'pass' : 'FAIL'
  table.push([floor.name, work.title, pair(outcome), digits(median(ratios)), spread, String(floor.atMost), verdict])
}
for (const [what, bytes] of Object.entries(idleMap())) {
  const atMost = floors.idleMap[what as keyof Held]
  if (bytes > atMost) failures++
  table.push(['map of 512 idle regions', what, '', String(bytes), '', String(atMost), bytes > atMost ? 'FAIL' : 'pass'])
}
process.stdout.write(`${table.toString()}\n`)
process.stdout.write(failures === 0 ? 'all ratios are within their floors\n' : `${failures} above their floors\n`)
process.exitCode = failures === 0 ? 0 : 1
