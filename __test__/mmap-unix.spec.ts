// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/mmap_unix.rs. Not here, because they need bitmaps: test_mmap_region_build and
// test_dirty_tracking, both in bitmap.spec.ts.

import test, { type ExecutionContext } from 'ava'

import {
  FileOffset,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../index.js'
import { tempFile } from './upstream/temp-file.js'

function checkAnonymousRegion(t: ExecutionContext, r: MmapRegion, size: number): void {
  t.is(r.size, size)
  t.is(r.fileOffset, null)
  t.is(r.prot, PROT_READ | PROT_WRITE)
  t.is(r.flags, MAP_ANONYMOUS | MAP_NORESERVE | MAP_PRIVATE)
}

test('test_mmap_region_new', (t) => {
  t.throws(() => new MmapRegion(0))

  const size = 4096

  const r = new MmapRegion(size)
  checkAnonymousRegion(t, r, size)
})

test('test_mmap_region_set_hugetlbfs', (t) => {
  t.throws(() => new MmapRegion(0))

  const size = 4096

  let r = new MmapRegion(size)
  checkAnonymousRegion(t, r, size)
  t.is(r.isHugetlbfs, null)

  r = new MmapRegion(size)
  r.setHugetlbfs(false)
  checkAnonymousRegion(t, r, size)
  t.is(r.isHugetlbfs, false)

  r = new MmapRegion(size)
  r.setHugetlbfs(true)
  checkAnonymousRegion(t, r, size)
  t.is(r.isHugetlbfs, true)
})

test('test_mmap_region_from_file', (t) => {
  const offset = 0
  const buf1 = Uint8Array.of(1, 2, 3, 4, 5)
  const f = tempFile(t, buf1)

  const r = MmapRegion.fromFile(new FileOffset(f, offset), buf1.length)

  t.is(r.size, buf1.length - offset)
  t.is(r.fileOffset!.start, BigInt(offset))
  t.is(r.prot, PROT_READ | PROT_WRITE)
  t.is(r.flags, MAP_NORESERVE | MAP_SHARED)

  const buf2 = r.asUint8Array(0, buf1.length - offset)
  t.deepEqual(buf2, buf1.subarray(offset))
})

test('test_mmap_region_build_raw', (t) => {
  // Upstream takes 0, which is refused here: engines end the process when they make a buffer there.
  const addr = BigInt(pageSize())
  const size = pageSize()
  const prot = PROT_READ | PROT_WRITE
  const flags = MAP_NORESERVE | MAP_PRIVATE

  t.throws(() => MmapRegion.buildRaw(addr + 1n, size, prot, flags), {
    name: 'MmapRegionError',
    code: 'ERR_INVALID_POINTER',
  })

  const r = MmapRegion.buildRaw(addr, size, prot, flags)

  t.is(r.size, size)
  t.is(r.prot, PROT_READ | PROT_WRITE)
  t.is(r.flags, MAP_NORESERVE | MAP_PRIVATE)
  t.false(r.owned)
})

test('test_mmap_region_fds_overlap', (t) => {
  // Upstream takes pages of 4 KiB for granted.
  const page = pageSize()
  const fileSize = page * 2 + 2048
  // Descriptors are compared, not files. So one `FileOffset` is made from the other (upstream `FileOffset::from_arc`).
  const a = new FileOffset(tempFile(t, fileSize), 0)

  let r1 = MmapRegion.fromFile(new FileOffset(a, 0), page)
  let r2 = MmapRegion.fromFile(new FileOffset(a, page), page)
  t.false(r1.fdsOverlap(r2))

  r1 = MmapRegion.fromFile(new FileOffset(a, 0), page + 904)
  t.true(r1.fdsOverlap(r2))

  r2 = MmapRegion.fromFile(new FileOffset(a, 0), 1000)
  t.true(r1.fdsOverlap(r2))

  // Different files, so there's not overlap.
  const newFile = tempFile(t, fileSize)
  r2 = MmapRegion.fromFile(new FileOffset(newFile, 0), page + 904)
  t.false(r1.fdsOverlap(r2))

  // r2 is not file backed, so no overlap.
  r2 = new MmapRegion(5000)
  t.false(r1.fdsOverlap(r2))
})
