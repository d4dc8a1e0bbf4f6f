import { closeSync, fstatSync, openSync, statSync } from 'node:fs'
import { UsageError } from './usage-error.js'

/** An open regular file that the user named. */
export interface InputFile {
  readonly path: string
  readonly fd: number
  readonly size: number
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'is a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EROFS: 'the file system is read-only',
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Why `error` happened, in a few words for a person. */
export function reasonOf(error: unknown): string {
  const reason = REASONS[errorCode(error) ?? '']
  return reason ?? (error instanceof Error ? error.message : String(error))
}

/** Opens a file that the user named, or says in a `UsageError` what is wrong with it. */
export function openInputFile(path: string, flags: 'r' | 'r+'): InputFile {
  try {
    // Before the open: opening a FIFO would wait for its writer.
    const stats = statSync(path)
    if (stats.isDirectory()) throw new UsageError(`${path}: is a directory`)
    if (!stats.isFile()) throw new UsageError(`${path}: is not a regular file`)
    const fd = openSync(path, flags)
    const { size } = fstatSync(fd)
    if (size === 0) {
      closeSync(fd)
      throw new UsageError(`${path}: is empty`)
    }
    return { path, fd, size }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${path}: ${reasonOf(error)}`)
  }
}
