// The memories that several specs start from.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { GuestMemoryMmap, type GuestRegionMmap } from '../index.js'

/** Two adjacent regions, then a hole: 0x1000–0x2fff. */
export function twoRegions(): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges([
    [0x1000, 0x1000],
    [0x2000, 0x1000],
  ])
}

/** The first region, which most memories here have alone. */
export function firstRegion(memory: GuestMemoryMmap): GuestRegionMmap {
  const [region] = [...memory]
  if (region === undefined) throw new Error('a memory without a region')
  return region
}

export function bytesOf(memory: GuestMemoryMmap, addr: number | bigint, length: number): number[] {
  const bytes = new Uint8Array(length)
  memory.readSlice(bytes, addr)
  return [...bytes]
}
