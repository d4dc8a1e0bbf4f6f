// What a hostile call may end with: it returns, throws an error with a documented code, or throws on what the argument
// itself threw. Everything else is a complaint, and a script with complaints exits with 1.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'

/** What getters, traps and callbacks of hostile arguments throw. It must come out as it went in. */
export const sentinel = new Error('thrown by an argument')

const TYPE_ERROR = 'ERR_INVALID_ARG_TYPE'
const RANGE_ERROR = 'ERR_OUT_OF_RANGE'

/** The codes of `VmMemoryError` and `BindingErrorCode`. */
const documented = new Set([
  'ERR_INVALID_GUEST_ADDRESS',
  'ERR_IO',
  'ERR_PARTIAL_BUFFER',
  'ERR_INVALID_BACKEND_ADDRESS',
  'ERR_HOST_ADDRESS_NOT_AVAILABLE',
  'ERR_CALLBACK_OUT_OF_RANGE',
  'ERR_GUEST_ADDRESS_OVERFLOW',
  'ERR_INVALID_GUEST_REGION',
  'ERR_NO_MEMORY_REGION',
  'ERR_MEMORY_REGION_OVERLAP',
  'ERR_UNSORTED_MEMORY_REGIONS',
  'ERR_INVALID_OFFSET_LENGTH',
  'ERR_INVALID_POINTER',
  'ERR_MAP_FIXED',
  'ERR_MAPPING_OVERLAP',
  'ERR_MAPPING_PAST_EOF',
  'ERR_MMAP',
  'ERR_SEEK_END',
  'ERR_SEEK_START',
  'ERR_OUT_OF_BOUNDS',
  'ERR_OVERFLOW',
  'ERR_TOO_BIG',
  'ERR_MISALIGNED',
  TYPE_ERROR,
  RANGE_ERROR,
  'ERR_DISPOSED',
  'ERR_MOVED',
  'ERR_LOCK_HELD',
  'ERR_LOCK_TIMEOUT',
  'ERR_INVALID_TICKET',
  'ERR_PROTECTION',
  'ERR_BUFFER_TOO_LARGE',
  'ERR_MEMORY_FAULT',
  'ERR_UNSUPPORTED',
  'ERR_SNAPSHOT',
])

/** Whether this is the engine's own answer to reading a property of a revoked proxy. */
const isRevoked = (error) => error instanceof TypeError && /proxy that has been revoked/.test(error.message)
/** Whether a getter of the package was read off what only looks like an instance: that is what the getter throws. */
const isImpostor = (error) =>
  error instanceof TypeError && error.code === undefined && error.message === 'Illegal invocation'
/** Whether a class was passed as a callback, and called as one. */
const isUncallable = (error) => error instanceof TypeError && /^(Class )?[Cc]onstructor .*'new'$/.test(error.message)
/** Whether this is how an `AbortSignal` ends what waits for it. */
const isAbort = (error) => error instanceof DOMException && /^(Abort|Timeout)Error$/.test(error.name)
/** Whether the engine ran out of stack. */
export const isStackOverflow = (error) => error instanceof RangeError && /call stack/.test(error.message)

/** Whether an error has a documented code and the class that goes with it. */
export function isDocumented(error) {
  if (!(error instanceof Error) || !documented.has(error.code)) return false
  if (error.code === TYPE_ERROR) return error instanceof TypeError
  if (error.code === RANGE_ERROR) return error instanceof RangeError
  return true
}

/** Whether a call with hostile arguments may end with this error. */
export const isAllowed = (error) =>
  error === sentinel || isDocumented(error) || [isRevoked, isImpostor, isUncallable, isAbort].some((is) => is(error))

/** Whether a call on a wrong `this`, or without `new`, may end with this error: a TypeError with our code or none. */
export const isTypeError = (error) =>
  error instanceof TypeError && (error.code === undefined || error.code === TYPE_ERROR)

const complaints = new Map()

/** An error in one line, or any other value. */
function describe(what) {
  if (typeof what === 'string') return what
  if (!(what instanceof Error)) return inspect(what, { depth: 1, breakLength: Infinity })
  const { name, code, message, constructor } = what
  return `${constructor.name} ${inspect({ name, code, message }, { breakLength: Infinity })}`
}

/** Notes that something is wrong, once for each different text. */
export function complain(where, what) {
  const text = `${where}: ${describe(what)}`
  complaints.set(text, (complaints.get(text) ?? 0) + 1)
}

/** Notes that `actual` is not what it should be. */
export function expectSame(where, actual, expected) {
  if (!Object.is(actual, expected)) complain(where, `${inspect(actual)} instead of ${inspect(expected)}`)
}

/** Calls and gives back what was thrown, or null. */
export function errorOf(call) {
  try {
    call()
    return null
  } catch (error) {
    return error ?? new Error(`${error} was thrown`)
  }
}

/** `call` must throw an error with this code. */
export function expectCode(where, code, call) {
  const error = errorOf(call)
  if (error === null) complain(where, `returned instead of throwing ${code}`)
  else if (error.code !== code || !isDocumented(error)) complain(where, error)
}

process.on('exit', (code) => {
  if (code === 13) complain('this script', 'waits for what never comes')
  if (complaints.size === 0) return
  if (code === 0) process.exitCode = 1
  for (const [text, count] of [...complaints].slice(0, 40)) {
    process.stderr.write(`${count > 1 ? `${count} × ` : ''}${text}\n`)
  }
  process.stderr.write(`${complaints.size} different complaints\n`)
})
