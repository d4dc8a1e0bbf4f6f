/** The C library of this process, and what its functions answer when they fail. */
import { constants } from 'node:os'
import koffi from 'koffi'

export const libc = koffi.load(null)

/** Of two names for a number, the first one by the alphabet: EAGAIN, not EWOULDBLOCK. */
const ERROR_NAMES = new Map(
  Object.entries(constants.errno)
    .toSorted()
    .toReversed()
    .map(([name, errno]) => [errno, name]),
)

/** A system call failed. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string
  readonly errno: number

  constructor(call: string, errno: number) {
    const code = ERROR_NAMES.get(errno) ?? `errno ${errno}`
    super(`${call}: ${code}`)
    this.code = code
    this.errno = errno
  }
}

/** The result of a call, unless that is -1. */
export function checked(call: string, result: number | bigint): number {
  if (Number(result) === -1) throw new SystemError(call, koffi.errno())
  return Number(result)
}
