// Memory that programs begin with.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Draft, Range, Thing } from './draft.js'
import { literal } from './numbers.js'

const range = (start: bigint | number, size: number): Range => ({ start: BigInt(start), size })

/** Sizes at which something ends that is not a page. */
const SIZES = [1, 7, 0x800, 0xfff, 0x1000, 0x1001, 0x2000, 0x2345]
const GAPS = [0, 0, 0, 1, 7, 0x1000, 2 ** 32]
const ANCHORS = [0n, 0n, 7n, 0x1000n, 2n ** 32n - 0x1000n, 2n ** 53n - 0x1003n, 2n ** 63n - 0x1800n]

function rangesOf({ chance }: Draft): Range[] {
  return chance.weighted<() => Range[]>([
    [4, () => [range(0, 0x1000), range(0x1000, 0x1000)]],
    [3, () => [range(0, 0x1000), range(0x1000, 0x2345), range(0x8000, 7)]],
    [2, () => [range(0x1000, 0x3000)]],
    [2, () => Array.from({ length: 12 }, (_, i) => range(i * 0x1800 - (i % 2) * 0x800, 0x1000))],
    [2, () => [range(2n ** 64n - 0x3001n, 0x1000), range(2n ** 64n - 0x2001n, 0x2000)]],
    [1, () => [range(0, 0x800), range(0x10000, 0x18000), range(0x28000, 0x1000)]],
    [6, () => anyRanges(chance.among(ANCHORS), 1 + chance.below(4))],
  ])()

  function anyRanges(anchor: bigint, count: number): Range[] {
    let next = anchor
    return Array.from({ length: count }, () => {
      const each = range(next + BigInt(chance.among(GAPS)), chance.among(SIZES))
      next = each.start + BigInt(each.size)
      return each
    })
  }
}

export function options({ chance }: Draft): string {
  return chance.weighted([
    [6, ', { bitmap: true }'],
    [3, ''],
    [1, ', { bitmap: false }'],
    [1, ', { bitmap: true, recoverFaults: true }'],
  ])
}

/** A region of its own: tracked or not, of a file, without a right. */
export function defineRegion(draft: Draft, at: Range): Thing {
  const { chance } = draft
  const start = literal(draft, at.start)
  const size = literal(draft, BigInt(at.size))
  const tracked = options(draft)
  const build = (prot: string) => `MmapRegion.build(null, ${size}, ${prot}, MAP_ANONYMOUS | MAP_PRIVATE${tracked})`
  const code = chance.weighted<() => string>([
    [6, () => `GuestRegionMmap.fromRange(${start}, ${size}, null${tracked})`],
    [2, () => `new GuestRegionMmap(new MmapRegion(${size}${tracked}), ${start})`],
    [2, () => `new GuestRegionMmap(${build('PROT_READ')}, ${start})`],
    [1, () => `new GuestRegionMmap(${build('PROT_NONE')}, ${start})`],
    [1, () => `new GuestRegionMmap(${build('PROT_WRITE')}, ${start})`],
    [1, () => `new GuestRegionMmap(${build('PROT_READ | PROT_WRITE')}, ${start})`],
    [2, () => `GuestRegionMmap.fromRange(${start}, ${size}, ${defineFileOffset(draft, at.size)}${tracked})`],
  ])()
  return draft.define('region', code, { ranges: [{ start: 0n, size: at.size }] })
}

export function defineFile(draft: Draft, size: number): Thing {
  return draft.define('file', `file(${size}${draft.chance.percent(30) ? `, ${draft.chance.below(size)}` : ''})`)
}

export function defineFileOffset(draft: Draft, size: number): string {
  if (draft.has('fileOffset') && draft.chance.percent(30)) return draft.pick('fileOffset').name
  const file = defineFile(draft, size + 0x2000)
  const start = draft.chance.weighted([
    [6, '0'],
    [2, 'pageSize()'],
    [1, '1'],
  ])
  return draft.define('fileOffset', `new FileOffset(${file.name}, ${start})`).name
}

/** A map of everything that there can be beside each other, and a pattern in it. */
export function defineMap(draft: Draft): Thing {
  const { chance } = draft
  const ranges = rangesOf(draft)
  const text = ranges.map(({ start, size }) => `[${literal(draft, start)}, ${literal(draft, BigInt(size))}]`).join(', ')
  const map = chance.percent(65)
    ? draft.define('map', `GuestMemoryMmap.fromRanges([${text}]${options(draft)})`, { ranges })
    : draft.define(
        'map',
        `GuestMemoryMmap.fromRegions([${ranges.map((each) => defineRegion(draft, each).name).join(', ')}])`,
        { ranges },
      )
  for (const { start, size } of ranges) {
    if (chance.percent(50)) draft.do(`${map.name}.write(pattern(${size}, ${chance.below(256)}), ${start}n)`)
  }
  return map
}
