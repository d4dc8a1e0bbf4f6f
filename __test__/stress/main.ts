// Threads that read, replace, lock and die, for a minute: npm run test:stress
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { isSabotage, Run } from './run.js'

const USAGE = `Usage: npm run test:stress -- [options]

Readers verify snapshots, writers replace the map, holders of the lock count, and random threads are terminated every few
milliseconds. Exits with 0 when nothing was lost, torn, leaked or stuck.

  --seconds <number>   how long (60)
  --seed <integer>     what is done by chance (a random one, which is printed)
  --patience <number>  seconds that anything may stand still (30)
  --sabotage <what>    do what must be noticed: lock, update, pages, mappings, hang
  --help
`

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function parse(): Record<'seconds' | 'seed' | 'patience' | 'sabotage', string | undefined> & { help?: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string' },
        seed: { type: 'string' },
        patience: { type: 'string' },
        sabotage: { type: 'string' },
        help: { type: 'boolean' },
      },
    })
    return { seconds: undefined, seed: undefined, patience: undefined, sabotage: undefined, ...values }
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
  sabotage,
  onProgress: (done, { survived }) => bar?.update(Math.min(100, Math.round(100 * done)), survived),
})
const { survived, failures } = await run.run()
bar?.stop()

const width = Math.max(...Object.keys(survived).map((key) => key.length))
for (const [what, count] of Object.entries(survived)) {
  process.stdout.write(`${what.padEnd(width)} ${String(count).padStart(10)}\n`)
}
for (const failure of failures) process.stderr.write(`failed: ${failure}\n`)
process.stdout.write(failures.length === 0 ? 'nothing was lost\n' : `${failures.length} failures\n`)
process.exitCode = failures.length === 0 ? 0 : 1
