// Portions Copyright 2019 Red Hat, Inc.
//
// Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The other thread of `observe_mutate` of upstream's src/volatile_memory.rs.

import { parentPort, workerData } from 'node:worker_threads'

import { GuestMemoryMmap, type SharedMemory } from '../../index.js'

const mem = GuestMemoryMmap.fromShared(workerData as SharedMemory<'GuestMemoryMmap'>)

parentPort!.once('message', () => {
  const insideSlice = mem.getSlice(0, 1)
  insideSlice.getRef('u8', 0).store(0)
  parentPort!.postMessage('stored', [])
})
