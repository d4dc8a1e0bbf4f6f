/** Options that both commands take. */
import { parseArgs } from 'node:util'
import type { Settings } from './measure.js'

export interface Options extends Settings {
  readonly filter: RegExp
  readonly isQuick: boolean
}

export interface Defaults {
  readonly usage: string
  readonly full: Settings
  readonly quick: Settings
}

function refuse(why: string, usage: string): never {
  process.stderr.write(`${why}\n\n${usage}`)
  process.exit(2)
}

function parse(usage: string): { quick?: boolean; filter?: string; rounds?: string; help?: boolean } {
  try {
    return parseArgs({
      options: {
        quick: { type: 'boolean' },
        filter: { type: 'string' },
        rounds: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    return refuse((error as Error).message, usage)
  }
}

function pattern(text: string, usage: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    return refuse(`--filter: ${(error as Error).message}`, usage)
  }
}

export function parseCommandLine({ usage, full, quick }: Defaults): Options {
  const values = parse(usage)
  if (values.help) {
    process.stdout.write(usage)
    process.exit(0)
  }
  const settings = values.quick ? quick : full
  const rounds = values.rounds === undefined ? settings.rounds : Number(values.rounds)
  if (!Number.isSafeInteger(rounds) || rounds < 1) refuse('--rounds must be a positive integer', usage)
  return { ...settings, rounds, isQuick: values.quick ?? false, filter: pattern(values.filter ?? '', usage) }
}
