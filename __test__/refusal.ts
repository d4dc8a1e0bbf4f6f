// What a test expects when it is told no.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'
import type { ExecutionContext } from 'ava'

export interface Refusal {
  name: string
  code: string
  message?: string
  [field: string]: unknown
}

/** `call` throws an error that has all these properties. */
export function refuses(t: ExecutionContext, call: () => unknown, expected: Refusal): void {
  t.like(t.throws(call), expected)
}

/** `call` throws one of the two argument errors, of the class that goes with its code. */
export function refusesArgument(t: ExecutionContext, call: () => unknown, what?: string): void {
  const error = t.throws(call, undefined, what) as NodeJS.ErrnoException
  const classes: Record<string, ErrorConstructor> = {
    ERR_INVALID_ARG_TYPE: TypeError,
    ERR_OUT_OF_RANGE: RangeError,
  }
  const expected = classes[error.code ?? '']
  t.truthy(expected, `${what}: ${inspect(error)}`)
  t.true(expected !== undefined && error instanceof expected, what)
}

/** What a promise is rejected with. (An abort is no error in the eyes of ava.) */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const [settled] = await Promise.allSettled([promise])
  if (settled.status === 'fulfilled') throw new Error('not rejected')
  return settled.reason
}
