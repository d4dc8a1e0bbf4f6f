// Every address is found, wherever the regions lie: crowded, far apart, in several windows, at the ends of the address space.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test, { type ExecutionContext } from 'ava'
import { GuestMemoryMmap, pageSize } from '../index.js'

const PAGE = pageSize()
const GIB = 2 ** 30
const TIB = 2 ** 40
const MAX_SAFE = Number.MAX_SAFE_INTEGER

type Range = readonly [start: number | bigint, size: number]

const rowOf = (count: number, first: number, stride: number): Range[] =>
  Array.from({ length: count }, (_, index) => [first + index * stride, PAGE] as const)

const LAYOUTS: Record<string, readonly Range[]> = {
  'one region at 0': [[0, PAGE]],
  'one region far up': [[5 * TIB, PAGE]],
  '512 regions without a gap': rowOf(512, 0, PAGE),
  '512 regions with gaps': rowOf(512, 3 * GIB, 3 * PAGE),
  '300 regions in a crowd, and one at the far end': [...rowOf(300, 0, 2 * PAGE), [100 * TIB, PAGE]],
  'one at the near end, and 300 in a crowd': [[0, PAGE], ...rowOf(300, 100 * TIB, 2 * PAGE)],
  'two crowds, and lonely ones between': [
    ...rowOf(100, 0, 2 * PAGE),
    ...rowOf(10, TIB, TIB / 16),
    ...rowOf(100, 9 * TIB, 2 * PAGE),
  ],
  'a region of several windows beside small ones': [
    [0, PAGE],
    [GIB, 5 * GIB],
    [6 * GIB, PAGE],
    [7 * GIB, PAGE],
  ],
  'up to the last safe integer': [
    [0, PAGE],
    [MAX_SAFE + 1 - 2 * PAGE, PAGE],
    [MAX_SAFE + 1 - PAGE, PAGE],
  ],
  'across the last safe integer, and up to the end': [
    [0, PAGE],
    [MAX_SAFE + 1 - PAGE, 2 * PAGE],
    [2n ** 64n - 2n * BigInt(PAGE), PAGE],
  ],
}

/** Marks both ends of every GiB of every region with its own number, and looks whether each is where it belongs. */
function isWhole(t: ExecutionContext, memory: GuestMemoryMmap, ranges: readonly Range[]): void {
  const marks: [address: bigint, mark: number][] = []
  for (const [start, size] of ranges) {
    for (let offset = 0; offset < size; offset += GIB) {
      const last = Math.min(offset + GIB, size) - 4
      for (const place of [offset, last]) marks.push([BigInt(start) + BigInt(place), marks.length])
    }
  }
  /** As a number and as a bigint, where an address can be both. */
  const forms = (address: bigint): (number | bigint)[] => (address <= MAX_SAFE ? [Number(address), address] : [address])
  // In an order in which hardly any is where the one before was.
  const shuffled = marks.map((_, index) => marks[(index * 7919) % marks.length]!)
  for (const [address, mark] of shuffled) for (const form of forms(address)) memory.writeU32(mark, form)
  for (const [address, mark] of [...marks, ...shuffled]) {
    for (const form of forms(address)) {
      if (memory.readU32(form) !== mark) t.fail(`the mark at ${address} is not there`)
      if (!memory.addressInRange(form)) t.fail(`${address} is not in range`)
      if (memory.findRegion(form)?.readU32(address - memory.findRegion(form)!.startAddr) !== mark) {
        t.fail(`${address} is in another region`)
      }
    }
  }
}

/** Looks behind and before every region for what is there, or is not. */
function hasGaps(t: ExecutionContext, memory: GuestMemoryMmap, ranges: readonly Range[]): void {
  const starts = new Set(ranges.map(([start]) => BigInt(start)))
  for (const [start, size] of ranges) {
    const end = BigInt(start) + BigInt(size)
    if (starts.has(end)) {
      t.is(memory.readU8(end), memory.readU8(end))
    } else {
      t.false(memory.addressInRange(end))
      t.is(memory.findRegion(end), null)
      t.throws(() => memory.readU8(end), { code: 'ERR_INVALID_GUEST_ADDRESS' })
      t.throws(() => memory.readU32(end - 1n), { code: 'ERR_PARTIAL_BUFFER' })
    }
  }
  for (const address of [-1, -PAGE, 0.5, NaN, Infinity, MAX_SAFE + 1]) {
    t.throws(() => memory.readU8(address), { code: 'ERR_OUT_OF_RANGE' })
  }
}

for (const [name, ranges] of Object.entries(LAYOUTS)) {
  test(`every address is found: ${name}`, (t) => {
    const memory = GuestMemoryMmap.fromRanges(ranges)
    isWhole(t, memory, ranges)
    hasGaps(t, memory, ranges)
  })
}
