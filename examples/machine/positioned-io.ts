import { readvSync, writevSync } from 'node:fs'

/** What is left of `views` after `done` bytes of them. */
function remaining(views: readonly Uint8Array[], done: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = done
  for (const view of views) {
    if (skip < view.length) rest.push(skip === 0 ? view : view.subarray(skip))
    skip = Math.max(0, skip - view.length)
  }
  return rest
}

function transfer(
  call: (fd: number, views: readonly NodeJS.ArrayBufferView[], position: number) => number,
  fd: number,
  views: readonly Uint8Array[],
  position: number,
): number {
  let rest = remaining(views, 0)
  let done = 0
  while (rest.length > 0) {
    const count = call(fd, rest, position + done)
    if (count === 0) break
    done += count
    rest = remaining(rest, count)
  }
  return done
}

/**
 * Fills `views` from `fd` at `position` with preadv(2), straight into guest memory when they are views on it. The file's
 * cursor stays where it is. One call may fall short (IOV_MAX, 2 GiB), so it goes on until all is there; returns the
 * bytes read, fewer only at the end of the file.
 */
export function readFully(fd: number, views: readonly Uint8Array[], position: number): number {
  return transfer(readvSync, fd, views, position)
}

/** Writes all of `views` to `fd` at `position` with pwritev(2); the counterpart of `readFully`. */
export function writeFully(fd: number, views: readonly Uint8Array[], position: number): number {
  return transfer(writevSync, fd, views, position)
}
