// Copyright 2020 Amazon.com, Inc. or its affiliates. All Rights Reserved.
// Copyright (C) 2020 Alibaba Cloud Computing. All rights reserved.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** Upstream's own benchmarks (`benches/` of vm-memory 0.16.2), through this package. */
import { openSync } from 'node:fs'
import { GuestMemoryMmap, GuestRegionMmap } from '../../index.js'
import {
  UPSTREAM_ACCESS_SIZE,
  UPSTREAM_BIG,
  UPSTREAM_PLACES,
  UPSTREAM_REGION_COUNT,
  UPSTREAM_REGION_SIZE,
  UPSTREAM_SMALL,
  upstreamOffset,
} from '../catalogue.js'
import { loop } from '../loop.js'
import type { Works } from './works.js'

function createGuestMemory(size: number, count: number): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges(Array.from({ length: count }, (_, index) => [index * size, size] as const))
}

function provideMemory(works: Works): void {
  const memory = createGuestMemory(UPSTREAM_REGION_SIZE, UPSTREAM_REGION_COUNT)
  const image = Uint8Array.from({ length: UPSTREAM_ACCESS_SIZE }, (_, index) => index)
  const buf = new Uint8Array(UPSTREAM_ACCESS_SIZE)
  const source = openSync('/dev/zero', 'r')
  const sink = openSync('/dev/null', 'w')
  const small = Uint32Array.of(0x1111_2222, 0x3333_4444)
  const big = new BigUint64Array(UPSTREAM_BIG / 8).fill(0x1111_2222_3333_4444n)
  const smallType = ['u32', 2] as const
  const bigType = ['u64', UPSTREAM_BIG / 8] as const
  const size = UPSTREAM_ACCESS_SIZE

  for (const place of UPSTREAM_PLACES) {
    const at = upstreamOffset(place, size)
    const smallAt = upstreamOffset(place, UPSTREAM_SMALL)
    const bigAt = upstreamOffset(place, UPSTREAM_BIG)
    const steps: Record<string, () => unknown> = {
      read_from: () => memory.readVolatileFrom(at, image, size),
      read_from_file: () => memory.readVolatileFrom(at, source, size),
      read_exact_from: () => memory.readExactVolatileFrom(at, image, size),
      read_entire_slice_from: () => memory.readSlice(buf, at),
      read_slice_from: () => memory.read(buf, at),
      read_small_obj_from: () => memory.readObj(smallType, smallAt),
      read_big_obj_from: () => memory.readObj(bigType, bigAt),
      write_to: () => memory.writeVolatileTo(at, image, size),
      write_to_file: () => memory.writeVolatileTo(at, sink, size),
      write_exact_to: () => memory.writeAllVolatileTo(at, image, size),
      write_entire_slice_to: () => memory.writeSlice(buf, at),
      write_slice_to: () => memory.write(buf, at),
      write_small_obj_to: () => memory.writeObj(smallType, small, smallAt),
      write_big_obj_to: () => memory.writeObj(bigType, big, bigAt),
    }
    for (const [name, step] of Object.entries(steps)) works.set(`upstream/${name}/${place}`, () => loop(step))
  }
}

const FIND_REGION_SIZE = 0x10_0000
const FIND_REGION_COUNT = 256

function provideFindRegion(works: Works): void {
  const memory = createGuestMemory(FIND_REGION_SIZE, FIND_REGION_COUNT)
  works.set('upstream/find_region', () =>
    loop(() => {
      let found = 0
      for (let i = 0; i < FIND_REGION_COUNT; i++) if (memory.findRegion(i * FIND_REGION_SIZE)) found++
      return found
    }),
  )
}

function provideVolatile(works: Works): void {
  const slice = GuestRegionMmap.fromRange(0, 1024).getSlice(0, 1024)
  slice.asUint8Array().fill(0xa5)
  const half = slice.getSlice(0, 512)
  const d8 = new Uint8Array(1024)
  const d16 = new Uint16Array(512)
  const long = GuestRegionMmap.fromRange(0, 10240).getSlice(0, 10240)
  const other = GuestRegionMmap.fromRange(0, 10240).getSlice(0, 10240)
  works.set('upstream/copy_to_u8', () => loop(() => slice.copyTo(d8)))
  works.set('upstream/copy_to_u16', () => loop(() => half.copyTo(d16)))
  works.set('upstream/copy_to_volatile_slice', () => loop(() => long.copyToVolatileSlice(other)))
  works.set('upstream/copy_from_u8', () => loop(() => slice.copyFrom(d8)))
  works.set('upstream/copy_from_u16', () => loop(() => half.copyFrom(d16)))
}

export function provideUpstream(works: Works): void {
  provideMemory(works)
  provideFindRegion(works)
  provideVolatile(works)
}
