import { readFileSync } from 'node:fs'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { VIRTQ_MAX_SIZE } from '../virtio/virtq.js'
import { integer } from './integer-option.js'
import { UsageError } from './usage-error.js'

export interface Settings {
  readonly elf: string
  /** The disk image to serve; absent, one is made for the run. */
  readonly disk?: string
  readonly inPlace: boolean
  readonly memory: number
  readonly requests: number
  readonly queueSize: number
  readonly hotPlugEvery: number
  readonly seed: number
}

/** A block request takes three descriptors (5.2.6): header, data, status. */
const SMALLEST_QUEUE = 4

function queueSize(text: string): number {
  const value = integer(SMALLEST_QUEUE, VIRTQ_MAX_SIZE)(text)
  if ((value & (value - 1)) !== 0) throw new InvalidArgumentError('It must be a power of two.')
  return value
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}

/** The settings, or null when `--help` or `--version` has been answered. Throws `UsageError`. */
export function parseCommandLine(argv: readonly string[]): Settings | null {
  const command = new Command('machine')
    .description('Builds the memory of a virtual machine, loads an ELF file and works a virtio-blk disk in it.')
    .usage('[options] [elf] [disk]')
    .addArgument(new Argument('[elf]', 'ELF64 file to load').default(process.execPath, 'the node that runs this'))
    .argument('[disk]', 'disk image to serve; a copy of it, unless --in-place (default: one made for the run)')
    .option('-m, --memory <MiB>', 'RAM of the machine', integer(1, 1 << 20), 4096)
    .option('-r, --requests <n>', 'virtio-blk requests to issue', integer(1, 100_000_000), 5000)
    .option('-q, --queue-size <n>', 'entries of the virtqueue, a power of two', queueSize, 256)
    .option('-p, --hot-plug-every <n>', 'requests between hot-plug events, 0 for none', integer(0, 1e9), 25)
    .option('-s, --seed <n>', 'seed of the workload; the same seed gives the same requests', integer(0, 2 ** 32 - 1), 1)
    .addOption(new Option('--in-place', 'let the requests write to the given disk image itself').default(false))
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', '\nExit code: 0 all checks passed, 1 something differed or failed, 2 wrong usage.')
    .configureOutput({ outputError: () => {} })
    .exitOverride()
  try {
    command.parse(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    // Suggestions come on a line of their own; one line is promised.
    throw new UsageError(error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' '))
  }
  const [elf, disk] = command.processedArgs as [string, string | undefined]
  const options = command.opts<Omit<Settings, 'elf' | 'disk'>>()
  if (options.inPlace && disk === undefined) throw new UsageError('--in-place needs a disk image')
  return { ...options, elf, disk }
}
