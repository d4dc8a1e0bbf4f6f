// Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/endian.rs, one for each use of its `endian_test!`; none is left out.

import { endianness } from 'node:os'

import test, { type ExecutionContext } from 'ava'

import { MmapRegion, type ScalarType } from '../index.js'

const NATIVE_LITTLE = endianness() === 'LE'
const NATIVE_BIG = !NATIVE_LITTLE

function swapBytes(value: number | bigint, size: number): bigint {
  let swapped = 0n
  for (let i = 0; i < size; i += 1) {
    swapped = (swapped << 8n) | ((BigInt(value) >> BigInt(8 * i)) & 0xffn)
  }
  return swapped
}

/** What the memory of a value of `newType` is as an `oldType`, and the other way around. */
const endianTest = test.macro((t: ExecutionContext, oldType: ScalarType, newType: ScalarType, native: boolean) => {
  const memory = new MmapRegion(16)
  const size = memory.getArrayRef(oldType, 0, 1).elementSize
  // Upstream: the new type is as large as the old one.
  t.is(memory.getArrayRef(newType, 0, 1).elementSize, size)

  const v = BigInt.asUintN(8 * size, 0x0123_4567_89ab_cdefn)
  const slice = memory.asVolatileSlice()
  slice.writeObj(newType, v, 0)
  const transmuted = slice.readObj(oldType, 0) as number | bigint

  if (native) {
    t.is(BigInt(transmuted), v)
  } else {
    t.is(swapBytes(transmuted, size), v)
  }

  t.is(BigInt(slice.readObj(newType, 0) as number | bigint), v)
  t.is(BigInt(memory.getRef(newType, 0).load()), v)

  memory.getRef(newType, 8).store(v)
  t.is(slice.readObj(oldType, 8) as number | bigint, transmuted)
})

test('test_le16::test_endian_type', endianTest, 'u16', 'le16', NATIVE_LITTLE)
test('test_le32::test_endian_type', endianTest, 'u32', 'le32', NATIVE_LITTLE)
test('test_le64::test_endian_type', endianTest, 'u64', 'le64', NATIVE_LITTLE)
test('test_le_size::test_endian_type', endianTest, 'usize', 'leSize', NATIVE_LITTLE)
test('test_be16::test_endian_type', endianTest, 'u16', 'be16', NATIVE_BIG)
test('test_be32::test_endian_type', endianTest, 'u32', 'be32', NATIVE_BIG)
test('test_be64::test_endian_type', endianTest, 'u64', 'be64', NATIVE_BIG)
test('test_be_size::test_endian_type', endianTest, 'usize', 'beSize', NATIVE_BIG)
