// Every scalar type with its width and byte order, arrays of them, and the orderings of atomic access.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'
import test from 'ava'
import { Ordering, type ScalarType, fence } from '../index.js'
import { bytesOf, firstRegion, twoRegions } from './memory.js'
import { refuses, refusesArgument } from './refusal.js'

const U64_MAX = 2n ** 64n - 1n

const TYPES: [type: ScalarType, value: number | bigint, bytes: string][] = [
  ['u8', 0xfe, 'fe'],
  ['i8', -2, 'fe'],
  ['u16', 0x1234, '3412'],
  ['i16', -2, 'feff'],
  ['u32', 0xfedcba98, '98badcfe'],
  ['i32', -2, 'feffffff'],
  ['u64', 2n ** 64n - 2n, 'feffffffffffffff'],
  ['i64', -(2n ** 63n), '0000000000000080'],
  ['usize', 0x0123456789abcdefn, 'efcdab8967452301'],
  ['isize', -2n, 'feffffffffffffff'],
  ['u128', 2n ** 128n - 2n, `fe${'ff'.repeat(15)}`],
  ['i128', -(2n ** 127n) + 1n, `01${'00'.repeat(14)}80`],
  ['le16', 0x1234, '3412'],
  ['le32', 0x12345678, '78563412'],
  ['le64', 0x123456789abcdef0n, 'f0debc9a78563412'],
  ['leSize', 1n, '0100000000000000'],
  ['be16', 0x1234, '1234'],
  ['be32', 0x12345678, '12345678'],
  ['be64', 0x123456789abcdef0n, '123456789abcdef0'],
  ['beSize', 1n, '0000000000000001'],
]

for (const [type, value, hex] of TYPES) {
  test(`${type} is written and read with its own width and byte order`, (t) => {
    const memory = twoRegions()
    const bytes = [...Buffer.from(hex, 'hex')]
    const size = bytes.length
    // 1 is odd on purpose, and the second address lies across the border of the regions.
    for (const addr of [0x1001, 0x2000 - (size >> 1)]) {
      memory.writeObj(type, value, addr)
      t.deepEqual(bytesOf(memory, addr, size), bytes)
      t.is(memory.readObj(type, addr), value)
    }
    const slice = memory.getSlice(0x1100, 64)
    const ref = slice.getRef(type, 3)
    ref.store(value)
    t.is(ref.load(), value)
    t.is(ref.type, type)
    t.is(ref.len, size)
    t.deepEqual(bytesOf(memory, 0x1103, size), bytes)
    if (typeof value === 'bigint') {
      memory.writeObj(type, 5, 0x1001)
      t.is(memory.readObj(type, 0x1001), 5n)
    } else {
      memory.writeObj(type, 5n, 0x1001)
      t.is(memory.readObj(type, 0x1001), 5)
    }
  })
}

const ARRAYS: [type: ScalarType, values: ArrayLike<number> | ArrayLike<bigint>, hex: string][] = [
  ['u8', Uint8Array.of(1, 255), '01ff'],
  ['i8', Int8Array.of(1, -1), '01ff'],
  ['u16', Uint16Array.of(1, 2, 3, 0x1234), '0100020003003412'],
  ['i16', Int16Array.of(1, -1), '0100ffff'],
  ['u32', Uint32Array.of(1, 2), '0100000002000000'],
  ['i32', Int32Array.of(1, -2), '01000000feffffff'],
  ['u64', BigUint64Array.of(1n, U64_MAX), '0100000000000000ffffffffffffffff'],
  ['i64', BigInt64Array.of(1n, -1n), '0100000000000000ffffffffffffffff'],
  ['usize', BigUint64Array.of(1n), '0100000000000000'],
  ['isize', BigInt64Array.of(-1n), 'ffffffffffffffff'],
  ['u128', [1n, 2n ** 128n - 1n], `01${'00'.repeat(15)}${'ff'.repeat(16)}`],
  ['i128', [-1n], 'ff'.repeat(16)],
  ['le16', Uint16Array.of(0x1234), '3412'],
  ['be16', Uint16Array.of(0x1234, 1), '12340001'],
  ['le32', Uint32Array.of(1), '01000000'],
  ['be32', Uint32Array.of(1), '00000001'],
  ['le64', BigUint64Array.of(1n), '0100000000000000'],
  ['be64', BigUint64Array.of(1n), '0000000000000001'],
  ['leSize', BigUint64Array.of(1n), '0100000000000000'],
  ['beSize', BigUint64Array.of(1n), '0000000000000001'],
]

for (const [type, values, hex] of ARRAYS) {
  test(`an array of ${type} is read as the matching array, across the border of regions too`, (t) => {
    const memory = twoRegions()
    const bytes = [...Buffer.from(hex, 'hex')]
    for (const addr of [0x1001, 0x2000 - (bytes.length >> 1)]) {
      memory.writeObj([type, values.length], values, addr)
      t.deepEqual(bytesOf(memory, addr, bytes.length), bytes)
      t.deepEqual(memory.readObj([type, values.length], addr), values)
    }
    const plain = Array.from(values as ArrayLike<number>)
    firstRegion(memory).writeObj([type, values.length], plain, 0x100)
    t.deepEqual(bytesOf(memory, 0x1100, bytes.length), bytes)
  })
}

test('an array of another length than its type says is refused', (t) => {
  const memory = twoRegions()
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  refuses(t, () => memory.writeObj(['u16', 4], Uint16Array.of(1, 2, 3), 0x1000), range)
  refuses(t, () => memory.writeObj(['u16', 4], [1, 2, 3, 4, 5], 0x1000), range)
  refuses(t, () => memory.writeObj(['u16', 0], [1], 0x1000), range)
  refusesArgument(t, () => memory.writeObj(['u16', 4], 7 as never, 0x1000))
  t.is(memory.readU64(0x1000), 0n)
})

test('unknown types are refused', (t) => {
  const memory = twoRegions()
  for (const type of ['u24', 'U8', '', 'f32', 8, null, undefined, {}, [], ['u8'], ['u24', 1], ['u8', -1]] as never[]) {
    refusesArgument(t, () => memory.readObj(type, 0x1000), inspect(type))
    refusesArgument(t, () => memory.writeObj(type, 1 as never, 0x1000), inspect(type))
  }
  for (const type of ['u128', 'le16', 'be64', ['u8', 1], 'u7', undefined] as never[]) {
    refusesArgument(t, () => memory.load(type, 0x1000, Ordering.SeqCst), inspect(type))
    refusesArgument(t, () => memory.store(type, 1, 0x1000, Ordering.SeqCst), inspect(type))
    refusesArgument(t, () => memory.getSlice(0x1000, 16).getAtomicRef(type, 0), inspect(type))
  }
})

// ------------------------------------------------------------------------------------------------ orderings

test('orderings that a load or a store cannot have are refused, and nothing is stored', (t) => {
  const memory = twoRegions()
  const region = firstRegion(memory)
  const atomic = region.getAtomicRef('u32', 0)
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  for (const order of [Ordering.Release, Ordering.AcqRel]) {
    refuses(t, () => memory.load('u32', 0x1000, order), range)
    refuses(t, () => region.load('u32', 0, order), range)
    refuses(t, () => region.asVolatileSlice().load('u32', 0, order), range)
    refuses(t, () => atomic.load(order), range)
  }
  for (const order of [Ordering.Acquire, Ordering.AcqRel]) {
    refuses(t, () => memory.store('u32', 1, 0x1000, order), range)
    refuses(t, () => region.store('u32', 1, 0, order), range)
    refuses(t, () => region.asVolatileSlice().store('u32', 1, 0, order), range)
    refuses(t, () => atomic.store(1, order), range)
  }
  t.is(memory.readU32(0x1000), 0)
  refuses(t, () => fence(Ordering.Relaxed), range)
  for (const order of [-1, 5, 1.5, NaN, '4', null, undefined, 0n] as never[]) {
    refusesArgument(t, () => memory.load('u32', 0x1000, order), inspect(order))
    refusesArgument(t, () => memory.store('u32', 1, 0x1000, order), inspect(order))
    refusesArgument(t, () => atomic.load(order), inspect(order))
    refusesArgument(t, () => fence(order), inspect(order))
  }
})

test('orderings that a load or a store can have are all taken', (t) => {
  const memory = twoRegions()
  let value = 0
  for (const order of [Ordering.Relaxed, Ordering.Release, Ordering.SeqCst]) {
    value += 1
    memory.store('u16', value, 0x1000, order)
    t.is(memory.readU16(0x1000), value)
  }
  for (const order of [Ordering.Relaxed, Ordering.Acquire, Ordering.SeqCst]) {
    t.is(memory.load('u16', 0x1000, order), value)
  }
  for (const order of [Ordering.Release, Ordering.Acquire, Ordering.AcqRel, Ordering.SeqCst]) {
    t.notThrows(() => fence(order))
  }
})

test('an impossible ordering at a bad address is refused for the address', (t) => {
  const memory = twoRegions()
  refuses(t, () => memory.load('u32', 0x3000, Ordering.Release), {
    name: 'GuestMemoryError',
    code: 'ERR_INVALID_GUEST_ADDRESS',
  })
  refuses(t, () => memory.store('u32', 1, 0x1001, Ordering.Acquire), {
    name: 'GuestMemoryError',
    code: 'ERR_INVALID_BACKEND_ADDRESS',
  })
  refuses(t, () => memory.getSlice(0x1000, 2).load('u32', 0, Ordering.AcqRel), {
    name: 'VolatileMemoryError',
    code: 'ERR_OUT_OF_BOUNDS',
  })
})
