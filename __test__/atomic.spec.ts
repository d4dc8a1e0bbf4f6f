// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
// Copyright (C) 2020 Red Hat, Inc. All rights reserved.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/atomic.rs; none is left out.

import test from 'ava'

import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, MmapRegion } from '../index.js'

test('test_atomic_memory', (t) => {
  const regionSize = 0x400
  const regions: [bigint, number][] = [
    [0x0n, regionSize],
    [0x1000n, regionSize],
  ]
  const iteratedRegions: [bigint, number][] = []
  const gmm = GuestMemoryMmap.fromRanges(regions)
  const gm = new GuestMemoryAtomic(gmm)
  const mem = gm.memory()

  for (const region of mem.iter()) {
    t.is(region.len, regionSize)
  }

  for (const region of mem.iter()) {
    iteratedRegions.push([region.startAddr, region.len])
  }
  t.deepEqual(iteratedRegions, regions)
  t.is(mem.numRegions, 2)
  t.not(mem.findRegion(0x1000), null)
  t.is(mem.findRegion(0x10000), null)

  const mem2 = mem.intoInner()
  for (const region of mem2.iter()) {
    t.is(region.len, regionSize)
  }
  t.is(mem2.numRegions, 2)
  t.not(mem2.findRegion(0x1000), null)
  t.is(mem2.findRegion(0x10000), null)
  t.deepEqual(iteratedRegions, regions)

  const mem3 = mem2.memory()
  for (const region of mem3.iter()) {
    t.is(region.len, regionSize)
  }
  t.is(mem3.numRegions, 2)
  t.not(mem3.findRegion(0x1000), null)
  t.is(mem3.findRegion(0x10000), null)
})

test('test_clone_guard', (t) => {
  const regionSize = 0x400
  const gmm = GuestMemoryMmap.fromRanges([
    [0x0, regionSize],
    [0x1000, regionSize],
  ])
  const gm = new GuestMemoryAtomic(gmm)
  const guard1 = gm.memory()
  const mem = guard1.clone()
  // Upstream's first guard goes out of scope here.
  guard1.dispose()
  t.is(mem.numRegions, 2)
})

test('test_atomic_hotplug', (t) => {
  const regionSize = 0x1000
  const gmm = GuestMemoryMmap.fromRanges([
    [0x0, regionSize],
    [0x10_0000, regionSize],
  ])
  const gm = new GuestMemoryAtomic(gmm)
  const memOrig = gm.memory()
  t.is(memOrig.numRegions, 2)

  const guard = gm.lock()
  let newGmm = gmm.insertRegion(new GuestRegionMmap(new MmapRegion(0x1000), 0x8000))
  newGmm = newGmm.insertRegion(new GuestRegionMmap(new MmapRegion(0x1000), 0x4000))
  newGmm = newGmm.insertRegion(new GuestRegionMmap(new MmapRegion(0x1000), 0xc000))
  const overlapping = new GuestRegionMmap(new MmapRegion(0x1000), 0xc000)
  t.throws(() => newGmm.insertRegion(overlapping))
  guard.replace(newGmm)

  t.is(memOrig.numRegions, 2)
  const mem = gm.memory()
  t.is(mem.numRegions, 5)
})
