// Copyright 2020 Amazon.com, Inc. or its affiliates. All Rights Reserved.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The test of upstream's src/atomic_integer.rs.

import test from 'ava'

import { MmapRegion, Ordering } from '../index.js'

test('test_atomic_integer_ops', (t) => {
  const v = 0
  const a = new MmapRegion(4).getAtomicRef('u32', 0)
  t.is(a.load(Ordering.Relaxed), v)

  const v2 = 100
  a.store(v2, Ordering.Relaxed)
  t.is(a.load(Ordering.Relaxed), v2)
})
