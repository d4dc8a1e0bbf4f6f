// Hot-plug under readers: snapshots and the lock of writers.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from 'vm-memory'
import { check } from './checks.mjs'

const newAtomic = () => new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))

check('a snapshot stays as it was when the map is replaced', () => {
  const atomic = newAtomic()
  const before = atomic.memory()
  atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(0x10000, 0x1000)))
  assert.equal(before.numRegions, 1)
  assert.equal(atomic.memory().numRegions, 2)
  before.dispose()
  assert.throws(() => before.numRegions, { code: 'ERR_DISPOSED' })
})

check('guards are disposed of by Symbol.dispose', () => {
  const guard = newAtomic().memory()
  assert.equal(typeof Symbol.dispose, 'symbol')
  guard[Symbol.dispose]()
  assert.throws(() => guard.readU8(0), { code: 'ERR_DISPOSED' })
})

check('one at a time has the lock, and who waits for it gets it', async () => {
  const atomic = newAtomic()
  const guard = atomic.lock()
  assert.equal(atomic.tryLock(), null)
  const waiting = atomic.lockAsync()
  guard.replace(new GuestMemoryMmap())
  const next = await waiting
  assert.equal(atomic.memory().numRegions, 0)
  next.dispose()
})

check('waiting for the lock can be given up', async () => {
  const atomic = newAtomic()
  const guard = atomic.lock()
  const reason = new Error('enough')
  await assert.rejects(atomic.lockAsync({ signal: AbortSignal.abort(reason) }), reason)
  await assert.rejects(atomic.lockAsync({ timeout: 1 }), { code: 'ERR_LOCK_TIMEOUT' })
  guard.dispose()
})
