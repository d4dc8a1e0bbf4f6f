/** `synchronize`: a grace period, of which Rust tells the end. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { uncurryThis } from './intrinsics'
import { defineMethod } from './protocols'
import { waitFor } from './waiting'

const get = uncurryThis(Map.prototype.get as Map<number, () => void>['get'])
const set = uncurryThis(Map.prototype.set as Map<number, () => void>['set'])
const remove = uncurryThis(Map.prototype.delete as Map<number, () => void>['delete'])

export function installSynchronize(native: typeof VmMemory, door: Door): void {
  /** Who is to be told of the end of a wait. */
  const waiting = new Map<number, () => void>()
  door.answerGrace((number) => {
    const settle = get(waiting, number)
    remove(waiting, number)
    settle?.()
  })

  function synchronize(
    this: VmMemory.GuestMemoryAtomic,
    options?: { signal?: AbortSignal; timeout?: number },
  ): Promise<void> {
    return waitFor<void>({
      options: () => door.lockAsyncOptions(this, options),
      now: () => (door.hasOldGuards(this) ? null : undefined),
      join: (settle) => {
        const number = door.joinGrace(this)
        set(waiting, number, settle)
        return number
      },
      leave: (number) => {
        remove(waiting, number)
        return door.leaveGrace(number)
      },
      late: door.graceTimeout,
      invalidSignal: door.invalidSignal,
    })
  }
  defineMethod(native.GuestMemoryAtomic.prototype, 'synchronize', synchronize)
}
