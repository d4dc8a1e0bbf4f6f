/** Timers of whoever uses the package. */
import * as host from 'node:timers'

export interface Timers {
  start(callback: () => void, delay: number): () => void
}

/** Those of this realm, as they are when they are asked for: tests replace them. A bare context of `node:vm` has none. */
export const timersHere: Timers = {
  start(callback, delay) {
    const start = typeof setTimeout === 'function' ? setTimeout : host.setTimeout
    const stop = typeof clearTimeout === 'function' ? clearTimeout : host.clearTimeout
    const timer = start(callback, delay)
    return () => stop(timer)
  },
}

let current = timersHere

/** Lets timers be those of the realm that has loaded the package last: test runners have a realm for each file. */
export function useTimers(timers: Timers): void {
  current = timers
}

/** Calls back after `delay` milliseconds; returns what cancels that. */
export function startTimer(delay: number, callback: () => void): () => void {
  return current.start(callback, delay)
}
