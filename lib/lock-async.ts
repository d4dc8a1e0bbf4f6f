/** `lockAsync`: a promise, a timer and an abort signal around a place in the native line. */
import type * as VmMemory from '../index'
import { defineMethod } from './protocols'
import { take } from './take'

type Guard = VmMemory.GuestMemoryExclusiveGuard
type Options = { signal?: AbortSignal; timeout?: number }

/** What the native class has for this file alone. */
interface Line {
  lockAsyncOptions(options?: Options): [timeout?: number, signal?: AbortSignal]
  joinLine(callback: (guard: Guard) => void): number
  leaveLine(request: number): boolean
  throwInvalidSignal(signal: unknown): never
  throwLockTimeout(limit: number): never
}

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

export function installLockAsync(native: typeof VmMemory): void {
  const { prototype } = native.GuestMemoryAtomic
  const lockAsyncOptions = take<Line, 'lockAsyncOptions'>(prototype, 'lockAsyncOptions')
  const joinLine = take<Line, 'joinLine'>(prototype, 'joinLine')
  const leaveLine = take<Line, 'leaveLine'>(prototype, 'leaveLine')
  const throwInvalidSignal = take<Line, 'throwInvalidSignal'>(prototype, 'throwInvalidSignal')
  const throwLockTimeout = take<Line, 'throwLockTimeout'>(prototype, 'throwLockTimeout')
  const { tryLock } = prototype

  async function lockAsync(this: VmMemory.GuestMemoryAtomic & Line, options?: Options): Promise<Guard> {
    const [timeout, signal] = lockAsyncOptions.call(this, options)
    return new Promise((resolve, reject) => {
      const stops: (() => void)[] = []
      const stop = (): void => {
        for (const each of stops) each()
      }
      let request: number | null = null
      /** Gives up, unless the guard has been delivered. */
      const leave = (fail: () => void): void => {
        if (request === null || !leaveLine.call(this, request)) return
        stop()
        fail()
      }
      if (signal !== undefined) {
        try {
          const already = aborted(signal)
          if (already) return reject(already.reason)
          stops.push(listen(signal, () => leave(() => reject(aborted(signal)?.reason))))
        } catch {
          throwInvalidSignal.call(this, signal)
        }
      }
      if (timeout === 0) {
        stop()
        return resolve(tryLock.call(this) ?? throwLockTimeout.call(this, timeout))
      }
      if (timeout !== undefined && timeout !== Infinity) {
        const fail = (): void => {
          try {
            throwLockTimeout.call(this, timeout)
          } catch (error) {
            reject(error)
          }
        }
        stops.push(startTimer(timeout, () => leave(fail)))
      }
      request = joinLine.call(this, (guard) => {
        stop()
        resolve(guard)
      })
    })
  }
  defineMethod(prototype, 'lockAsync', lockAsync)
}
