// Which JavaScript values are addresses, lengths and values, and which are refused.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'
import test from 'ava'
import {
  AtomicBitmap,
  FileOffset,
  GuestAddress,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegion,
  MmapRegionBuilder,
  Ordering,
  type ScalarType,
  computeOffset,
} from '../index.js'
import { bytesOf, firstRegion, twoRegions } from './memory.js'
import { refuses, refusesArgument } from './refusal.js'

test('addresses are numbers where those are safe, and bigints everywhere', (t) => {
  const start = 2n ** 53n - 0x800n
  const memory = GuestMemoryMmap.fromRanges([
    [start, 0x1000],
    [2n ** 63n, 0x1000],
  ])
  memory.writeU16(0x1234, Number.MAX_SAFE_INTEGER)
  t.is(memory.readU16(2n ** 53n - 1n), 0x1234)
  t.is(memory.readU8(2n ** 53n), 0x12)
  t.is(memory.findRegion(Number.MAX_SAFE_INTEGER), memory.findRegion(2n ** 53n + 0x7ffn))
  t.deepEqual(memory.toRegionAddr(2n ** 53n), [firstRegion(memory), 0x800])
  t.is(memory.checkAddress(Number.MAX_SAFE_INTEGER), 2n ** 53n - 1n)
  t.is(memory.checkedOffset(Number.MAX_SAFE_INTEGER, 2), 2n ** 53n + 1n)
  t.is(memory.lastAddr, 2n ** 63n + 0xfffn)
  memory.writeU64(1n, 2n ** 63n + 0xff8n)
  t.is(memory.readU64(2n ** 63n + 0xff8n), 1n)
  // 2^53 and 2^53 + 1 are the same number: no way to tell which was meant.
  refusesArgument(t, () => memory.readU8(2 ** 53))
  refusesArgument(t, () => memory.readU8(2 ** 63))
})

const NO_UNSIGNED_INTEGERS: unknown[] = [
  NaN,
  1.5,
  Infinity,
  -Infinity,
  -1,
  2 ** 53,
  1e300,
  -1n,
  2n ** 64n,
  2n ** 200n,
  '0',
  '',
  null,
  undefined,
  true,
  {},
  [],
  [0],
  Symbol('0'),
  Object(0),
  { valueOf: () => 0 },
  () => 0,
]

test('what is no unsigned integer of 64 bits is no address, no length and no offset', (t) => {
  const memory = twoRegions()
  const region = firstRegion(memory)
  const slice = region.asVolatileSlice()
  const bitmap = new AtomicBitmap(0x4000, 0x1000)
  const calls: Record<string, (n: never) => unknown> = {
    'memory.readU8': (n) => memory.readU8(n),
    'memory.readU64': (n) => memory.readU64(n),
    'memory.writeU8': (n) => memory.writeU8(1, n),
    'memory.readObj': (n) => memory.readObj('u128', n),
    'memory.writeObj': (n) => memory.writeObj('le16', 1, n),
    'memory.load': (n) => memory.load('u32', n, Ordering.SeqCst),
    'memory.store': (n) => memory.store('u32', 1, n, Ordering.SeqCst),
    'memory.read': (n) => memory.read(new Uint8Array(1), n),
    'memory.write': (n) => memory.write(new Uint8Array(1), n),
    'memory.fill address': (n) => memory.fill(1, n, 1),
    'memory.fill length': (n) => memory.fill(1, 0x1000, n),
    'memory.findRegion': (n) => memory.findRegion(n),
    'memory.toRegionAddr': (n) => memory.toRegionAddr(n),
    'memory.addressInRange': (n) => memory.addressInRange(n),
    'memory.checkAddress': (n) => memory.checkAddress(n),
    'memory.checkRange base': (n) => memory.checkRange(n, 1),
    'memory.checkRange length': (n) => memory.checkRange(0x1000, n),
    'memory.checkedOffset': (n) => memory.checkedOffset(0x1000, n),
    'memory.getHostAddress': (n) => memory.getHostAddress(n),
    'memory.getSlice': (n) => memory.getSlice(0x1000, n),
    'memory.tryAccess': (n) => memory.tryAccess(n, 0x1000, () => 0),
    'memory.views': (n) => memory.views(0x1000, n),
    'memory.markDirty address': (n) => memory.markDirty(n, 1),
    'memory.markDirty length': (n) => memory.markDirty(0x1000, n),
    'memory.withViews': (n) => memory.withViews(0x1000, n, () => 0),
    'memory.removeRegion': (n) => memory.removeRegion(0x1000, n),
    'memory.readVolatileFrom': (n) => memory.readVolatileFrom(0x1000, new Uint8Array(1), n),
    'region.readU8': (n) => region.readU8(n),
    'region.writeU32': (n) => region.writeU32(1, n),
    'region.checkAddress': (n) => region.checkAddress(n),
    'region.toRegionAddr': (n) => region.toRegionAddr(n),
    'region.getRef': (n) => region.getRef('u8', n),
    'region.getArrayRef': (n) => region.getArrayRef('u8', 0, n),
    'slice.readI8': (n) => slice.readI8(n),
    'slice.subslice': (n) => slice.subslice(n, 0),
    'slice.offset': (n) => slice.offset(n),
    'slice.splitAt': (n) => slice.splitAt(n),
    'bitmap.setBit': (n) => bitmap.setBit(n),
    'bitmap.markDirty': (n) => bitmap.markDirty(n, 1),
    'bitmap.dirtyAt': (n) => bitmap.dirtyAt(n),
    'new MmapRegion': (n) => new MmapRegion(n),
    'new MmapRegionBuilder': (n) => new MmapRegionBuilder(n),
    'new GuestRegionMmap': (n) => new GuestRegionMmap(new MmapRegion(0x1000), n),
    'GuestRegionMmap.fromRange': (n) => GuestRegionMmap.fromRange(n, 0x1000),
    'GuestMemoryMmap.fromRanges': (n) => GuestMemoryMmap.fromRanges([[n, 0x1000]]),
    'new FileOffset': (n) => new FileOffset(0, n),
    'GuestAddress.checkedAdd': (n) => GuestAddress.checkedAdd(1, n),
    'GuestAddress.mask': (n) => GuestAddress.mask(n, 1),
    computeOffset: (n) => computeOffset(n, 1),
  }
  for (const [name, call] of Object.entries(calls)) {
    for (const value of NO_UNSIGNED_INTEGERS)
      refusesArgument(t, () => call(value as never), `${name}(${inspect(value)})`)
  }
  t.deepEqual(bytesOf(memory, 0x1000, 0x2000), Array<number>(0x2000).fill(0))
  t.deepEqual([...bitmap.getAndReset()], [0n])
})

test('negative zero is zero', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[-0, 0x1000]])
  t.is(firstRegion(memory).startAddr, 0n)
  memory.writeU8(-0, -0)
  memory.writeObj('i64', -0, -0)
  t.is(memory.readU64(-0), 0n)
  t.is(memory.toRegionAddr(-0)?.[1], 0)
  t.is(
    memory.tryAccess(1, 0, () => -0),
    0,
  )
})

const TOO_BIG_OR_SMALL: Partial<Record<ScalarType, (number | bigint)[]>> = {
  u8: [256, -1, 256n, -1n],
  i8: [128, -129, 128n],
  u16: [65536, -1],
  i16: [32768, -32769],
  u32: [2 ** 32, -1, 2n ** 32n],
  i32: [2 ** 31, -(2 ** 31) - 1],
  u64: [-1n, -1, 2n ** 64n, 2 ** 53],
  i64: [2n ** 63n, -(2n ** 63n) - 1n, -(2 ** 53)],
  usize: [-1n, 2n ** 64n],
  isize: [2n ** 63n, -(2n ** 63n) - 1n],
  u128: [-1n, 2n ** 128n, 2 ** 53],
  i128: [2n ** 127n, -(2n ** 127n) - 1n],
  le16: [65536, -1],
  be16: [65536, -1],
  le32: [2 ** 32, -1],
  be32: [2 ** 32, -1],
  le64: [-1n, 2n ** 64n],
  be64: [-1n, 2n ** 64n],
  leSize: [-1n, 2n ** 64n],
  beSize: [-1n, 2n ** 64n],
}

test('a value that does not fit its type is a RangeError and nothing is written', (t) => {
  const memory = twoRegions()
  const slice = memory.getSlice(0x1000, 32)
  memory.writeSlice(new Uint8Array(32).fill(0xa5), 0x1000)
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  for (const [type, values] of Object.entries(TOO_BIG_OR_SMALL) as [ScalarType, (number | bigint)[]][]) {
    for (const value of values) {
      refuses(t, () => memory.writeObj(type, value, 0x1000), range)
      refuses(t, () => memory.writeObj([type, 2], [1, value] as never, 0x1000), range)
      refuses(t, () => slice.getRef(type, 0).store(value), range)
      refuses(t, () => slice.getArrayRef(type, 0, 2).store(1, value), range)
    }
  }
  const calls: (() => unknown)[] = [
    () => memory.writeU8(256, 0x1000),
    () => memory.writeI8(-129, 0x1000),
    () => memory.writeU16(65536, 0x1000),
    () => memory.writeI16(32768, 0x1000),
    () => memory.writeU32(2 ** 32, 0x1000),
    () => memory.writeI32(2 ** 31, 0x1000),
    () => memory.writeU64(-1n, 0x1000),
    () => memory.writeI64(2n ** 63n, 0x1000),
    () => memory.store('u8', 256, 0x1000, Ordering.SeqCst),
    () => memory.store('i64', 2n ** 63n, 0x1000, Ordering.SeqCst),
    () => slice.getAtomicRef('u16', 0).store(-1, Ordering.SeqCst),
  ]
  for (const call of calls) refuses(t, call, range)
  t.deepEqual(bytesOf(memory, 0x1000, 32), Array<number>(32).fill(0xa5))
})

test('what is no integer is no value', (t) => {
  const memory = twoRegions()
  const ref = memory.getSlice(0x1000, 8).getRef('u32', 0)
  for (const value of [NaN, 1.5, Infinity, '1', null, undefined, true, {}, Symbol('1'), Object(1)] as never[]) {
    for (const type of ['u8', 'i32', 'u64', 'i128', 'be16'] as const) {
      refusesArgument(t, () => memory.writeObj(type, value, 0x1000), `${type} ${inspect(value)}`)
    }
    refusesArgument(t, () => memory.writeU8(value, 0x1000), inspect(value))
    refusesArgument(t, () => memory.writeI32(value, 0x1000), inspect(value))
    refusesArgument(t, () => memory.writeU64(value, 0x1000), inspect(value))
    refusesArgument(t, () => memory.store('u64', value, 0x1000, Ordering.SeqCst), inspect(value))
    refusesArgument(t, () => memory.writeObj(['u8', 2], [1, value], 0x1000), inspect(value))
    refusesArgument(t, () => ref.store(value), inspect(value))
  }
  t.deepEqual(bytesOf(memory, 0x1000, 16), Array<number>(16).fill(0))
})
