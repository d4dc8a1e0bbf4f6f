import { closeSync, fstatSync, openSync, renameSync, statSync, unlinkSync, type Stats } from 'node:fs'
import { errorCode, reasonOf, type InputFile } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'

function statsOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw new UsageError(`${path}: ${reasonOf(error)}`)
  }
}

/**
 * A file that gets its name when all of it is written, so that nobody ever finds a part of it under that name. Until then it is
 * `<path>.partial`, and either `finish` or `discard` ends that.
 */
export class NewFile {
  readonly path: string
  readonly fd: number
  readonly #partial: string
  #isOpen = true

  constructor(path: string, force: boolean, source: InputFile) {
    const existing = statsOf(path)
    if (existing !== null) {
      if (!existing.isFile()) throw new UsageError(`${path}: is not a regular file`)
      const own = fstatSync(source.fd)
      if (own.dev === existing.dev && own.ino === existing.ino)
        throw new UsageError(`${path}: is the file that is read`)
      if (!force) throw new UsageError(`${path}: exists already (--force replaces it)`)
    }
    this.path = path
    this.#partial = `${path}.partial`
    try {
      // Guest memory has secrets: it is for its owner.
      this.fd = openSync(this.#partial, 'wx+', 0o600)
    } catch (error) {
      const isThere = errorCode(error) === 'EEXIST'
      const reason = isThere
        ? 'exists already: it is being written, or is left of a run that was killed'
        : reasonOf(error)
      throw new UsageError(`${this.#partial}: ${reason}`)
    }
  }

  finish(): void {
    this.#close()
    renameSync(this.#partial, this.path)
  }

  /** Removes what was written, unless it was finished. */
  discard(): void {
    if (!this.#isOpen) return
    this.#close()
    unlinkSync(this.#partial)
  }

  #close(): void {
    this.#isOpen = false
    closeSync(this.fd)
  }
}
