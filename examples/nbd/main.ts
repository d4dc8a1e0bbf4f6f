/**
 * Guest memory as a network block device, with its regions mapped anew under whoever reads and writes.
 *
 *     npm run nbd -- /tmp/nbd.sock
 *     qemu-io -f raw nbd:unix:/tmp/nbd.sock -c 'write -P 0x5a 1M 64k' -c 'read -P 0x5a 1M 64k'
 */
import { Argument, Command } from 'commander'
import { makeRoomAt } from '../host/unix-socket.js'
import { integer } from '../machine/integer-option.js'
import { UsageError } from '../machine/usage-error.js'
import { LineLimit } from '../vhost-user-blk/line-limit.js'
import { ExportedMemory } from './exported-memory.js'
import { createNbdServer } from './server.js'

/**
 * Milliseconds. A region that is mapped anew and then read costs some 5 ms of garbage collections, since V8 is told of all
 * of its bytes: with a swap every 5 ms, there was not much time left to serve anybody.
 */
const SWAP_EVERY = 20
/** Seconds that a timer can count. */
const HANDSHAKE_LIMIT_MAX = 2 ** 20

/** Where clients find a socket. */
const uriOf = (path: string): string => `nbd+unix:///?socket=${encodeURIComponent(path).replaceAll('%2F', '/')}`

/** `listen` takes what can be read as a number for a TCP port, on all interfaces. */
const notPort = (path: string): string => (path !== '' && Number(path) >= 0 ? `./${path}` : path)

function serve(path: string, { handshakeLimit }: { handshakeLimit: number }): void {
  try {
    makeRoomAt(notPort(path))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`nbd: ${error.message}`)
    process.exit(2)
  }
  const exported = new ExportedMemory()
  const log = new LineLimit((line) => console.error(`nbd: ${line}`))
  const server = createNbdServer(exported, { handshakeLimit, log: (line) => log.write(line) })
  server.on('error', ({ message }) => {
    // Of one who connects, where there are no descriptors left.
    if (server.listening) return log.write(message)
    console.error(`nbd: ${message}`)
    process.exit(1)
  })
  server.listen(notPort(path), () => console.log(`serving ${exported.description} at ${uriOf(path)}`))
  setInterval(() => exported.swapRegion(), SWAP_EVERY)
  const end = (): void => {
    log.flush()
    console.log(`regions were mapped anew ${exported.swaps} times`)
    server.close() // and removes the socket
    process.exit()
  }
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.once(signal, end)
}

new Command('nbd')
  .description('Serves guest memory as a network block device (NBD) on a UNIX socket.')
  .addArgument(new Argument('<socket>', 'path of the socket to listen at'))
  .option(
    '--handshake-limit <seconds>',
    'hang up on clients that negotiate for longer; 0: never',
    integer(0, HANDSHAKE_LIMIT_MAX),
    10,
  )
  .helpOption('-h, --help', 'show this help')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .action(serve)
  .parse()
