import { createHash, randomFillSync } from 'node:crypto'
import { chmodSync, closeSync, constants, copyFileSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openInputFile, reasonOf, type InputFile } from './input-file.js'
import { MIB } from './memory-layout.js'
import { UsageError } from './usage-error.js'
import { SECTOR_SIZE } from '../virtio/virtio-blk.js'

const DEFAULT_SIZE = 64 * MIB

/** The file behind the virtio-blk device. */
export interface DiskImage extends InputFile {
  readonly sectors: number
  /** What it is, for a person. */
  readonly description: string
}

function writeRandomImage(path: string): void {
  const fd = openSync(path, 'wx')
  try {
    const chunk = Buffer.alloc(MIB)
    for (let done = 0; done < DEFAULT_SIZE; done += chunk.length) writeSync(fd, randomFillSync(chunk))
  } finally {
    closeSync(fd)
  }
}

function describe(file: InputFile, description: string): DiskImage {
  const sectors = Math.floor(file.size / SECTOR_SIZE)
  if (sectors === 0) throw new UsageError(`${file.path}: is smaller than one sector (${SECTOR_SIZE} bytes)`)
  return { ...file, sectors, description }
}

/**
 * Opens the disk: the image that the user named, with `inPlace`; else a copy of it in `folder`, for the requests write
 * wherever they like; without a name an image of random bytes.
 */
export function openDisk(path: string | undefined, inPlace: boolean, folder: string): DiskImage {
  if (path !== undefined && inPlace) return describe(openInputFile(path, 'r+'), path)
  const working = join(folder, 'disk.img')
  try {
    if (path === undefined) {
      writeRandomImage(working)
      return describe(openInputFile(working, 'r+'), 'a temporary image of random bytes')
    }
    // Checks it as well.
    const source = describe(openInputFile(path, 'r'), path)
    closeSync(source.fd)
    copyFileSync(path, working, constants.COPYFILE_FICLONE)
    // The copy takes over the mode, and a read-only image is a good one to copy.
    chmodSync(working, 0o600)
    return describe(openInputFile(working, 'r+'), `a temporary copy of ${path}`)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${folder}: cannot make the working disk image: ${reasonOf(error)}`)
  }
}

/** The SHA-256 of the first `length` bytes of a file. */
export function digestOfFile(fd: number, length: number): string {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(MIB)
  for (let done = 0; done < length;) {
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, length - done), done)
    if (count === 0) break
    hash.update(chunk.subarray(0, count))
    done += count
  }
  return hash.digest('hex')
}
