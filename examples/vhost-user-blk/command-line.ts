import { readFileSync } from 'node:fs'
import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander'
import { UsageError } from '../machine/usage-error.js'

export interface Settings {
  readonly image: string
  readonly socket: string
  readonly queues: number
  readonly readOnly: boolean
  readonly memSlots: boolean
  readonly once: boolean
}

/** What a queue's index can be in a message. */
const MAX_QUEUES = 256

function queueCount(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > MAX_QUEUES) {
    throw new InvalidArgumentError(`It must be an integer from 1 to ${MAX_QUEUES}.`)
  }
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
  const command = new Command('vhost-user-blk')
    .description('Serves a disk image to a virtual machine: a vhost-user-blk back-end on a UNIX socket.')
    .addArgument(new Argument('<image>', 'raw disk image'))
    .addArgument(new Argument('<socket>', 'path of the socket to listen at'))
    .option('-q, --queues <n>', 'queues to offer', queueCount, 8)
    .option('-r, --read-only', 'never write to the image', false)
    .option('--no-mem-slots', 'do not offer CONFIGURE_MEM_SLOTS: each change of the memory is told as a whole table')
    .option('--once', 'end after the first connection', false)
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .addHelpText(
      'after',
      `
QEMU is to be started with memory that can be shared, for instance:
  qemu-system-x86_64 -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -M pc,memory-backend=mem \\
    -chardev socket,id=vub,path=<socket> -device vhost-user-blk-pci,chardev=vub …

Exit code: 0 ended by SIGINT, SIGTERM or --once, 1 a failure, 2 wrong usage.`,
    )
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
  const [image, socket] = command.processedArgs as [string, string]
  return { ...command.opts<Omit<Settings, 'image' | 'socket'>>(), image, socket }
}
