// Portions Copyright 2019 Red Hat, Inc.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// `check_atomic_accesses` of upstream's src/bytes.rs, shared by the tests of everything that implements `Bytes`.

import type { ExecutionContext } from 'ava'

import { Ordering, type ByteAccess } from '../../index.js'

/** Atomic accesses to `bytes`, which must be zero at `addr`. */
export function checkAtomicAccesses<A>(t: ExecutionContext, bytes: ByteAccess<A>, addr: A, badAddr: A): void {
  const val = 100

  t.is(bytes.load('u32', addr, Ordering.Relaxed), 0)
  bytes.store('u32', val, addr, Ordering.Relaxed)
  t.is(bytes.load('u32', addr, Ordering.Relaxed), val)

  t.throws(() => bytes.load('u32', badAddr, Ordering.Relaxed))
  t.throws(() => bytes.store('u32', val, badAddr, Ordering.Relaxed))
}
