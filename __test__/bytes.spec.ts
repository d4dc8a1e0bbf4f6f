// Portions Copyright 2019 Red Hat, Inc.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/bytes.rs. Left out:
// - test_byte_valued: `from_slice` and its kin give Rust references, if the bytes are aligned.

import test from 'ava'

import { volatileSlice } from './upstream/backing.js'

const BYTES_CONTAINER_SIZE = 10

test('test_bytes', (t) => {
  // Upstream has a container of its own, to test what the trait derives from `read_slice` and `write_slice`.
  const bytes = volatileSlice(new Uint8Array(BYTES_CONTAINER_SIZE))

  t.notThrows(() => bytes.writeObj('u64', 2n ** 64n - 1n, 0))
  t.is(bytes.readObj('u64', 0), 2n ** 64n - 1n)

  t.throws(() => bytes.writeObj('u64', 2n ** 64n - 1n, BYTES_CONTAINER_SIZE))
  t.throws(() => bytes.readObj('u64', BYTES_CONTAINER_SIZE))
})

test('byte_valued_slice', (t) => {
  const a = Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1)
  // Upstream's `struct S { a: u32, b: u32 }`.
  const s = volatileSlice(new Uint8Array(8))
  s.copyFrom(a)
  t.is(s.readObj('u32', 0), 0)
  t.is(s.readObj('u32', 4), 0x0101_0101)
})
