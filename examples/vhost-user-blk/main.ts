/**
 * A disk for virtual machines: a vhost-user-blk back-end whose guest memory is this package's. One thread talks with
 * the front-end (QEMU) and keeps the memory map; another serves the virtqueues from snapshots of it.
 *
 *     npm run vhost-user-blk -- [options] <image> <socket>
 */
import { closeSync } from 'node:fs'
import { inheritedConnections, Listener } from '../host/unix-socket.js'
import { UsageError } from '../machine/usage-error.js'
import { parseCommandLine, type Settings } from './command-line.js'
import { Counters } from './counters.js'
import { openDiskImage } from './disk-image.js'
import { LineLimit } from './line-limit.js'
import { Session } from './session.js'
import { StatusLine, summary } from './status-line.js'
import { onSignals } from './signals.js'

const warn = (line: string): void => console.error(`vhost-user-blk: warning: ${line}`)

async function run(settings: Settings): Promise<void> {
  if (process.platform !== 'linux') throw new UsageError('descriptors in messages and eventfds are for Linux only')
  const { image, socket } = settings
  const disk = openDiskImage(image, { ...settings, warn })
  const connections = typeof socket === 'string' ? new Listener(socket) : inheritedConnections(socket)
  let session: Session | null = null
  let status: StatusLine | null = null
  const stop = (): void => {
    connections.close()
    session?.stop()
  }
  onSignals(stop)
  process.stdout.on('error', stop)
  // A thread of the pool waits for the socket; the process could not end before that does.
  process.once('exit', stop)
  console.log(
    `serving ${disk.sectors} sectors of ${image} at ${typeof socket === 'string' ? socket : `descriptor ${socket}`}`,
  )

  const print = (line: string): void => (status === null ? console.log(line) : status.log(line))
  // Kept for all connections, so that those who connect again and again do not get round them.
  const [connectionLines, sessionLines] = [new LineLimit(print), new LineLimit(print)]
  for (let connection; (connection = await connections.accept()) !== null;) {
    const counters = new Counters()
    const current = new Session(connection, { ...settings, disk, counters, log: sessionLines.write })
    session = current
    status = new StatusLine(counters, () => current.mapChanges)
    connectionLines.write('connected')
    try {
      await session.run()
    } finally {
      sessionLines.flush()
      status.end()
      status = null
      session = null
    }
    connectionLines.write(`disconnected: ${summary(counters, current.mapChanges)}`)
    if (settings.once) connections.close()
  }
  connectionLines.flush()
  closeSync(disk.fd)
}

async function main(): Promise<number> {
  try {
    const settings = parseCommandLine(process.argv.slice(2))
    if (settings !== null) await run(settings)
    return 0
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`vhost-user-blk: ${error.message}`)
      return 2
    }
    console.error(error)
    return 1
  }
}

// Whoever reads the output may have seen enough (`| head`).
let outputStatus = 0
process.stdout.on('error', (error: NodeJS.ErrnoException) => (outputStatus = error.code === 'EPIPE' ? 128 + 13 : 1))

process.exitCode = (await main()) || outputStatus
