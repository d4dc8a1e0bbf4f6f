import { Command, InvalidArgumentError, Option } from 'commander'
import { parse, withCommonOptions } from '../machine/command.js'
import { integer } from '../machine/integer-option.js'
import { UsageError } from '../machine/usage-error.js'
import { PRIMES } from './primes.js'

export interface Settings {
  /** The disk image to serve; absent, one is made for the run. */
  readonly disk?: string
  readonly inPlace: boolean
  /** MiB */
  readonly sieve: number
  readonly rounds: number
  /** MiB */
  readonly dimm: number
  /** Milliseconds */
  readonly stopEvery: number
}

function sieveSize(text: string): number {
  const value = integer(1, 512)(text)
  if (!PRIMES.has(value)) throw new InvalidArgumentError(`It must be one of ${[...PRIMES.keys()].join(', ')}.`)
  return value
}

/** The settings, or null when `--help` or `--version` has been answered. Throws `UsageError`. */
export function parseCommandLine(argv: readonly string[]): Settings | null {
  const command = withCommonOptions(new Command('kvm'))
    .description('Runs a virtual machine on /dev/kvm whose memory is this package.')
    .argument('[disk]', 'disk image for the machine; a copy of it, unless --in-place (default: one made for the run)')
    .option('-s, --sieve <MiB>', 'memory that processor 1 sieves for primes', sieveSize, 64)
    .option('-r, --rounds <n>', 'how often processor 0 reads, sorts and writes the disk', integer(1, 1000), 2)
    .option('-d, --dimm <MiB>', 'memory that is plugged in and out', integer(2, 1024), 32)
    .option('-e, --stop-every <ms>', 'time between stops, at which written pages are counted', integer(1, 1e6), 2000)
    .addOption(new Option('--in-place', 'let the machine write to the given disk image itself').default(false))
    .addHelpText(
      'after',
      '\nExit code: 0 all checks passed or there is no KVM, 1 something differed or failed, 2 wrong usage.',
    )
  if (!parse(command, argv)) return null
  const [disk] = command.processedArgs as [string | undefined]
  const options = command.opts<Omit<Settings, 'disk'>>()
  if (options.inPlace && disk === undefined) throw new UsageError('--in-place needs a disk image')
  return { ...options, disk }
}
