// Regions, the mappings in them, what they are built with, and what follows which pages were written.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { access, type Call, type Calls, slicing, transfers, windows } from './access.js'
import { actOf } from './acts.js'
import type { Draft } from './draft.js'
import { defineFile, defineFileOffset, options } from './layouts.js'
import { index, length, literal, odd, place, reach, size, u64 } from './numbers.js'
const PROTECTIONS = ['PROT_READ | PROT_WRITE', 'PROT_READ', 'PROT_WRITE', 'PROT_NONE', '2 ** 32', '-1', "'r'", '0.5']
const FLAGS = [
  'MAP_ANONYMOUS | MAP_PRIVATE',
  'MAP_ANONYMOUS | MAP_SHARED | MAP_NORESERVE',
  'MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED',
  'MAP_SHARED',
  '0',
  'null',
]
const FACTS = [
  'size',
  'prot',
  'flags',
  'owned',
  'fileOffset',
  'isHugetlbfs',
  'bitmap',
  'len',
  'isEmpty',
  'pageSize',
  'isReleased',
]

const protection = ({ chance }: Draft) =>
  chance.weighted([
    [6, PROTECTIONS[0] ?? ''],
    [4, chance.among(PROTECTIONS)],
  ])
const flags = ({ chance }: Draft) =>
  chance.weighted([
    [6, FLAGS[0] ?? ''],
    [3, chance.among(FLAGS)],
  ])

/** On regions and on mappings. */
const mapped: Calls = [
  ...windows,
  ...slicing,
  [2, (draft, on) => draft.do(`[${FACTS.map((fact) => `${on.name}.${fact}`).join(', ')}]`)],
  [1, (draft, on) => draft.do(`[${on.name}.recoverFaults, ${on.name}.faults, ${on.name}.healFaults()]`)],
  [1, (draft, on) => draft.do(`${on.name}.discard(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => draft.do(`${on.name}.advise(${draft.chance.among(["'normal'", "'sequential'", '7'])})`)],
  [1, (draft, on) => draft.do(`${on.name}.asPtr()`)],
  [1, (draft, on) => draft.do(`${on.name}.buffer`)],
  [1, (draft, on) => draft.do(`${on.name}.sharedBuffer`)],
  [2, (draft, on) => void draft.define('bytes', `${on.name}.asUint8Array(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => draft.do(`${on.name}.asUint8Array(${place(draft, on)})`)],
  [1, (draft, on) => void draft.define('bitmap', `${on.name}.bitmap`)],
  [1, (draft, on) => void draft.define('bytes', `new Uint8Array(${on.name}.buffer)`)],
  [1, (draft, on) => draft.do(`${on.name}.fdsOverlap(${draft.pick('region').name})`)],
  [1, (draft, on) => draft.do(`inspect(${on.name})`)],
]

const within = (member: string): Calls[number] => [
  1,
  (draft, on) => draft.do(`${on.name}.${member}(${place(draft, on)})`),
]

export const regions: Calls = [
  ...access,
  ...access,
  ...transfers,
  ...mapped,
  ...['checkAddress', 'addressInRange', 'toRegionAddr', 'getHostAddress'].map(within),
  [1, (draft, on) => draft.do(`${on.name}.checkedOffset(${place(draft, on)}, ${reach(draft, on)})`)],
  [1, (draft, on) => draft.do(`[${on.name}.startAddr, ${on.name}.lastAddr]`)],
  [1, (draft, on) => void draft.define('stolen', `steal(${on.name}.buffer)`)],
  [3, (draft, on) => draft.do(`${on.name}.bitmap.getAndReset()`)],
]

export const mappings: Calls = [
  ...mapped,
  [1, (draft, on) => draft.do(`${on.name}.setHugetlbfs(${draft.chance.among(['true', 'false', 'null', '1'])})`)],
  [
    3,
    (draft, on) => {
      const base = literal(draft, BigInt(draft.chance.among([0, 0x1000, 0x100000])))
      draft.define('region', `new GuestRegionMmap(${on.name}, ${draft.chance.percent(90) ? base : odd(draft, 0n)})`, {
        ranges: on.ranges,
      })
    },
  ],
]

export const builders: Calls = [
  [1, (draft, on) => draft.do(`${on.name}.withMmapProt(${protection(draft)})`)],
  [1, (draft, on) => draft.do(`${on.name}.withMmapFlags(${flags(draft)})`)],
  [1, (draft, on) => draft.do(`${on.name}.withFileOffset(${defineFileOffset(draft, 0x1000)})`)],
  [1, (draft, on) => draft.do(`${on.name}.withRecoverFaults(${draft.chance.among(['true', 'false', '0'])})`)],
  [1, (draft, on) => draft.do(`${on.name}.withHugetlbfs(${draft.chance.among(['true', 'false', '0'])})`)],
  // Memory that a region holds for as long as the program runs.
  [
    1,
    (draft, on) => {
      const { name } = draft.pick('region')
      draft.do(`${on.name}.withRawMmapPointer(${name}.asPtr()).withMmapProt(${name}.prot)`)
    },
  ],
  [3, (draft, on) => void draft.define('mapping', `${on.name}.build()`, { ranges: on.ranges })],
]

/** Who says what is permitted of memory that is mapped already has to be right: an access to anything else ends the process. */
const buildRaw = (region: string): string => `MmapRegion.buildRaw(${region}.asPtr(), 1, ${region}.prot, MAP_PRIVATE)`

/** New objects of all these classes. */
export const makers: readonly (readonly [weight: number, make: (draft: Draft) => void])[] = [
  [
    2,
    (draft) => {
      const text = size(draft)
      const given = draft.chance.percent(85)
        ? options(draft)
        : `, getting({ bitmap: true }, 'bitmap', () => ${actOf(draft)})`
      const bytes = Number(text)
      const ranges = [{ start: 0n, size: bytes > 0 && bytes < 0x10000 ? Math.trunc(bytes) : 7 }]
      const make = draft.chance.weighted<() => string>([
        [3, () => `new MmapRegion(${text}${given})`],
        [2, () => `MmapRegion.build(null, ${text}, ${protection(draft)}, ${flags(draft)}${given})`],
        [2, () => `MmapRegion.fromFile(${defineFileOffset(draft, 0x3000)}, ${text}${given})`],
        [1, () => buildRaw(draft.pick('region').name)],
      ])
      draft.define('mapping', make(), { ranges })
    },
  ],
  [1, (draft) => void draft.define('builder', `new MmapRegionBuilder(${size(draft)})`, { ranges: PAGE })],
  [
    1,
    (draft) => {
      const { name } = draft.define('bitmap', 'new AtomicBitmap(0x3000, 0x1000)')
      draft.define('builder', `MmapRegionBuilder.newWithBitmap(0x3000, ${name})`, { ranges: PAGE })
    },
  ],
  [1, (draft) => void draft.define('bitmap', `AtomicBitmap.withLen(${size(draft)})`)],
  [1, (draft) => void draft.define('bitmap', `new AtomicBitmap(${size(draft)}, ${size(draft)})`)],
  [1, (draft) => void draft.define('fileOffset', `new FileOffset(${defineFile(draft, 0x3000).name}, ${u64(draft)})`)],
  [1, (draft) => void defineFile(draft, draft.chance.among([1, 16, 0x1000, 0x2345]))],
  [1, (draft) => void draft.define('file', `open('/dev/${draft.chance.among(['zero', 'null', 'full'])}')`)],
]

const PAGE = [{ start: 0n, size: 0x1000 }]

const marks = (member: string): Calls[number] => [
  1,
  (draft, on) => draft.do(`${on.name}.${member}(${length(draft)}, ${length(draft)})`),
]

const asks = (member: string, argument: (draft: Draft) => string): Calls[number] => [
  1,
  (draft, on) => draft.do(`${on.name}.${member}(${argument(draft)})`),
]

const slicedAt: Call = (draft, on) => void draft.define('part', `${on.name}.sliceAt(${length(draft)})`)

export const parts: Calls = [marks('markDirty'), asks('dirtyAt', length), [1, slicedAt]]

export const bitmaps: Calls = [
  ...parts,
  asks('isBitSet', index),
  asks('isAddrSet', length),
  asks('setBit', index),
  asks('resetBit', index),
  marks('setAddrRange'),
  marks('resetAddrRange'),
  asks('enlarge', size),
  [1, (draft, on) => draft.do(`${on.name}.reset()`)],
  [2, (draft, on) => draft.do(`[${on.name}.getAndReset(), ${on.name}.len, ${on.name}.byteSize]`)],
  [1, (draft, on) => void draft.define('bitmap', `${on.name}.clone()`)],
]

export const fileOffsets: Calls = [
  [2, (draft, on) => draft.do(`[${on.name}.start, ${on.name}.fd > 2]`)],
  [1, (draft, on) => draft.do(`${on.name}${draft.chance.among(['.dispose', '[disposal]'])}()`)],
  [1, (draft, on) => void draft.define('fileOffset', `new FileOffset(${on.name}, ${length(draft)})`)],
  [1, (draft, on) => draft.do(`checkFileOffset(${on.name}, ${length(draft)})`)],
  [1, (draft, on) => draft.do(`inspect(${on.name})`)],
  [
    2,
    (draft, on) => {
      const ranges = [{ start: 0n, size: 0x1000 }]
      const made = draft.chance.among(['fromRanges', 'fromRangesWithFiles'])
      const file = draft.chance.among([on.name, `{ fd: ${on.name}.fd }`])
      const mapped = draft.chance.weighted([
        [3, options(draft)],
        [1, ', { private: true, prot: PROT_READ }'],
        [1, ', { private: true, bitmap: true }'],
      ])
      draft.define('map', `GuestMemoryMmap.${made}([[0, 0x1000, ${file}]]${mapped})`, { ranges })
    },
  ],
]
