// Which errors are the crate's.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createContext, runInContext } from 'node:vm'
import test from 'ava'
import { GuestMemoryMmap, GuestRegionMmap, Ordering, isVmMemoryError } from '../index.js'
import { twoRegions } from './memory.js'

function caught(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

/** An error with these own properties. */
const made = (properties: object, error: object = new Error('made')): unknown => Object.assign(error, properties)
const REAL = { name: 'MmapError', code: 'ERR_NO_MEMORY_REGION' }

test('errors of the crate are, of all four types', (t) => {
  const memory = twoRegions()
  for (const call of [
    () => memory.readU8(0),
    () => GuestMemoryMmap.fromRanges([]),
    () => GuestRegionMmap.fromRange(0, 0),
    () => memory.getSlice(0x1000, 16).readU8(16),
    () => memory.readU64(0x2fff),
  ]) {
    const error = caught(call)
    t.true(isVmMemoryError(error), String(error))
  }
})

test('errors of this package are not, nor are those of others', (t) => {
  const memory = twoRegions()
  for (const call of [
    () => memory.readU8('1' as never),
    () => memory.readU8(-1),
    () => memory.load('u8', 0x1000, Ordering.Release),
    () => (null as never as GuestMemoryMmap).numRegions,
    () =>
      memory.tryAccess(1, 0x1000, () => {
        throw Object.assign(new Error('mine'), { code: 'ERR_IO' })
      }),
  ]) {
    t.false(isVmMemoryError(caught(call)))
  }
})

test('a name and a code go together', (t) => {
  t.true(isVmMemoryError(made(REAL)))
  t.true(isVmMemoryError(made({ name: 'VolatileMemoryError', code: 'ERR_IO' })))
  t.false(isVmMemoryError(made({ name: 'MmapError', code: 'ERR_IO' })))
  t.false(isVmMemoryError(made({ name: 'Error', code: 'ERR_NO_MEMORY_REGION' })))
  t.false(isVmMemoryError(made({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })))
  t.false(isVmMemoryError(made({ name: 'MmapError', code: '' })))
  t.false(isVmMemoryError(made({ name: 'MmapError' })))
  t.false(isVmMemoryError(made({ code: 'ERR_NO_MEMORY_REGION' })))
  t.false(isVmMemoryError(made({ ...REAL, code: ['ERR_NO_MEMORY_REGION'] })))
})

test('the error is real, of whatever realm, and the properties are its own', (t) => {
  const other = createContext({})
  t.true(isVmMemoryError(made(REAL, runInContext('new Error()', other))))
  t.true(isVmMemoryError(made(REAL, new (class extends RangeError {})('of a class'))))
  t.false(isVmMemoryError({ ...REAL, message: 'no error' }))
  t.false(isVmMemoryError(made(REAL, Object.create(Error.prototype))))
  t.false(isVmMemoryError(Object.setPrototypeOf(new Error('inherits'), REAL)))
  for (const value of [undefined, null, 0, 1n, '', 'MmapError', Symbol('error'), () => REAL, [], REAL]) {
    t.false(isVmMemoryError(value))
  }
})

test('nothing is run, and nothing is thrown', (t) => {
  const thrower = (): never => {
    throw new Error('run')
  }
  const traps = new Proxy({}, { get: () => thrower })
  const getters = Object.defineProperties(new Error('getters'), { name: { get: thrower }, code: { get: thrower } })
  t.false(isVmMemoryError(getters))
  t.false(isVmMemoryError(new Proxy({}, traps)))
  t.false(isVmMemoryError(new Proxy(made(REAL) as object, traps)))
  t.false(isVmMemoryError(new Proxy(made(REAL) as object, {})))
  const { proxy, revoke } = Proxy.revocable(new Error('revoked'), {})
  revoke()
  t.false(isVmMemoryError(proxy))
  t.true(isVmMemoryError(Object.setPrototypeOf(made(REAL), new Proxy({}, traps))))
  // oxlint-disable-next-line no-extend-native -- that is what a program may do
  Object.defineProperty(Object.prototype, 'value', { get: thrower, configurable: true })
  try {
    t.false(isVmMemoryError(getters))
    t.true(isVmMemoryError(made(REAL)))
  } finally {
    Reflect.deleteProperty(Object.prototype, 'value')
  }
})
