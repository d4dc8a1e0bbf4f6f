/** `lockAsync`: a promise, a timer and an abort signal around a place in the native line. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { defineMethod } from './protocols'

type Guard = VmMemory.GuestMemoryExclusiveGuard
type Options = { signal?: AbortSignal; timeout?: number }

/** The longest time that a timer can run. */
const MAX_TIMER = 2 ** 31 - 1

/** Calls back after `delay` milliseconds, however many; returns what cancels that. */
function startTimer(delay: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (left: number): void => {
    const step = Math.min(left, MAX_TIMER)
    timer = setTimeout(() => (left > step ? wait(left - step) : callback()), step)
  }
  wait(delay)
  return () => clearTimeout(timer)
}

/** Calls back when a signal aborts; returns what cancels that. Look-alikes of signals are refused by the engine. */
function listen(signal: AbortSignal, callback: () => void): () => void {
  const { addEventListener, removeEventListener } = EventTarget.prototype
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

  async function lockAsync(this: VmMemory.GuestMemoryAtomic, options?: Options): Promise<Guard> {
    const [timeout, signal] = door.lockAsyncOptions(this, options)
    return new Promise((resolve, reject) => {
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
        stops.push(startTimer(timeout, () => leave(() => door.lockTimeout(timeout))))
      }
      request = door.joinLine(this, (guard) => {
        stop()
        resolve(guard)
      })
    })
  }
  defineMethod(prototype, 'lockAsync', lockAsync)
}
