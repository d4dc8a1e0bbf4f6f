// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/address.rs. Left out, because an address is a plain bigint here and these would test
// the language: test_new, test_default (constructors of the type), test_equals, test_cmp, test_bit_and and test_bit_or
// (operators of the type).

import test, { type ExecutionContext } from 'ava'

import { GuestAddress } from '../index.js'

const U64_MAX = 2n ** 64n - 1n

test('test_offset_from', (t) => {
  const base = 0x100n
  const addr = 0x150n
  t.is(GuestAddress.uncheckedOffsetFrom(addr, base), 0x50n)
  t.is(GuestAddress.checkedOffsetFrom(addr, base), 0x50n)
  t.is(GuestAddress.checkedOffsetFrom(base, addr), null)
})

test('test_checked_align_up', (t) => {
  t.is(GuestAddress.checkedAlignUp(0x128, 8), 0x128n)
  t.is(GuestAddress.checkedAlignUp(0x128, 16), 0x130n)
  t.is(GuestAddress.checkedAlignUp(U64_MAX - 0x3fffn, 0x10000), null)
})

test('test_checked_align_up_invalid', (t) => {
  // Upstream panics.
  t.throws(() => GuestAddress.checkedAlignUp(0x128, 12), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
})

test('test_unchecked_align_up', (t) => {
  t.is(GuestAddress.uncheckedAlignUp(0x128, 8), 0x128n)
  t.is(GuestAddress.uncheckedAlignUp(0x128, 16), 0x130n)
})

test('test_mask', (t) => {
  const a = 0x5050n
  t.is(GuestAddress.mask(a, 0xff00), 0x5000n)
  // Upstream's operators on addresses are those of what the functions return.
  t.is(GuestAddress.uncheckedAdd(a, 0) & 0xff00n, 0x5000n)
  t.is(GuestAddress.uncheckedAdd(a, 0) | 0x0005n, 0x5055n)
})

function checkAdd(t: ExecutionContext, a: bigint, b: bigint, expectedOverflow: boolean, expectedResult: bigint): void {
  t.deepEqual(GuestAddress.overflowingAdd(a, b), [expectedResult, expectedOverflow])
  t.is(GuestAddress.checkedAdd(a, b), expectedOverflow ? null : expectedResult)
  // Upstream's wraps in a release build and panics in a debug build; this one always wraps.
  t.is(GuestAddress.uncheckedAdd(a, b), expectedResult)
}

test('test_add', (t) => {
  // without overflow
  // normal case
  checkAdd(t, 10n, 10n, false, 20n)
  // edge case
  checkAdd(t, U64_MAX - 1n, 1n, false, U64_MAX)

  // with overflow
  checkAdd(t, U64_MAX, 1n, true, 0n)
})

function checkSub(t: ExecutionContext, a: bigint, b: bigint, expectedOverflow: boolean, expectedResult: bigint): void {
  t.deepEqual(GuestAddress.overflowingSub(a, b), [expectedResult, expectedOverflow])
  t.is(GuestAddress.checkedSub(a, b), expectedOverflow ? null : expectedResult)
  t.is(GuestAddress.checkedOffsetFrom(a, b), expectedOverflow ? null : expectedResult)
  // Upstream's wraps in a release build and panics in a debug build; this one always wraps.
  t.is(GuestAddress.uncheckedSub(a, b), expectedResult)
}

test('test_sub', (t) => {
  // without overflow
  // normal case
  checkSub(t, 20n, 10n, false, 10n)
  // edge case
  checkSub(t, 1n, 1n, false, 0n)

  // with underflow
  checkSub(t, 0n, 1n, true, U64_MAX)
})
