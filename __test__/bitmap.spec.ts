// Copyright 2021 Amazon.com, Inc. or its affiliates. All Rights Reserved.
// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/bitmap, and those of its src/mmap.rs and src/mmap_unix.rs that need bitmaps. Left out:
// - test_bitmap_impl of backend/atomic_bitmap_arc.rs: `AtomicBitmapArc` is private to the crate.

import { ftruncateSync } from 'node:fs'
import { constants } from 'node:os'

import test from 'ava'

import {
  AtomicBitmap,
  FileOffset,
  GuestMemoryMmap,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MmapRegion,
  MmapRegionBuilder,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../index.js'
import {
  DIRTY_TRACKING_SIZE,
  rangeIsClean,
  rangeIsDirty,
  testBitmap,
  testGuestMemoryAndRegion,
  testVolatileMemory,
} from './upstream/dirty-tracking.js'
import { tempFile } from './upstream/temp-file.js'

const DEFAULT_PAGE_SIZE = 128

test('test_bitmap_basic', (t) => {
  // Test that bitmap size is properly rounded up.
  const a = new AtomicBitmap(1025, DEFAULT_PAGE_SIZE)
  t.is(a.len, 9)

  const b = new AtomicBitmap(1024, DEFAULT_PAGE_SIZE)
  t.is(b.len, 8)
  b.setAddrRange(128, 129)
  t.false(b.isAddrSet(0))
  t.true(b.isAddrSet(128))
  t.true(b.isAddrSet(256))
  t.false(b.isAddrSet(384))

  const copyB = b.clone()
  t.true(copyB.isAddrSet(256))
  t.false(copyB.isAddrSet(384))

  b.reset()
  t.false(b.isAddrSet(128))
  t.false(b.isAddrSet(256))
  t.false(b.isAddrSet(384))

  b.setAddrRange(128, 129)
  const v = b.getAndReset()

  t.false(b.isAddrSet(128))
  t.false(b.isAddrSet(256))
  t.false(b.isAddrSet(384))

  t.is(v.length, 1)
  t.is(v[0], 0b110n)
})

test('test_bitmap_reset', (t) => {
  const b = new AtomicBitmap(1024, DEFAULT_PAGE_SIZE)
  t.is(b.len, 8)
  b.setAddrRange(128, 129)
  t.false(b.isAddrSet(0))
  t.true(b.isAddrSet(128))
  t.true(b.isAddrSet(256))
  t.false(b.isAddrSet(384))

  b.resetAddrRange(128, 129)
  t.false(b.isAddrSet(0))
  t.false(b.isAddrSet(128))
  t.false(b.isAddrSet(256))
  t.false(b.isAddrSet(384))
})

test('test_bitmap_out_of_range', (t) => {
  const b = new AtomicBitmap(1024, 1)
  // Set a partial range that goes beyond the end of the bitmap
  b.setAddrRange(768, 512)
  t.true(b.isAddrSet(768))
  // The bitmap is never set beyond its end.
  t.false(b.isAddrSet(1024))
  t.false(b.isAddrSet(1152))
})

test('test_bitmap_impl', (t) => {
  const b = new AtomicBitmap(0x800, DEFAULT_PAGE_SIZE)
  testBitmap(t, b)
})

test('test_bitmap_enlarge', (t) => {
  const b = new AtomicBitmap(8 * 1024, DEFAULT_PAGE_SIZE)
  t.is(b.len, 64)
  b.setAddrRange(128, 129)
  t.false(b.isAddrSet(0))
  t.true(b.isAddrSet(128))
  t.true(b.isAddrSet(256))
  t.false(b.isAddrSet(384))

  b.resetAddrRange(128, 129)
  t.false(b.isAddrSet(0))
  t.false(b.isAddrSet(128))
  t.false(b.isAddrSet(256))
  t.false(b.isAddrSet(384))
  b.setAddrRange(128, 129)
  b.enlarge(8 * 1024)
  for (let i = 65; i < 128; i += 1) {
    t.false(b.isBitSet(i))
  }
  t.is(b.len, 128)
  t.false(b.isAddrSet(0))
  t.true(b.isAddrSet(128))
  t.true(b.isAddrSet(256))
  t.false(b.isAddrSet(384))

  b.setBit(55)
  t.true(b.isBitSet(55))
  for (let i = 65; i < 128; i += 1) {
    b.setBit(i)
  }
  for (let i = 65; i < 128; i += 1) {
    t.true(b.isBitSet(i))
  }
  b.resetAddrRange(0, 16 * 1024)
  for (let i = 0; i < 128; i += 1) {
    t.false(b.isBitSet(i))
  }
})

test('test_slice', (t) => {
  const bitmapSize = 0x800
  const dirtyOffset = 0x400
  const dirtyLen = 0x100

  let bitmap = new AtomicBitmap(bitmapSize, 1)
  const slice1 = bitmap.sliceAt(0)
  const slice2 = bitmap.sliceAt(dirtyOffset)

  t.true(rangeIsClean(slice1, 0, bitmapSize))
  t.true(rangeIsClean(slice2, 0, dirtyLen))

  bitmap.markDirty(dirtyOffset, dirtyLen)

  t.true(rangeIsDirty(slice1, dirtyOffset, dirtyLen))
  t.true(rangeIsDirty(slice2, 0, dirtyLen))

  bitmap = new AtomicBitmap(bitmapSize, 1)
  testBitmap(t, bitmap.sliceAt(0))
})

test('mmap::test_dirty_tracking', (t) => {
  testGuestMemoryAndRegion(t, () => GuestMemoryMmap.fromRanges([[0, DIRTY_TRACKING_SIZE]], { bitmap: true }))
})

test('mmap_unix::test_dirty_tracking', (t) => {
  const m = new MmapRegion(DIRTY_TRACKING_SIZE, { bitmap: true })
  testVolatileMemory(t, m)
})

test('mmap_unix::test_mmap_region_build', (t) => {
  const a = tempFile(t)

  const prot = PROT_READ | PROT_WRITE
  const flags = MAP_NORESERVE | MAP_PRIVATE
  // Upstream takes pages of 4 KiB for granted.
  const offset = BigInt(pageSize())
  const size = 1000

  // Offset + size will overflow.
  t.throws(() => MmapRegion.build(new FileOffset(a, 2n ** 64n - 1n), size, prot, flags), {
    name: 'MmapRegionError',
    code: 'ERR_INVALID_OFFSET_LENGTH',
  })

  // Offset + size is greater than the size of the file (which is 0 at this point).
  t.throws(() => MmapRegion.build(new FileOffset(a, offset), size, prot, flags), {
    name: 'MmapRegionError',
    code: 'ERR_MAPPING_PAST_EOF',
  })

  // MAP_FIXED was specified among the flags.
  t.throws(() => MmapRegion.build(new FileOffset(a, offset), size, prot, flags | MAP_FIXED), {
    name: 'MmapRegionError',
    code: 'ERR_MAP_FIXED',
  })

  // Let's resize the file.
  ftruncateSync(a, pageSize() * 2 + 2048)

  // The offset is not properly aligned.
  const unaligned = t.throws(() => MmapRegion.build(new FileOffset(a, offset - 1n), size, prot, flags))
  t.like(unaligned, { name: 'MmapRegionError', code: 'ERR_MMAP', errno: constants.errno.EINVAL })

  // The build should be successful now.
  const r = MmapRegion.build(new FileOffset(a, offset), size, prot, flags)

  t.is(r.size, size)
  t.is(r.fileOffset!.start, offset)
  t.is(r.prot, PROT_READ | PROT_WRITE)
  t.is(r.flags, MAP_NORESERVE | MAP_PRIVATE)
  t.true(r.owned)

  // Upstream looks at the fields of the builder; here they show in what it builds.
  const regionSize = 0x10_0000
  const bitmap = new AtomicBitmap(regionSize, 0x1000)
  const region = MmapRegionBuilder.newWithBitmap(regionSize, bitmap)
    .withHugetlbfs(true)
    .withMmapProt(PROT_READ | PROT_WRITE)
    .build()
  t.is(region.size, regionSize)
  t.is(region.isHugetlbfs, true)
  t.is(region.prot, PROT_READ | PROT_WRITE)

  testVolatileMemory(t, region)
})
