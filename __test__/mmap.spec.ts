// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/mmap.rs. Not here:
// - test_dirty_tracking, which needs bitmaps: in bitmap.spec.ts.
// - test_guest_memory_mmap_as_volatile_slice, which needs `VolatileRef`: in volatile-memory.spec.ts.

import { closeSync, openSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import { FileOffset, GuestMemoryMmap, GuestRegionMmap, MmapRegion, pageSize, type GuestRange } from '../index.js'
import { checkAtomicAccesses } from './upstream/atomic-accesses.js'
import { tempFile } from './upstream/temp-file.js'

type RegionsSummary = readonly (readonly [start: bigint, size: number])[]
type NewGuestMemory = (t: ExecutionContext, regionsSummary: RegionsSummary) => GuestMemoryMmap

const USIZE_MAX = 2n ** 64n - 1n

test('basic_map', (t) => {
  const m = new MmapRegion(1024)
  t.is(m.size, 1024)
})

function checkGuestMemoryMmap(t: ExecutionContext, guestMem: GuestMemoryMmap, expected: RegionsSummary): void {
  t.is(guestMem.numRegions, expected.length)
  const [lastStart, lastSize] = expected.at(-1)!
  t.is(guestMem.lastAddr, lastStart + BigInt(lastSize) - 1n)
  for (const [i, region] of [...guestMem].entries()) {
    const [start, size] = expected[i]!
    t.is(region.startAddr, start)
    t.is(region.size, size)

    t.not(guestMem.findRegion(start), null)
  }
}

const newGuestMemoryMmap: NewGuestMemory = (_t, regionsSummary) => GuestMemoryMmap.fromRanges(regionsSummary)

// Upstream's `from_regions` and `from_arc_regions` are one function here.
const newGuestMemoryMmapFromRegions: NewGuestMemory = (_t, regionsSummary) =>
  GuestMemoryMmap.fromRegions(regionsSummary.map(([start, size]) => GuestRegionMmap.fromRange(start, size, null)))

const newGuestMemoryMmapWithFiles: NewGuestMemory = (t, regionsSummary) =>
  GuestMemoryMmap.fromRangesWithFiles(
    regionsSummary.map(([start, size]): GuestRange => [start, size, new FileOffset(tempFile(t, size), 0)]),
  )

const constructors = [newGuestMemoryMmap, newGuestMemoryMmapWithFiles, newGuestMemoryMmapFromRegions]

test('test_no_memory_region', (t) => {
  for (const newGuestMemory of constructors) {
    t.throws(() => newGuestMemory(t, []), { name: 'MmapError', code: 'ERR_NO_MEMORY_REGION' })
  }
})

test('test_overlapping_memory_regions', (t) => {
  const regionsSummary: RegionsSummary = [
    [0n, 100],
    [99n, 100],
  ]

  for (const newGuestMemory of constructors) {
    t.throws(() => newGuestMemory(t, regionsSummary), { name: 'MmapError', code: 'ERR_MEMORY_REGION_OVERLAP' })
  }
})

test('test_unsorted_memory_regions', (t) => {
  const regionsSummary: RegionsSummary = [
    [100n, 100],
    [0n, 100],
  ]

  for (const newGuestMemory of constructors) {
    t.throws(() => newGuestMemory(t, regionsSummary), { name: 'MmapError', code: 'ERR_UNSORTED_MEMORY_REGIONS' })
  }
})

test('test_valid_memory_regions', (t) => {
  const regionsSummary: RegionsSummary = [
    [0n, 100],
    [100n, 100],
  ]

  const guestMem = new GuestMemoryMmap()
  t.is(guestMem.numRegions, 0)

  for (const newGuestMemory of constructors) {
    checkGuestMemoryMmap(t, newGuestMemory(t, regionsSummary), regionsSummary)
  }
})

test('slice_addr', (t) => {
  const m = GuestRegionMmap.fromRange(0, 5, null)
  const s = m.getSlice(2, 3)
  t.is(s.asPtr(), m.asPtr() + 2n)
})

test('mapped_file_read', (t) => {
  const sampleBuf = Uint8Array.of(1, 2, 3, 4, 5)
  const f = tempFile(t, sampleBuf)

  const file = new FileOffset(f, 0)
  const memMap = GuestRegionMmap.fromRange(0, sampleBuf.length, file)
  const buf = new Uint8Array(16)
  t.is(memMap.asVolatileSlice().read(buf, 0), sampleBuf.length)
  t.deepEqual(buf.subarray(0, sampleBuf.length), sampleBuf)
})

/** The same ranges twice: in anonymous memory, and each backed by a file as long as it is. */
function anonymousAndFileBacked(t: ExecutionContext, ranges: RegionsSummary): [GuestMemoryMmap, GuestMemoryMmap] {
  return [newGuestMemoryMmap(t, ranges), newGuestMemoryMmapWithFiles(t, ranges)]
}

const twoRegionsWithHole: RegionsSummary = [
  [0x0n, 0x400],
  [0x800n, 0x400],
]

test('test_address_in_range', (t) => {
  for (const guestMem of anonymousAndFileBacked(t, twoRegionsWithHole)) {
    t.true(guestMem.addressInRange(0x200))
    t.false(guestMem.addressInRange(0x600))
    t.true(guestMem.addressInRange(0xa00))
    t.false(guestMem.addressInRange(0xc00))
  }
})

test('test_check_address', (t) => {
  for (const guestMem of anonymousAndFileBacked(t, twoRegionsWithHole)) {
    t.is(guestMem.checkAddress(0x200), 0x200n)
    t.is(guestMem.checkAddress(0x600), null)
    t.is(guestMem.checkAddress(0xa00), 0xa00n)
    t.is(guestMem.checkAddress(0xc00), null)
  }
})

test('test_to_region_addr', (t) => {
  for (const guestMem of anonymousAndFileBacked(t, twoRegionsWithHole)) {
    t.is(guestMem.toRegionAddr(0x600), null)
    const [r0, addr0] = guestMem.toRegionAddr(0x800)!
    const [r1, addr1] = guestMem.toRegionAddr(0xa00)!
    t.is(r0.asPtr(), r1.asPtr())
    t.is(addr0, 0)
    t.is(addr1, 0x200)
  }
})

test('test_get_host_address', (t) => {
  for (const guestMem of anonymousAndFileBacked(t, twoRegionsWithHole)) {
    t.throws(() => guestMem.getHostAddress(0x600))
    const ptr0 = guestMem.getHostAddress(0x800)
    const ptr1 = guestMem.getHostAddress(0xa00)
    t.is(ptr0, guestMem.findRegion(0x800)!.asPtr())
    t.is(ptr0 + 0x200n, ptr1)
  }
})

test('test_deref', (t) => {
  const startAddr = 0x0n
  for (const guestMem of anonymousAndFileBacked(t, [[startAddr, 0x400]])) {
    const sampleBuf = Uint8Array.of(1, 2, 3, 4, 5)

    t.is(guestMem.write(sampleBuf, startAddr), 5)
    const slice = guestMem.findRegion(0)!.asVolatileSlice()

    const buf = new Uint8Array(5)
    t.is(slice.read(buf, 0), 5)
    t.deepEqual(buf, sampleBuf)
  }
})

test('test_read_u64', (t) => {
  const badAddr = 0x2001n
  const badAddr2 = 0x1ffcn
  const maxAddr = 0x2000n

  const ranges: RegionsSummary = [
    [0x0n, 0x1000],
    [0x1000n, 0x1000],
  ]
  for (const gm of anonymousAndFileBacked(t, ranges)) {
    const val1 = 0xaa55_aa55_aa55_aa55n
    const val2 = 0x55aa_55aa_55aa_55aan
    t.like(
      t.throws(() => gm.writeObj('u64', val1, badAddr)),
      {
        name: 'GuestMemoryError',
        code: 'ERR_INVALID_GUEST_ADDRESS',
        addr: badAddr,
      },
    )
    t.like(
      t.throws(() => gm.writeObj('u64', val1, badAddr2)),
      {
        name: 'GuestMemoryError',
        code: 'ERR_PARTIAL_BUFFER',
        expected: 8,
        completed: Number(maxAddr - badAddr2),
      },
    )

    gm.writeObj('u64', val1, 0x500)
    gm.writeObj('u64', val2, 0x1000 + 32)
    const num1 = gm.readObj('u64', 0x500)
    const num2 = gm.readObj('u64', 0x1000 + 32)
    t.is(num1, val1)
    t.is(num2, val2)
  }
})

test('write_and_read', (t) => {
  for (const gm of anonymousAndFileBacked(t, [[0x1000n, 0x400]])) {
    const sampleBuf = Uint8Array.of(1, 2, 3, 4, 5)

    let startAddr = 0x1000n
    t.is(gm.write(sampleBuf, startAddr), 5)

    const buf = new Uint8Array(5)
    t.is(gm.read(buf, startAddr), 5)
    t.deepEqual(buf, sampleBuf)

    startAddr = 0x13ffn
    t.is(gm.write(sampleBuf, startAddr), 1)
    t.is(gm.read(buf, startAddr), 1)
    t.is(buf[0], sampleBuf[0])
  }
})

test('read_to_and_write_from_mem', (t) => {
  const file = openSync('/dev/zero', 'r')
  t.teardown(() => closeSync(file))

  for (const gm of anonymousAndFileBacked(t, [[0x1000n, 0x400]])) {
    const addr = 0x1010n
    gm.writeObj('u32', 0xffff_ffff, addr)
    gm.readExactVolatileFrom(addr, file, 4)
    const value = gm.readObj('u32', addr)
    t.is(value, 0)

    const sink = new Uint8Array(4)
    gm.writeAllVolatileTo(addr, sink, 4)
    t.deepEqual(sink, new Uint8Array(4))
  }
})

test('create_vec_with_regions', (t) => {
  const regionSize = 0x400
  const regions: [bigint, number][] = [
    [0x0n, regionSize],
    [0x1000n, regionSize],
  ]
  const iteratedRegions: [bigint, number][] = []
  const gm = GuestMemoryMmap.fromRanges(regions)

  for (const region of gm.iter()) {
    t.is(region.len, regionSize)
  }

  for (const region of gm.iter()) {
    iteratedRegions.push([region.startAddr, region.len])
  }
  t.deepEqual(iteratedRegions, regions)

  const guestBases = [...gm].map((region) => region.startAddr)
  t.is(guestBases[0], regions[0]![0])
  t.is(guestBases[1], regions[1]![0])
})

test('test_memory', (t) => {
  const regionSize = 0x400
  const regions: [bigint, number][] = [
    [0x0n, regionSize],
    [0x1000n, regionSize],
  ]
  const iteratedRegions: [bigint, number][] = []
  const gm = GuestMemoryMmap.fromRanges(regions)
  const mem = gm.memory()

  for (const region of mem.iter()) {
    t.is(region.len, regionSize)
  }

  for (const region of mem.iter()) {
    iteratedRegions.push([region.startAddr, region.len])
  }
  t.deepEqual(iteratedRegions, regions)

  const guestBases = [...gm].map((region) => region.startAddr)
  t.is(guestBases[0], regions[0]![0])
  t.is(guestBases[1], regions[1]![0])
})

test('test_access_cross_boundary', (t) => {
  const ranges: RegionsSummary = [
    [0x0n, 0x1000],
    [0x1000n, 0x1000],
  ]
  for (const gm of anonymousAndFileBacked(t, ranges)) {
    const sampleBuf = Uint8Array.of(1, 2, 3, 4, 5)
    t.is(gm.write(sampleBuf, 0xffc), 5)
    const buf = new Uint8Array(5)
    t.is(gm.read(buf, 0xffc), 5)
    t.deepEqual(buf, sampleBuf)
  }
})

test('test_retrieve_fd_backing_memory_region', (t) => {
  const f = tempFile(t, 0x400)

  const startAddr = 0x0n
  let gm = GuestMemoryMmap.fromRanges([[startAddr, 0x400]])
  t.not(gm.findRegion(startAddr), null)
  let region = gm.findRegion(startAddr)!
  t.is(region.fileOffset, null)

  gm = GuestMemoryMmap.fromRangesWithFiles([[startAddr, 0x400, new FileOffset(f, 0)]])
  t.not(gm.findRegion(startAddr), null)
  region = gm.findRegion(startAddr)!
  t.not(region.fileOffset, null)
})

test('test_retrieve_offset_from_fd_backing_memory_region', (t) => {
  // Needs to be aligned on a page, otherwise mmap will fail. (Upstream takes pages of 4k for granted.)
  const offset = BigInt(pageSize())
  const f = tempFile(t, pageSize() + 0x400)

  const startAddr = 0x0n
  let gm = GuestMemoryMmap.fromRanges([[startAddr, 0x400]])
  t.not(gm.findRegion(startAddr), null)
  let region = gm.findRegion(startAddr)!
  t.is(region.fileOffset, null)

  gm = GuestMemoryMmap.fromRangesWithFiles([[startAddr, 0x400, new FileOffset(f, offset)]])
  t.not(gm.findRegion(startAddr), null)
  region = gm.findRegion(startAddr)!
  t.not(region.fileOffset, null)
  t.is(region.fileOffset!.start, offset)
})

test('test_mmap_insert_region', (t) => {
  const regionSize = 0x1000
  let gm = GuestMemoryMmap.fromRanges([
    [0x0, regionSize],
    [0x10_0000, regionSize],
  ])
  const memOrig = gm.memory()
  t.is(memOrig.numRegions, 2)

  gm = gm.insertRegion(GuestRegionMmap.fromRange(0x8000, 0x1000, null))
  gm = gm.insertRegion(GuestRegionMmap.fromRange(0x4000, 0x1000, null))
  gm = gm.insertRegion(GuestRegionMmap.fromRange(0xc000, 0x1000, null))
  const overlapping = GuestRegionMmap.fromRange(0xc000, 0x1000, null)
  t.throws(() => gm.insertRegion(overlapping))

  t.is(memOrig.numRegions, 2)
  t.is(gm.numRegions, 5)

  t.deepEqual(
    [...gm].map((region) => region.startAddr),
    [0x0000n, 0x4000n, 0x8000n, 0xc000n, 0x10_0000n],
  )
})

test('test_mmap_remove_region', (t) => {
  const regionSize = 0x1000
  const gm = GuestMemoryMmap.fromRanges([
    [0x0, regionSize],
    [0x10_0000, regionSize],
  ])
  const memOrig = gm.memory()
  t.is(memOrig.numRegions, 2)

  t.throws(() => gm.removeRegion(0, 128))
  t.throws(() => gm.removeRegion(0x4000, 128))
  const [newGm, region] = gm.removeRegion(0x10_0000, 0x1000)

  t.is(memOrig.numRegions, 2)
  t.is(newGm.numRegions, 1)

  t.is([...newGm][0]!.startAddr, 0x0000n)
  t.is(region.startAddr, 0x10_0000n)
})

test('test_guest_memory_mmap_get_slice', (t) => {
  const region = GuestRegionMmap.fromRange(0, 0x400, null)

  // Normal case.
  t.is(region.getSlice(0x100, 0x200).len, 0x200)

  // Empty slice.
  t.true(region.getSlice(0x200, 0x0).isEmpty)

  // Error case when the size is beyond the boundary.
  t.throws(() => region.getSlice(0x300, 0x200))
})

test('test_guest_memory_get_slice', (t) => {
  const guestMem = GuestMemoryMmap.fromRanges(twoRegionsWithHole)

  // Normal cases.
  t.is(guestMem.getSlice(0x100, 0x200).len, 0x200)
  t.is(guestMem.getSlice(0x800, 0x400).len, 0x400)

  // Empty slice.
  t.true(guestMem.getSlice(0x900, 0).isEmpty)

  // Error cases, wrong size or base address.
  t.throws(() => guestMem.getSlice(0, 0x500))
  t.throws(() => guestMem.getSlice(0x600, 0x100))
  t.throws(() => guestMem.getSlice(0xc00, 0x100))
})

const startAddr1 = 0n
const startAddr2 = 0x800n
const startAddr3 = 0xc00n
const threeRegions: RegionsSummary = [
  [startAddr1, 0x400],
  [startAddr2, 0x400],
  [startAddr3, 0x400],
]

test('test_checked_offset', (t) => {
  const guestMem = GuestMemoryMmap.fromRanges(threeRegions)

  t.is(guestMem.checkedOffset(startAddr1, 0x200), 0x200n)
  t.is(guestMem.checkedOffset(startAddr1, 0xa00), 0xa00n)
  t.is(guestMem.checkedOffset(startAddr2, 0x7ff), 0xfffn)
  t.is(guestMem.checkedOffset(startAddr2, 0xc00), null)
  t.is(guestMem.checkedOffset(startAddr1, USIZE_MAX), null)

  t.is(guestMem.checkedOffset(startAddr1, 0x400), null)
  t.is(guestMem.checkedOffset(startAddr1, 0x400 - 1), 0x400n - 1n)
})

test('test_check_range', (t) => {
  const guestMem = GuestMemoryMmap.fromRanges(threeRegions)

  t.true(guestMem.checkRange(startAddr1, 0x0))
  t.true(guestMem.checkRange(startAddr1, 0x200))
  t.true(guestMem.checkRange(startAddr1, 0x400))
  t.false(guestMem.checkRange(startAddr1, 0xa00))
  t.true(guestMem.checkRange(startAddr2, 0x7ff))
  t.true(guestMem.checkRange(startAddr2, 0x800))
  t.false(guestMem.checkRange(startAddr2, 0x801))
  t.false(guestMem.checkRange(startAddr2, 0xc00))
  t.false(guestMem.checkRange(startAddr1, USIZE_MAX))
})

test('test_atomic_accesses', (t) => {
  const region = GuestRegionMmap.fromRange(0, 0x1000, null)

  checkAtomicAccesses(t, region, 0, 0x1000)
})
