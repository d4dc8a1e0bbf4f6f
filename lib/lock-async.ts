/** `lockAsync`: a place in the native line that is waited for without blocking. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { uncurryThis } from './intrinsics'
import { defineMethod } from './protocols'
import { waitFor } from './waiting'

type Atomic = VmMemory.GuestMemoryAtomic
type Guard = VmMemory.GuestMemoryExclusiveGuard
type Options = { signal?: AbortSignal; timeout?: number }

export function installLockAsync(native: typeof VmMemory, door: Door): void {
  const { prototype } = native.GuestMemoryAtomic
  const tryLock = uncurryThis(prototype.tryLock)

  function lockAsync(this: Atomic, options?: Options): Promise<Guard> {
    return waitFor<Guard>({
      options: () => door.lockAsyncOptions(this, options),
      now: () => tryLock(this),
      join: (settle) => door.joinLine(this, settle),
      leave: door.leaveLine,
      late: door.lockTimeout,
      invalidSignal: door.invalidSignal,
    })
  }
  defineMethod(prototype, 'lockAsync', lockAsync)
}
