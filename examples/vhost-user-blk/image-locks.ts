import { isLockedByOthers, lockShared } from '../host/file-calls.js'
import { SystemError } from '../host/libc.js'
import { UsageError } from '../machine/usage-error.js'

/**
 * The locks by which QEMU and other programs tell each other what they do with an image. Each lock is a shared lock on
 * one byte of the file, which need not exist:
 *
 *     byte 100 + n   a program has permission n
 *     byte 200 + n   a program does not share permission n with others
 *
 * A program first locks its bytes, and then looks for locks of others that are in its way. So of two programs that
 * start at the same time, at least one sees the other.
 */
const HAS = 100
const DOES_NOT_SHARE = 200

/** The permissions, as QEMU numbers them. */
const CONSISTENT_READ = 0
const WRITE = 1
const RESIZE = 3

export interface LockOptions {
  readonly readOnly: boolean
  /** Lets others write, too: while a guest moves, its image has two devices, of which one works at a time. */
  readonly shareWrites: boolean
}

/**
 * Locks an image until `fd` is closed. An image has one device that writes, or several that only read: a guest does not
 * expect its disk to change by itself. Throws `UsageError` when another program is in the way.
 */
export function lockImage(path: string, fd: number, { readOnly, shareWrites }: LockOptions): void {
  const wanted = readOnly ? [CONSISTENT_READ] : [CONSISTENT_READ, WRITE]
  const unshared = shareWrites ? [RESIZE] : [WRITE, RESIZE]
  try {
    for (const permission of wanted) lockShared(fd, HAS + permission)
    for (const permission of unshared) lockShared(fd, DOES_NOT_SHARE + permission)
    if (unshared.some((permission) => isLockedByOthers(fd, HAS + permission))) {
      throw new UsageError(`${path}: is in use: another program writes to it`)
    }
    if (wanted.some((permission) => isLockedByOthers(fd, DOES_NOT_SHARE + permission))) {
      throw new UsageError(
        `${path}: is in use: another program does not let others ${readOnly ? 'read' : 'write to'} it`,
      )
    }
  } catch (error) {
    if (error instanceof SystemError) throw new UsageError(`${path}: cannot be locked (${error.message})`)
    throw error
  }
}
