/** `lockAsync`: a promise, a timer and an abort signal around a place in the native line. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { uncurryThis } from './intrinsics'
import { defineMethod } from './protocols'
import { realm } from './realm'
import { startTimer } from './timers'

type Guard = VmMemory.GuestMemoryExclusiveGuard
type Options = { signal?: AbortSignal; timeout?: number }

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

const { AbortSignal, Promise } = realm
const addListener = uncurryThis(realm.EventTarget.prototype.addEventListener)
const removeListener = uncurryThis(realm.EventTarget.prototype.removeEventListener)

/** The getter of a signal, as a function. Look-alikes of signals are refused by the engine. */
function getter(name: 'aborted' | 'reason'): (signal: AbortSignal) => unknown {
  return uncurryThis(Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)?.get as (this: unknown) => unknown)
}
const isAborted = getter('aborted')
const reasonOf = getter('reason')

/** Calls back when a signal aborts; returns what cancels that. */
function listen(signal: AbortSignal, callback: () => void): () => void {
  addListener(signal, 'abort', callback, { once: true })
  return () => removeListener(signal, 'abort', callback)
}

/** Runs what may be anybody's, such as a timer that a test has put in place: by then it changes nothing any more. */
function cancel(stop: (() => void) | null): void {
  try {
    stop?.()
  } catch {
    // The promise is settled, and what calls back now finds nothing to do.
  }
}

export function installLockAsync(native: typeof VmMemory, door: Door): void {
  const { prototype } = native.GuestMemoryAtomic
  const tryLock = uncurryThis(prototype.tryLock)

  function lockAsync(this: VmMemory.GuestMemoryAtomic, options?: Options): Promise<Guard> {
    // What is thrown here rejects the promise. It is made by hand: that of an async function would be of another realm.
    return new Promise((resolve, reject) => {
      const checked = door.lockAsyncOptions(this, options)
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
      /** Gives up, unless the guard has been delivered. Settles first: whatever else fails, the promise does not stay open. */
      const leave = (reason: () => unknown): void => {
        if (request === null) early ??= reason
        if (request === null || !door.leaveLine(request)) return
        reject(reason())
        stop()
      }
      if (signal !== undefined) {
        try {
          if (isAborted(signal)) return reject(reasonOf(signal))
          stopListening = listen(signal, () => leave(() => reasonOf(signal)))
        } catch {
          return reject(door.invalidSignal(signal))
        }
      }
      try {
        if (timeout === 0) {
          const guard = tryLock(this)
          if (guard === null) reject(door.lockTimeout(timeout))
          else resolve(guard)
          return stop()
        }
        if (timeout !== undefined && timeout !== Infinity) {
          stopTimer = startLongTimer(timeout, () => leave(() => door.lockTimeout(timeout)))
        }
        request = door.joinLine(this, (guard) => {
          resolve(guard)
          stop()
        })
        if (early !== null) leave(early)
      } catch (error) {
        reject(error)
        stop()
      }
    })
  }
  defineMethod(prototype, 'lockAsync', lockAsync)
}
