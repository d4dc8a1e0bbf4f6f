// A file of tests in vitest, which can have a realm and modules of its own for each file.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { expect, test, vi } from 'vitest'
import { GuestMemoryAtomic, GuestMemoryLoadGuard, GuestMemoryMmap } from 'vm-memory'

const newAtomic = () => new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 4096]]))

test('what is read is of the same class fifty times', () => {
  const memory = GuestMemoryMmap.fromRanges([[0, 4096]])
  const classes = new Set()
  for (let i = 0; i < 50; i += 1) classes.add(Object.getPrototypeOf(memory.readObj(['u32', 2], 0)))
  expect(classes.size).toBe(1)
  expect([...memory.readObj(['u32', 2], 0)]).toEqual([0, 0])
})

test('fake timers reach lockAsync', async () => {
  vi.useFakeTimers()
  const atomic = newAtomic()
  const guard = atomic.lock()
  const refused = expect(atomic.lockAsync({ timeout: 60_000 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(60_000)
  await refused
  vi.useRealTimers()
  guard.dispose()
  await expect(newAtomic().lockAsync({ timeout: 1000 })).resolves.toBeDefined()
})

test('a registry of modules that is new has the same classes', async () => {
  vi.resetModules()
  const again = await import('vm-memory')
  expect(again.GuestMemoryMmap).toBe(GuestMemoryMmap)
  expect(newAtomic().memory()).toBeInstanceOf(again.GuestMemoryLoadGuard)
})

test('guards are disposed of by what using looks for, and getters refuse others', () => {
  const atomic = newAtomic()
  const guard = atomic.lock()
  guard[Symbol.dispose ?? Symbol.for('Symbol.dispose')]()
  expect(atomic.tryLock()).not.toBeNull()
  const { get } = Object.getOwnPropertyDescriptor(GuestMemoryLoadGuard.prototype, 'numRegions')
  for (const receiver of [{}, undefined]) {
    expect(() => get.call(receiver)).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    )
  }
})
