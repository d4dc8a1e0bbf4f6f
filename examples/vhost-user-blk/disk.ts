import { constants } from 'node:os'
import { readv, writev, writevSync } from 'node:fs'
import { fallocate, readCached } from '../host/file-calls.js'

/** What stands behind the device: a file or a block device, and the whole sectors in it. */
export interface Disk {
  readonly fd: number
  readonly sectors: number
  readonly id: string
  readonly readOnly: boolean
}

type Vectored = (
  fd: number,
  views: readonly NodeJS.ArrayBufferView[],
  position: number,
  done: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void

type Done = (error: Error | null, count: number) => void

function transfer(call: Vectored, fd: number, views: readonly Uint8Array[], position: number, done: Done): void {
  let rest = views
  let total = 0
  const next = (): void =>
    call(fd, rest, position + total, (error, count) => {
      if (error !== null) return done(error, total)
      total += count
      rest = withoutStart(rest, count)
      // One call may fall short (IOV_MAX, 2 GiB); nothing at all is the end of the file.
      if (rest.length === 0 || count === 0) return done(null, total)
      next()
    })
  if (views.length === 0) return done(null, 0)
  next()
}

function withoutStart(views: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = count
  for (const view of views) {
    if (skip < view.length) rest.push(skip === 0 ? view : view.subarray(skip))
    skip = Math.max(0, skip - view.length)
  }
  return rest
}

/** More than this is better copied by another thread. */
const INLINE_MAX = 64 * 1024

const lengthOf = (views: readonly Uint8Array[]): number => views.reduce((sum, view) => sum + view.length, 0)

/**
 * Fills `views` from `fd` at `position`, straight into guest memory when they are views on it. What is in the page
 * cache is there at once; for the rest preadv(2) waits on a thread of the pool. Fewer bytes are there only at the end
 * of the file.
 */
export function readInto(fd: number, views: readonly Uint8Array[], position: number, done: Done): void {
  // A thread costs more than the copy: it has to be woken up, and to wake this one up.
  const cached = lengthOf(views) <= INLINE_MAX ? readCached(fd, views, position) : 0
  const rest = withoutStart(views, cached)
  if (rest.length === 0) done(null, cached)
  else transfer(readv, fd, rest, position + cached, (error, count) => done(error, cached + count))
}

/**
 * Writes all of `views` to `fd` at `position` with pwritev(2). Linux cannot say beforehand whether that will wait for
 * the disk, as a write to the page cache does when too much of it is dirty. So a thread of the pool does it, unless it
 * is small and nobody is kept waiting (`isAlone`).
 */
export function writeFrom(
  fd: number,
  views: readonly Uint8Array[],
  position: number,
  isAlone: boolean,
  done: Done,
): void {
  const call = isAlone && lengthOf(views) <= INLINE_MAX ? writevNow : writev
  transfer(call, fd, views, position, done)
}

const writevNow: Vectored = (fd, views, position, done) => {
  let count
  try {
    count = writevSync(fd, views, position)
  } catch (error) {
    return done(error as NodeJS.ErrnoException, 0)
  }
  done(null, count)
}

/** Gives the blocks of a range back. Does nothing where the file system cannot: a discard is a hint. */
export function discard(fd: number, position: number, length: number, done: (error: Error | null) => void): void {
  fallocate(fd, 'punch-hole', position, length, (error) =>
    done(error?.errno === constants.errno.EOPNOTSUPP ? null : error),
  )
}

/** Zeros to write where fallocate(2) does not make them. */
const ZEROS = new Uint8Array(256 * 1024)

/** Makes a range read as zeros; gives its blocks back with `unmap`. */
export function writeZeroes(
  fd: number,
  position: number,
  length: number,
  unmap: boolean,
  done: (error: Error | null) => void,
): void {
  fallocate(fd, unmap ? 'punch-hole' : 'zero-range', position, length, (error) => {
    if (error === null) return done(null)
    // Not every file system has this call, and block devices want the range aligned. If something else is wrong, the
    // writes fail as well.
    const views: Uint8Array[] = []
    for (let left = length; left > 0; left -= ZEROS.length) views.push(ZEROS.subarray(0, left))
    transfer(writev, fd, views, position, done)
  })
}
