import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { VIRTQ_MAX_SIZE } from '../virtio/virtq.js'
import { parse, withCommonOptions } from './command.js'
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

/** The settings, or null when `--help` or `--version` has been answered. Throws `UsageError`. */
export function parseCommandLine(argv: readonly string[]): Settings | null {
  const command = withCommonOptions(new Command('machine'))
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
    .addHelpText('after', '\nExit code: 0 all checks passed, 1 something differed or failed, 2 wrong usage.')
  if (!parse(command, argv)) return null
  const [elf, disk] = command.processedArgs as [string, string | undefined]
  const options = command.opts<Omit<Settings, 'elf' | 'disk'>>()
  if (options.inPlace && disk === undefined) throw new UsageError('--in-place needs a disk image')
  return { ...options, elf, disk }
}
