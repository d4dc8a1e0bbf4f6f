import { closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import { endOf } from '../host/file-calls.js'
import { errorCode, reasonOf } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import { SECTOR_SIZE } from '../virtio/virtio-blk.js'
import type { Disk } from './disk.js'
import { lockImage } from './image-locks.js'

/** The first bytes of images that are not raw. */
const FORMATS: readonly (readonly [name: string, magic: string])[] = [
  ['qcow2', 'QFI\xfb'],
  ['VMDK', 'KDMV'],
  ['VHDX', 'vhdxfile'],
]

interface ImageOptions {
  readonly readOnly: boolean
  readonly shareWrites: boolean
  readonly serial: string
  /** Is told what the user may not have meant. */
  readonly warn: (line: string) => void
}

/** Opens and locks a file or a block device that the user named. Throws `UsageError`. */
export function openDiskImage(path: string, { readOnly, shareWrites, serial, warn }: ImageOptions): Disk {
  const fd = open(path, readOnly)
  try {
    lockImage(path, fd, { readOnly, shareWrites })
    const size = endOf(fd)
    const sectors = Math.floor(size / SECTOR_SIZE)
    if (sectors === 0) throw new UsageError(`${path}: is smaller than one sector (${SECTOR_SIZE} bytes)`)
    const tail = size % SECTOR_SIZE
    if (tail > 0) warn(`${path}: its last ${tail} bytes are not a whole sector, and not part of the disk`)
    const format = formatOf(fd)
    if (format !== null) warn(`${path}: is a ${format} image, but served as raw: the guest sees the bytes of the file`)
    return { fd, sectors, id: serial, readOnly }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function open(path: string, readOnly: boolean): number {
  try {
    // Before the open: opening a FIFO would wait for its writer.
    const stats = statSync(path)
    if (stats.isDirectory()) throw new UsageError(`${path}: is a directory`)
    if (!stats.isFile() && !stats.isBlockDevice())
      throw new UsageError(`${path}: is neither a regular file nor a block device`)
    const { O_RDONLY, O_RDWR, O_EXCL } = constants
    // With O_EXCL, opening a block device that is mounted fails. But of several that only read it, none may keep it so.
    const exclusive = stats.isBlockDevice() ? O_EXCL : 0
    if (!readOnly) return openSync(path, O_RDWR | exclusive)
    if (exclusive !== 0) closeSync(openSync(path, O_RDONLY | exclusive))
    return openSync(path, O_RDONLY)
  } catch (error) {
    if (error instanceof UsageError) throw error
    const reason = errorCode(error) === 'EBUSY' ? 'is in use (mounted?)' : reasonOf(error)
    throw new UsageError(`${path}: ${reason}`)
  }
}

function formatOf(fd: number): string | null {
  const start = Buffer.alloc(8)
  readSync(fd, start, 0, start.length, 0)
  const text = start.toString('latin1')
  return FORMATS.find(([, magic]) => text.startsWith(magic))?.[0] ?? null
}
