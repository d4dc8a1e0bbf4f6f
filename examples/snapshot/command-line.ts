import { Command, Option } from 'commander'
import { parse, withCommonOptions } from '../machine/command.js'
import { UsageError } from '../machine/usage-error.js'
import { parseRegion } from './layout.js'
import type { Layout } from './memory-file.js'

interface CopyOptions extends Layout {
  /** Replaces files that exist. */
  readonly force: boolean
  readonly json: boolean
}

/** What is to be done. */
export type Order =
  | { readonly name: 'save' | 'restore'; readonly from: string; readonly to: string; readonly options: CopyOptions }
  | {
      readonly name: 'diff'
      readonly a: string
      readonly b: string
      readonly options: Layout & { readonly json: boolean }
    }
  | {
      readonly name: 'inspect'
      readonly file: string
      readonly options: Layout & { readonly json: boolean; readonly find?: string }
    }

const REGION = '--region <base:size[@offset]>'
const region = (what: string): Option => new Option(REGION, what).argParser(parseRegion)

const DESCRIPTION = [
  "Saves, restores, compares and looks into files of guest memory: QEMU's memory-backend-file, Firecracker's snapshots.",
  'A snapshot is raw memory with holes for what is zero, and a table beside it (<snapshot>.json) that tells where the regions of the machine lie in it.',
  'A region is base:size, in bytes or with K, M, G or T (0x100000000:4G), and base:size@offset where it does not follow the one before in the file. Without any, all of a file is memory from address 0 on.',
].join('\n\n')

/** Returns what is to be done, or null when `--help` or `--version` has been answered. Throws `UsageError`. */
export function parseCommandLine(argv: readonly string[]): Order | null {
  if (argv.length === 0) throw new UsageError('missing a command: save, restore, diff or inspect')
  const orders: Order[] = []
  const give = (order: Order): void => void orders.push(order)
  const program = withCommonOptions(new Command('snapshot'))
    .description(DESCRIPTION)
    .addHelpText(
      'after',
      `
Exit code: 0 done, 1 a failure, 2 wrong usage, 128 + n ended by signal n.
Of diff: 0 the same, 1 they differ, 2 a failure or wrong usage.`,
    )
  const json = (command: Command): Command => command.option('--json', 'print what came of it as JSON', false)
  const force = (command: Command): Command => command.option('-f, --force', 'replace files that exist', false)

  json(force(program.command('save')))
    .description('Saves a file of guest memory: its data without its zeros, and a table.')
    .argument('<memory-file>', 'what a machine has its memory in; it should stand still')
    .argument('<snapshot>', 'the file to write')
    .addOption(region('a region in the memory file; once for each'))
    .option('--table <file>', 'the table to write (default: <snapshot>.json)')
    .action((from: string, to: string, options: CopyOptions) => give({ name: 'save', from, to, options }))
  json(force(program.command('restore')))
    .description('Writes a file of guest memory from a snapshot.')
    .argument('<snapshot>', 'the snapshot')
    .argument('<memory-file>', 'the file to write')
    .addOption(region('a region in the memory file; once for each (default: one after the other, by address)'))
    .option('--table <file>', 'the table of the snapshot (default: <snapshot>.json)')
    .action((from: string, to: string, options: CopyOptions) => give({ name: 'restore', from, to, options }))
  json(program.command('diff'))
    .description('Shows the pages that differ, by guest address. Holes that both files have are not looked at.')
    .argument('<a>', 'a snapshot, or a memory file')
    .argument('<b>', 'another one, of the same regions')
    .addOption(region('a region in both files; once for each').conflicts('table'))
    .option('--table <file>', 'the table of both files (default: <a>.json and <b>.json)')
    .action((a: string, b: string, options: Layout & { json: boolean }) => give({ name: 'diff', a, b, options }))
  json(program.command('inspect'))
    .description('Shows the regions of a file, and where in the address space there is data.')
    .argument('<file>', 'a snapshot, or a memory file')
    .addOption(region('a region in the file; once for each').conflicts('table'))
    .option('--table <file>', 'the table of the file (default: <file>.json)')
    .option('--find <text>', 'show where there is a text, such as "Linux version", and how it goes on')
    .action((file: string, options: Layout & { json: boolean; find?: string }) =>
      give({ name: 'inspect', file, options }),
    )

  if (!parse(program, argv)) return null
  const [order] = orders
  if (order === undefined) throw new UsageError('missing a command')
  if (order.name === 'inspect' && order.options.find === '') throw new UsageError('--find needs a text')
  return order
}
