// One atomic, and what the specs of threads do with it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { GuestMemoryAtomic, GuestMemoryMmap } from '../../index.js'

export const TIMED_OUT = { code: 'ERR_LOCK_TIMEOUT' }

/** One page at 0. */
export function newAtomic(): GuestMemoryAtomic {
  return new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 4096]]))
}

export function readU32(atomic: GuestMemoryAtomic, address: number): number {
  using guard = atomic.memory()
  return guard.readU32(address)
}

export function writeU32(atomic: GuestMemoryAtomic, value: number, address: number): void {
  using guard = atomic.memory()
  guard.writeU32(value, address)
}

/** Whether the lock is free now. */
export function isFree(atomic: GuestMemoryAtomic): boolean {
  const guard = atomic.tryLock()
  guard?.dispose()
  return guard !== null
}
