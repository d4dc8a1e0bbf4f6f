/** `lockAsync`: a promise, a timer and an abort signal around a place in the native line. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { realm } from './realm'
import { defineMethod } from './protocols'
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

const { AbortSignal, Promise, Reflect } = realm
const { addEventListener, removeEventListener } = realm.EventTarget.prototype

/** Calls back when a signal aborts; returns what cancels that. Look-alikes of signals are refused by the engine. */
function listen(signal: AbortSignal, callback: () => void): () => void {
  addEventListener.call(signal, 'abort', callback, { once: true })
  return () => removeEventListener.call(signal, 'abort', callback)
}

/** Why a signal has aborted, as an object, or null. */
function aborted(signal: AbortSignal): { reason: unknown } | null {
  const get = (name: 'aborted' | 'reason'): unknown => Reflect.get(AbortSignal.prototype, name, signal)
  return get('aborted') === true ? { reason: get('reason') } : null
}

export function installLockAsync(native: typeof VmMemory, door: Door): void {
  const { prototype } = native.GuestMemoryAtomic
  const { tryLock } = prototype

  function lockAsync(this: VmMemory.GuestMemoryAtomic, options?: Options): Promise<Guard> {
    // What is thrown here rejects the promise. It is made by hand: that of an async function would be of another realm.
    return new Promise((resolve, reject) => {
      const [timeout, signal] = door.lockAsyncOptions(this, options)
      const stops: (() => void)[] = []
      const stop = (): void => {
        for (const each of stops) each()
      }
      let request: number | null = null
      /** Gives up, unless the guard has been delivered. */
      const leave = (reason: () => unknown): void => {
        if (request === null || !door.leaveLine(request)) return
        stop()
        reject(reason())
      }
      if (signal !== undefined) {
        try {
          const already = aborted(signal)
          if (already) return reject(already.reason)
          stops.push(listen(signal, () => leave(() => aborted(signal)?.reason)))
        } catch {
          return reject(door.invalidSignal(signal))
        }
      }
      if (timeout === 0) {
        stop()
        const guard = tryLock.call(this)
        return guard === null ? reject(door.lockTimeout(timeout)) : resolve(guard)
      }
      if (timeout !== undefined && timeout !== Infinity) {
        stops.push(startLongTimer(timeout, () => leave(() => door.lockTimeout(timeout))))
      }
      request = door.joinLine(this, (guard) => {
        stop()
        resolve(guard)
      })
    })
  }
  defineMethod(prototype, 'lockAsync', lockAsync)
}
