// The package as the property test sees it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'

import type { U64, Usize } from '../../index.js'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from '../../index.js'

import type { Atomic, Implementation, Memory, Options, Region } from './surface.js'

export class PackageUnderTest implements Implementation {
  readonly #path: string
  readonly file: number

  constructor(path: string) {
    this.#path = path
    this.file = fs.openSync(path, 'w+')
  }

  fileContent(): Uint8Array {
    return new Uint8Array(fs.readFileSync(this.#path))
  }

  empty(): Memory {
    return new GuestMemoryMmap()
  }

  fromRanges(ranges: readonly (readonly [start: U64, size: Usize])[], options: Options): Memory {
    return GuestMemoryMmap.fromRanges(ranges, options)
  }

  fromRegions(regions: readonly Region[]): Memory {
    return GuestMemoryMmap.fromRegions(regions as GuestRegionMmap[])
  }

  region(addr: U64, size: Usize, options: Options): Region {
    return GuestRegionMmap.fromRange(addr, size, null, options)
  }

  atomic(map: Memory): Atomic {
    return new GuestMemoryAtomic(map as GuestMemoryMmap) as Atomic
  }

  close(): void {
    fs.closeSync(this.file)
  }
}
