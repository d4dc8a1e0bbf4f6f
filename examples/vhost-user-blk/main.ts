/**
 * A disk for virtual machines: a vhost-user-blk back-end whose guest memory is this package's. One thread talks with the
 * front-end (QEMU) and keeps the memory map; another serves the virtqueues from snapshots of it.
 *
 *     npm run vhost-user-blk -- [options] <image> <socket>
 */
import { closeSync } from 'node:fs'
import { openInputFile } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import { SECTOR_SIZE } from '../virtio/virtio-blk.js'
import { parseCommandLine, type Settings } from './command-line.js'
import { Counters } from './counters.js'
import type { Disk } from './disk.js'
import { Session } from './session.js'
import { StatusLine, summary } from './status-line.js'
import { Listener, type Connection } from './unix-socket.js'

/** VIRTIO_BLK_T_GET_ID: 20 bytes at most. */
const DISK_ID = 'vm-memory-disk'

function openDisk({ image, readOnly }: Settings): Disk {
  const file = openInputFile(image, readOnly ? 'r' : 'r+')
  const sectors = Math.floor(file.size / SECTOR_SIZE)
  if (sectors === 0) throw new UsageError(`${image}: is smaller than one sector (${SECTOR_SIZE} bytes)`)
  return { fd: file.fd, sectors, id: DISK_ID, readOnly }
}

async function run(settings: Settings): Promise<void> {
  if (process.platform !== 'linux') throw new UsageError('descriptors in messages and eventfds are for Linux only')
  const disk = openDisk(settings)
  const listener = new Listener(settings.socket)
  let connection: Connection | null = null
  const end = (): void => {
    listener.close()
    connection?.close()
  }
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  // A thread of the pool waits for the socket; the process could not end before that does.
  process.once('exit', end)
  console.log(`serving ${disk.sectors} sectors of ${settings.image} at ${settings.socket}`)

  while ((connection = await listener.accept()) !== null) {
    const counters = new Counters()
    const status = new StatusLine(counters, () => session.mapChanges)
    const log = (line: string): void => status.log(line)
    const session = new Session(connection, { ...settings, disk, counters, log })
    log('connected')
    try {
      await session.run()
    } finally {
      status.end()
    }
    log(`disconnected: ${summary(counters, session.mapChanges)}`)
    if (settings.once) listener.close()
  }
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
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 128 + 13 : 1))

process.exitCode = await main()
