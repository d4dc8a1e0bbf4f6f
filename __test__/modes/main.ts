// Random programs with and without the fast paths: npm run test:modes
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { isSame, Pair } from './comparison.js'
import { generate } from './generator/index.js'
import { knownFaults } from './known.js'
import { printed, programOf, stepsIn } from './program.js'
import { type Finding, Search } from './search.js'

const USAGE = `Usage: npm run test:modes -- [options]

Runs random programs in two processes, one with the fast paths of lib/fast/ and one without (VM_MEMORY_FAST_PATHS=0), and
compares what each step of them gives: values and errors, the bytes of all memory and the dirty pages. Each program runs
twice, the second time with objects that were used so often before that they have their fast paths. Exits with 1 when
there is a difference, and prints the least program that shows it.

  --seed <integer>         what is done by chance (a random one, which is printed)
  --time <seconds>         how long (60), without the time that shrinking takes
  --programs <number>      how many programs at most
  --first <number>         the program to begin with (0)
  --differences <number>   how many of them to look for before the end (10)
  --without-known          leave out what sets off faults that are known: see known.ts
  --replay <file>          run the steps in a file instead, and print both answers to each of them
  --print                  print the program --first instead of running it
  --sabotage <what>        do what must be noticed: memory, dirt, error, lasting, death, hang
  --help
`

const SABOTAGES = ['memory', 'dirt', 'error', 'lasting', 'death', 'hang']

/** Milliseconds between reports where there is no bar. */
const REPORT_EVERY = 30_000
/** Milliseconds for shrinking a program. */
const SHRINKING = 60_000

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${USAGE}`)
  process.exit(2)
}

function parse() {
  try {
    const text = { type: 'string' } as const
    const flag = { type: 'boolean' } as const
    const numbers = { seed: text, time: text, programs: text, first: text, differences: text }
    return parseArgs({
      options: { ...numbers, replay: text, sabotage: text, print: flag, 'without-known': flag, help: flag },
    }).values
  } catch (error) {
    return refuse((error as Error).message)
  }
}

const values = parse()

function number(name: 'seed' | 'time' | 'programs' | 'first' | 'differences', otherwise: number): number {
  const value = values[name] === undefined ? otherwise : Number(values[name])
  return value >= 0 ? value : refuse(`--${name} must be a number`)
}

async function replay(path: string): Promise<number> {
  const steps = stepsIn(readFileSync(path, 'utf8'))
  const pair = new Pair({ sabotage: values.sabotage })
  const { fast, native } = await pair.transcripts(programOf(steps))
  await pair.end()
  const answer = (transcript: typeof fast, step: number) =>
    'ended' in transcript ? transcript.ended : transcript[step]
  let differences = 0
  for (const [step, code] of steps.entries()) {
    const [one, other] = [answer(fast, step) ?? '', answer(native, step) ?? '']
    const same = isSame(one, other)
    if (!same) differences += 1
    process.stdout.write(`${code}\n${same ? `      = ${one}` : `   fast: ${one}\n native: ${other}`}\n`)
  }
  return differences === 0 ? 0 : 1
}

function describe({ seed, program, isHot, step, programs, difference, met }: Finding): string {
  const { fast, native } = difference ?? met
  const where = step === null ? 'no answers' : `step ${step}`
  return [
    `Difference: --seed ${seed}, --first ${program} (${isHot ? 'hot' : 'cold'}), ${where}`,
    ...(difference === null ? ['Not met again in new processes: it hangs on time, or on what ran before.'] : []),
    ...programs.flatMap((steps, index) => [
      ...(programs.length > 1 ? [`// program ${index + 1} of ${programs.length} in one process`] : []),
      printed(steps).trimEnd(),
    ]),
    `   fast: ${fast}`,
    ` native: ${native}`,
    '',
  ].join('\n')
}

async function searchAll(): Promise<number> {
  const seed = Math.trunc(number('seed', Math.random() * 2 ** 31))
  const seconds = number('time', 60)
  const first = number('first', 0)
  const programs = number('programs', Number.MAX_SAFE_INTEGER)
  process.stdout.write(`node ${process.version}, --seed ${seed}\n`)
  const bar = process.stdout.isTTY
    ? new SingleBar({ format: '{bar} {percentage}% | {programs} programs, {steps} steps, {found} differences' })
    : null
  bar?.start(100, 0, { programs: 0, steps: 0, found: 0 })
  const known = values['without-known'] ? await knownFaults() : []
  for (const { what } of known) process.stdout.write(`known: ${what}\n`)
  let nextReport = REPORT_EVERY
  const search = new Search({
    seed,
    first,
    programs,
    time: seconds * 1000,
    differences: number('differences', 10),
    shrinking: SHRINKING,
    known,
    sabotage: values.sabotage,
    onProgress(progress) {
      const done = Math.max(progress.milliseconds / (seconds * 1000), progress.programs / 2 / programs)
      bar?.update(Math.min(100, Math.round(100 * done)), { ...progress, found: search.findings.length })
      if (bar !== null || progress.milliseconds < nextReport) return
      nextReport += REPORT_EVERY
      process.stdout.write(`${Math.round(100 * done)}% | ${progress.programs} programs, ${progress.steps} steps\n`)
    },
    onFinding(finding) {
      process.stdout.write(`\n${describe(finding)}\n`)
    },
  })
  await search.run()
  bar?.stop()
  const { programs: run, steps, repeated } = search.progress
  process.stdout.write(`${run} programs, ${steps} steps\n`)
  if (search.findings.length === 0) return 0
  process.stdout.write(`${search.findings.length} differences, and ${repeated} more of the same kinds\n`)
  return 1
}

if (values.help) {
  process.stdout.write(USAGE)
} else if (values.print) {
  for (const isHot of [false, true]) {
    const text = printed(generate(number('seed', 0), number('first', 0), isHot))
    process.stdout.write(`// ${isHot ? 'hot' : 'cold'}\n${text}\n`)
  }
} else if (values.sabotage !== undefined && !SABOTAGES.includes(values.sabotage)) {
  refuse(`--sabotage must be ${SABOTAGES.join(', ')}`)
} else {
  process.exitCode = values.replay === undefined ? await searchAll() : await replay(values.replay)
}
