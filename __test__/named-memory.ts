// Memory on a memfd with a name, by which the kernel tells whether it is still mapped and open.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { FileOffset, GuestMemoryMmap, type GuestRegionMmap, memfdCreate, pageSize } from '../index.js'
import { descriptorsOf, mappingsOf } from './process-resources.js'

export const BASE = 0x10000
export const SIZE = 4 * pageSize()
export const MARK = 0x5a

let names = 0
export const freshName = (): string => `named-${process.pid}-${(names += 1)}`

/** The start of a file to map; only the `FileOffset` has it open. */
export function namedFile(name: string): FileOffset {
  const fd = memfdCreate(name, SIZE)
  try {
    return new FileOffset(fd, 0)
  } finally {
    fs.closeSync(fd)
  }
}

/** A memory of one region that begins with MARK. */
export function namedMemory(name: string): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRangesWithFiles([[BASE, SIZE, namedFile(name)]], { bitmap: true })
  memory.writeU8(MARK, BASE)
  return memory
}

export function regionOf(memory: GuestMemoryMmap): GuestRegionMmap {
  const region = memory.findRegion(BASE)
  if (region === null) throw new Error('the region is gone')
  return region
}

export const isGone = (name: string) => (): boolean => mappingsOf(name) === 0 && descriptorsOf(name) === 0
