// Threads that read, replace, lock, lose memory and die, for a minute each: npm run test:stress
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { runProgram } from './program.js'
import { isSabotage, type Report, Run, type Sabotage } from './run.js'

const USAGE = `Usage: npm run test:stress -- [options]

Random threads are terminated all the time while others do this, one part after the other:

  threads   readers verify snapshots, writers replace the map, holders of the lock count
  after     regions are replaced under readers, and released after a grace period
  during    regions are replaced under readers, and released at once
  storm     files are truncated, made longer and healed under readers and writers of memory that recovers

Exits with 0 when nothing was lost, torn, leaked or stuck.

  --only <part>        that one
  --seconds <number>   how long each takes (60)
  --seed <integer>     what is done by chance (a random one, which is printed)
  --patience <number>  seconds that anything may stand still (30)
  --sabotage <what>    do what the part threads must notice: lock, update, pages, mappings, hang
  --help
`

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function parse(): Record<'only' | 'seconds' | 'seed' | 'patience' | 'sabotage', string | undefined> & {
  help?: boolean
} {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        patience: { type: 'string' },
        sabotage: { type: 'string' },
        help: { type: 'boolean' },
      },
    })
    return { only: undefined, seconds: undefined, seed: undefined, patience: undefined, sabotage: undefined, ...values }
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function number(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  return Number.isFinite(value) && value >= 0 ? value : refuse(`--${name} must be a number`)
}

const values = parse()
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const seconds = number('seconds', values.seconds, 60)
const seed = Math.trunc(number('seed', values.seed, Math.random() * 2 ** 31))
const patience = number('patience', values.patience, 30) * 1000
const sabotage = values.sabotage
if (sabotage !== undefined && !isSabotage(sabotage)) refuse('--sabotage must be lock, update, pages, mappings or hang')

process.stdout.write(`node ${process.version}, ${seconds} s, --seed ${seed}\n`)

function runThreads(): Promise<Report> {
  const bar = process.stdout.isTTY
    ? new SingleBar({
        format: '{bar} {percentage}% | {terminations} terminations, {replaces} replaces, {snapshots} snapshots',
      })
    : null
  bar?.start(100, 0, { terminations: 0, replaces: 0, snapshots: 0 })
  const run = new Run({
    seconds,
    seed,
    patience,
    sabotage: sabotage as Sabotage | undefined,
    onProgress: (done, { survived }) => bar?.update(Math.min(100, Math.round(100 * done)), survived),
  })
  return run.run().finally(() => bar?.stop())
}

const PARTS: Record<string, () => Promise<Report>> = {
  threads: runThreads,
  after: () => runProgram('releases.mjs', [String(seconds), 'after']),
  during: () => runProgram('releases.mjs', [String(seconds), 'during']),
  // Memory recovers there alone.
  ...(process.platform === 'linux' && {
    storm: () => runProgram('storm.mjs', [String(seconds), '--seed', String(seed)]),
  }),
}

const parts = values.only === undefined ? Object.keys(PARTS) : [values.only]
let failed = 0
for (const part of parts) {
  const run = PARTS[part] ?? refuse(`--only must be one of ${Object.keys(PARTS).join(', ')}`)
  const { survived, failures } = await run()
  process.stdout.write(`\n${part}\n`)
  const width = Math.max(...Object.keys(survived).map((key) => key.length))
  for (const [what, count] of Object.entries(survived)) {
    process.stdout.write(`${what.padEnd(width)} ${String(count).padStart(10)}\n`)
  }
  for (const failure of failures) process.stderr.write(`failed: ${failure}\n`)
  failed += failures.length
}
process.stdout.write(failed === 0 ? 'nothing was lost\n' : `${failed} failures\n`)
process.exitCode = failed === 0 ? 0 : 1
