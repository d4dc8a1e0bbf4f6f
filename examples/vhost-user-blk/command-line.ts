import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { parse, withCommonOptions } from '../machine/command.js'
import { integer } from '../machine/integer-option.js'
import { UsageError } from '../machine/usage-error.js'
import { VIRTIO_BLK_ID_BYTES } from '../virtio/virtio-blk.js'

export interface Settings {
  readonly image: string
  /** The path to listen at, or the descriptor of a socket that exists. */
  readonly socket: string | number
  readonly queues: number
  readonly readOnly: boolean
  readonly shareWrites: boolean
  readonly serial: string
  readonly memSlots: boolean
  readonly once: boolean
}

/** The capabilities of this program, by the conventions of vhost-user back-end programs (QEMU's vhost-user.json). */
export const CAPABILITIES = { type: 'block', features: ['read-only', 'blk-file'] } as const

/** What a queue's index can be in a message. */
const MAX_QUEUES = 256
/** Descriptors are numbers of 31 bits. */
const MAX_FD = 2 ** 31 - 1

function serialNumber(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text) || text.length > VIRTIO_BLK_ID_BYTES) {
    throw new InvalidArgumentError(`It must be at most ${VIRTIO_BLK_ID_BYTES} characters of ASCII.`)
  }
  return text
}

function makeCommand(): Command {
  return withCommonOptions(new Command('vhost-user-blk'))
    .description('Serves a disk image to virtual machines: a vhost-user-blk back-end on a UNIX socket.')
    .addArgument(new Argument('[image]', 'raw disk image, or a block device (--blk-file)'))
    .addArgument(new Argument('[socket]', 'path of the socket to listen at (--socket-path)'))
    .option('--blk-file <path>', 'the image, as an option')
    .option('--socket-path <path>', 'the socket, as an option')
    .addOption(
      new Option('--fd <number>', 'descriptor of the socket, listening or connected')
        .argParser(integer(0, MAX_FD))
        .conflicts('socketPath'),
    )
    .option('-q, --queues <n>', 'queues to offer', integer(1, MAX_QUEUES), 8)
    .option('-r, --read-only', 'never write to the image', false)
    .option('--share-writes', 'let another program write to the image, too: for a guest that moves to it', false)
    .option('--serial <text>', 'what the disk calls itself', serialNumber, 'vm-memory-disk')
    .option('--no-mem-slots', 'do not offer CONFIGURE_MEM_SLOTS: each change of the memory is told as a whole table')
    .option('--once', 'end after the first connection', false)
    .option('--print-capabilities', 'print what this program can do as JSON, and nothing else')
    .addHelpText(
      'after',
      `
QEMU is to be started with memory that can be shared, for instance:
  qemu-system-x86_64 -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -M pc,memory-backend=mem \\
    -chardev socket,id=vub,path=<socket>,reconnect=1 -device vhost-user-blk-pci,chardev=vub …

Exit code: 0 ended by a signal or --once, 1 a failure, 2 wrong usage.`,
    )
}

/** Returns the settings, or null when `--help` and the like have been answered. Throws `UsageError`. */
export function parseCommandLine(argv: readonly string[]): Settings | null {
  // The conventions want all other arguments to be ignored then.
  if (argv.includes('--print-capabilities')) {
    console.log(JSON.stringify(CAPABILITIES, null, 2))
    return null
  }
  const command = makeCommand()
  if (!parse(command, argv)) return null
  const { blkFile, socketPath, fd, ...options } = command.opts<
    Omit<Settings, 'image' | 'socket'> & { blkFile?: string; socketPath?: string; fd?: number }
  >()
  // Arguments stand for what no option has said.
  const rest = [...command.args]
  const image = blkFile ?? rest.shift()
  const socket = socketPath ?? fd ?? rest.shift()
  if (image === undefined) throw new UsageError('missing the image')
  if (socket === undefined) throw new UsageError('missing the socket')
  if (rest.length > 0) throw new UsageError(`too many arguments: ${rest.join(' ')}`)
  return { ...options, image, socket }
}
