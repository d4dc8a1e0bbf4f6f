// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The reader thread of `test_non_atomic_access` of upstream's src/guest_memory.rs.

import { parentPort, workerData } from 'node:worker_threads'

import { GuestMemoryMmap, type SharedMemory } from '../../index.js'
import { loopTimed } from './loop-timed.js'

interface Task {
  ticket: SharedMemory<'GuestMemoryMmap'>
  dataStart: bigint
  duration: number
}

const { ticket, dataStart, duration } = workerData as Task
const mem = GuestMemoryMmap.fromShared(ticket)

let count = 0
let seen = 0
let torn: string | null = null

parentPort!.postMessage('ready', [])
loopTimed(duration, () => {
  const val = Number(mem.readObj(['u16', 5], dataStart)[0])

  // The writer alternates between 0 and the largest value, so the inner bytes are always the same. If they are not,
  // a partial value was read: the access was not atomic.
  if ((val & 0xff) !== val >>> 8) {
    torn ??= `val bytes don't match ${val.toString(16)} after ${count} iterations`
  }
  seen |= val === 0 ? 1 : 2
  count += 1
})
parentPort!.postMessage({ torn, seen }, [])
