/** `lockAsync`: a promise, a timer and an abort signal around a place in the native line. */
import type * as VmMemory from '../index'
import { defineMethod } from './protocols'

type Guard = VmMemory.GuestMemoryExclusiveGuard
type Options = { signal?: AbortSignal; timeout?: number }

/** What the native class has for this file alone. */
interface Line {
  lockAsyncOptions(options?: Options): [timeout?: number, signal?: AbortSignal]
  joinLine(callback: (guard: Guard) => void): number
  leaveLine(request: number): boolean
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

/** Takes a method off a class or its prototype. */
function take<K extends keyof Line>(owner: object, name: K): Line[K] {
  const method = Reflect.get(owner, name) as Line[K]
  Reflect.deleteProperty(owner, name)
  return method
}

export function installLockAsync(native: typeof VmMemory): void {
  const { prototype } = native.GuestMemoryAtomic
  const lockAsyncOptions = take(native.GuestMemoryAtomic, 'lockAsyncOptions')
  const leaveLine = take(native.GuestMemoryAtomic, 'leaveLine')
  const throwLockTimeout = take(native.GuestMemoryAtomic, 'throwLockTimeout')
  const joinLine = take(prototype, 'joinLine')
  const { tryLock } = prototype

  async function lockAsync(this: VmMemory.GuestMemoryAtomic & Line, options?: Options): Promise<Guard> {
    const [timeout, signal] = lockAsyncOptions(options)
    signal?.throwIfAborted()
    if (timeout === 0) return tryLock.call(this) ?? throwLockTimeout(timeout)
    return new Promise((resolve, reject) => {
      let stopTimer = (): void => {}
      const request = joinLine.call(this, (guard) => {
        stopTimer()
        signal?.removeEventListener('abort', abort)
        resolve(guard)
      })
      /** Gives up, unless the guard has been delivered. */
      const leave = (fail: () => void): void => {
        if (!leaveLine(request)) return
        stopTimer()
        signal?.removeEventListener('abort', abort)
        try {
          fail()
        } catch (error) {
          reject(error)
        }
      }
      const abort = (): void => leave(() => signal?.throwIfAborted())
      signal?.addEventListener('abort', abort, { once: true })
      if (timeout !== undefined && timeout !== Infinity) {
        stopTimer = startTimer(timeout, () => leave(() => throwLockTimeout(timeout)))
      }
    })
  }
  defineMethod(prototype, 'lockAsync', lockAsync)
}
