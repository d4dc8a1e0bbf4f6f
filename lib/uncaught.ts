/** Errors of listeners: what they are told has happened, so that there is nobody to throw to. */
import process from 'node:process'

// As it is now: users may replace it. (A bare context of `node:vm` has no `queueMicrotask`.)
const { nextTick } = process

/** Throws an error as an uncaught exception, when whoever has called is done. */
export function throwUncaught(error: unknown): void {
  nextTick(() => {
    throw error
  })
}
