/** The works as a region table does them, whatever memory lies behind it. */
import { closeSync, openSync, readSync, readvSync, writeSync } from 'node:fs'
import { FileOffset, memfdCreate } from '../../index.js'
import {
  ADDRESS_MASK,
  COPY_REGION_SIZE,
  randomAddresses,
  REGION_SIZE,
  regionStarts,
  RING_MASK,
  RING_START,
} from '../layout.js'
import { loop } from '../loop.js'
import { provideCopies } from './copy-works.js'
import { RegionTable } from './region-table.js'
import { provideRegions, provideScalars, touch } from './scalar-works.js'
import type { Works } from './works.js'

export type Allocate = (size: number) => ArrayBuffer | SharedArrayBuffer

function makeTable(count: number, allocate: Allocate): RegionTable {
  return new RegionTable(regionStarts(count).map((start) => ({ start, buffer: allocate(REGION_SIZE) })))
}

function provideBigAddresses(works: Works, allocate: Allocate): void {
  const table = makeTable(8, allocate)
  touch(table, randomAddresses(8))
  const big = BigUint64Array.from(randomAddresses(8), BigInt)
  works.set('scalar/read/u32/8/bigint', () => loop((i) => table.readU32(Number(big[i & ADDRESS_MASK]!))))
  works.set('scalar/write/u32/8/bigint', () => loop((i) => table.writeU32(i, Number(big[i & ADDRESS_MASK]!))))
}

function makeCopyTable(allocate: Allocate): RegionTable {
  return new RegionTable([0, COPY_REGION_SIZE].map((start) => ({ start, buffer: allocate(COPY_REGION_SIZE) })))
}

function provideRing(works: Works, allocate: Allocate): void {
  const table = makeTable(2, allocate)
  works.set('ring/load', () => loop((i) => table.load(RING_START + 2 * (i & RING_MASK))))
  works.set('ring/store', () => loop((i) => table.store(i & 0xffff, RING_START + 2 * (i & RING_MASK))))
}

function provideLookups(works: Works, allocate: Allocate): void {
  for (const count of [1, 8, 256]) {
    const table = makeTable(count, allocate)
    const at = randomAddresses(count)
    works.set(`lookup/find/${count}`, () => loop((i) => table.find(at[i & ADDRESS_MASK]!)))
  }
}

const TRANSFER = 65536

function provideTransfers(works: Works, allocate: Allocate): void {
  const zero = openSync('/dev/zero', 'r')
  const nothing = openSync('/dev/null', 'w')
  const bytes = makeTable(2, allocate).find(0).bytes.subarray(0, TRANSFER)
  works.set('transfer/read/65536', () => loop(() => readSync(zero, bytes)))
  works.set('transfer/write/65536', () => loop(() => writeSync(nothing, bytes)))
  const fd = memfdCreate('disk', TRANSFER)
  const file = new FileOffset(fd, 0)
  closeSync(fd)
  works.set('transfer/views/65536', () => loop(() => readvSync(file.fd, [bytes], 0)))
}

export function provideTable(group: string, works: Works, allocate: Allocate): void {
  const make = (count: number): RegionTable => makeTable(count, allocate)
  const groups: Record<string, (works: Works, allocate: Allocate) => void> = {
    scalar: () => {
      provideScalars(works, make)
      provideBigAddresses(works, allocate)
    },
    ring: provideRing,
    lookup: provideLookups,
    copy: () => provideCopies(works, makeCopyTable(allocate)),
    transfer: provideTransfers,
    regions: () => provideRegions(works, make),
  }
  groups[group]?.(works, allocate)
}
