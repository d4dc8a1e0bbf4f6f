// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** Runs `fn` in a loop, until at least `duration` milliseconds have elapsed (upstream `loop_timed`). */
export function loopTimed(duration: number, fn: () => void): void {
  // The time is looked at every so many iterations.
  const checkPeriod = 10_000
  const start = performance.now()

  do {
    for (let i = 0; i < checkPeriod; i += 1) {
      fn()
    }
  } while (performance.now() - start < duration)
}
