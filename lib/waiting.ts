/** A promise, a timer and an abort signal around what another thread brings about. */
import { realm } from './realm'
import { isAborted, listen, reasonOf } from './signals'
import { startTimer } from './timers'

/** What is waited for. */
export interface Wait<T> {
  /** Checks whom the method is called on, and its options: how long, in milliseconds, and what aborts. */
  options(): [timeout?: number, signal?: AbortSignal]
  /** Returns what is there now, or null: all that is done where the time is 0, and the first thing where there is a time. */
  now(): T | null
  /** Joins those who wait, and returns the number of the request. */
  join(settle: (value: T) => void): number
  /** Gives a request up. Returns whether it was still open. */
  leave(request: number): boolean
  /** Makes the error for a time that is over. */
  late(limit: number): Error
  /** Makes the error for a value that is no signal. */
  invalidSignal(signal: unknown): Error
}

/** The longest time that a timer of the host can run. */
const MAX_TIMER = 2 ** 31 - 1

/** Calls back after `delay` milliseconds, however many; returns what cancels that. */
function startLongTimer(delay: number, callback: () => void): () => void {
  let stop: () => void
  const wait = (left: number): void => {
    const step = left < MAX_TIMER ? left : MAX_TIMER
    stop = startTimer(step, () => (left > step ? wait(left - step) : callback()))
  }
  wait(delay)
  return () => stop()
}

const { Promise } = realm

/** Runs what may be anybody's, such as a timer that a test has put in place: by then it changes nothing any more. */
function cancel(stop: (() => void) | null): void {
  try {
    stop?.()
  } catch {
    // The promise is settled, and what calls back now finds nothing to do.
  }
}

/** Waits. What is thrown on the way rejects the promise, which is made by hand: that of an async function would be of another realm. */
export function waitFor<T>(wait: Wait<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const checked = wait.options()
    const timeout = checked[0]
    const signal = checked[1]
    let stopListening: (() => void) | null = null
    let stopTimer: (() => void) | null = null
    let request: number | null = null
    /** Why to give up as soon as there is a request: timers and listeners of users may call back at any moment. */
    let early: (() => unknown) | null = null
    const stop = (): void => {
      cancel(stopListening)
      cancel(stopTimer)
    }
    /** Gives up, unless it is over. Settles first: whatever else fails, the promise does not stay open. */
    const leave = (reason: () => unknown): void => {
      if (request === null) early ??= reason
      if (request === null || !wait.leave(request)) return
      reject(reason())
      stop()
    }
    if (signal !== undefined) {
      try {
        if (isAborted(signal)) return reject(reasonOf(signal))
        stopListening = listen(signal, () => leave(() => reasonOf(signal)))
      } catch {
        return reject(wait.invalidSignal(signal))
      }
    }
    try {
      if (timeout !== undefined && timeout !== Infinity) {
        // Word of what is there already takes a turn of the event loop, and by then a short time may be over.
        const value = wait.now()
        if (value !== null || timeout === 0) {
          if (value === null) reject(wait.late(timeout))
          else resolve(value)
          return stop()
        }
        stopTimer = startLongTimer(timeout, () => leave(() => wait.late(timeout)))
      }
      request = wait.join((value) => {
        resolve(value)
        stop()
      })
      if (early !== null) leave(early)
    } catch (error) {
      reject(error)
      stop()
    }
  })
}
