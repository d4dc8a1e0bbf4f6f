/** What is measured, and who is. The names of works are the same in the Rust program (`rust/src`). */

export interface Contender {
  readonly id: string
  readonly title: string
  readonly colour: string
  /** The shape of its points, for who cannot tell the colours apart. */
  readonly symbol: 'circle' | 'rect' | 'triangle' | 'diamond'
}

/** In the order of the table's columns. The colours are those of Okabe and Ito, and can be told apart by everyone. */
export const CONTENDERS = [
  { id: 'rust', title: 'Rust', colour: '#000000', symbol: 'diamond' },
  { id: 'memcpy', title: 'memcpy', colour: '#999999', symbol: 'diamond' },
  { id: 'vm-memory', title: 'vm-memory', colour: '#d55e00', symbol: 'circle' },
  { id: 'vm-memory-native', title: 'vm-memory, fast paths off', colour: '#e69f00', symbol: 'circle' },
  { id: 'table', title: 'hand-written table', colour: '#0072b2', symbol: 'rect' },
  { id: 'koffi-view', title: 'koffi view + DataView', colour: '#56b4e9', symbol: 'rect' },
  { id: 'koffi-decode', title: 'koffi decode/encode', colour: '#009e73', symbol: 'triangle' },
  { id: 'ffi-rs', title: 'ffi-rs', colour: '#cc79a7', symbol: 'triangle' },
  { id: 'file', title: 'fs.readSync/writeSync', colour: '#b5a800', symbol: 'triangle' },
] as const satisfies readonly Contender[]

export type ContenderId = (typeof CONTENDERS)[number]['id']

export function contender(id: ContenderId): Contender {
  const found = CONTENDERS.find((each) => each.id === id)
  if (!found) throw new Error(`no contender ${id}`)
  return found
}

export const SCALARS = ['u8', 'u16', 'u32', 'u64'] as const
export type Scalar = (typeof SCALARS)[number]

const REGION_COUNTS = [1, 2, 8, 256]
export const SCALED_REGION_COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
export const THREAD_COUNTS = [1, 2]
export const COPY_SIZES = [64, 4096, 65536, 1048576]

export interface Work {
  readonly id: string
  readonly title: string
}

export interface Group {
  readonly id: string
  readonly title: string
  readonly works: readonly Work[]
}

function regions(count: number): string {
  return count === 1 ? '1 region' : `${count} regions`
}

function bytes(count: number): string {
  if (count >= 1 << 20) return `${count >> 20} MiB`
  return count >= 1024 ? `${count >> 10} KiB` : `${count} B`
}

const scalar: Work[] = [
  ...REGION_COUNTS.flatMap((count) =>
    ['read', 'write'].flatMap((direction) =>
      SCALARS.map((type) => ({
        id: `scalar/${direction}/${type}/${count}`,
        title: `${direction} ${type}, ${regions(count)}`,
      })),
    ),
  ),
  { id: 'scalar/read/u32/8/bigint', title: 'read u32, 8 regions, bigint address' },
  { id: 'scalar/write/u32/8/bigint', title: 'write u32, 8 regions, bigint address' },
  { id: 'scalar/write/u32/8/tracked', title: 'write u32, 8 regions, tracked' },
]

const ring: Work[] = [
  { id: 'ring/load', title: 'load u16, acquire' },
  { id: 'ring/store', title: 'store u16, release' },
]

const guard: Work[] = [
  { id: 'guard/cycle', title: 'memory(), one read, dispose' },
  { id: 'guard/held', title: 'one read through a held guard' },
]

const lookup: Work[] = [
  ...[1, 8, 256].map((count) => ({ id: `lookup/find/${count}`, title: `findRegion, ${regions(count)}` })),
  { id: 'lookup/in-range/8', title: 'addressInRange, 8 regions' },
  { id: 'lookup/check-range/8', title: 'checkRange, 8 regions' },
  // What a call into the addon costs when there is nothing to do.
  { id: 'lookup/num-regions/8', title: 'numRegions, 8 regions' },
]

const parts: Work[] = [
  // What a foreign function costs at least: the others are compared with it.
  { id: 'parts/decode', title: 'decode of a u32 by its pointer and type' },
  { id: 'parts/slice/map', title: 'getSlice of a map, three reads of it' },
  { id: 'parts/slice/region', title: 'getSlice of a region, three reads of it' },
  { id: 'parts/slice/held', title: 'read u32 of a held slice' },
  { id: 'parts/slice/load', title: 'load u32 of a held slice, acquire' },
  { id: 'parts/ref', title: 'load by a held VolatileRef' },
  { id: 'parts/array-ref', title: 'load by a held VolatileArrayRef' },
  { id: 'parts/atomic-ref', title: 'load by a held AtomicRef, acquire' },
  { id: 'parts/bitmap', title: 'bitmap of a held slice, dirtyAt of it' },
  { id: 'parts/bitmap-slice', title: 'sliceAt of a bitmap, markDirty of it' },
]

const calls: Work[] = [
  // What a foreign function costs at least: the others are compared with it.
  { id: 'calls/decode', title: 'decode of a u32 by its pointer and type' },
  { id: 'calls/num-regions', title: 'numRegions' },
  { id: 'calls/len', title: 'len of a region' },
  { id: 'calls/last-addr', title: 'lastAddr, a bigint' },
  { id: 'calls/start-addr', title: 'startAddr of a region, a bigint' },
  { id: 'calls/check-address', title: 'checkAddress' },
  { id: 'calls/checked-offset', title: 'checkedOffset' },
  { id: 'calls/host-address', title: 'getHostAddress' },
  { id: 'calls/region-offset', title: 'toRegionAddr of a region' },
  { id: 'calls/dirty-at', title: 'dirtyAt of a bitmap' },
  { id: 'calls/mark-dirty', title: 'markDirty of a bitmap' },
  { id: 'calls/read/64', title: 'read 64 B, across two regions' },
  { id: 'calls/write/64', title: 'write 64 B, across two regions' },
  { id: 'calls/read/u64', title: 'read u64, across two regions' },
  { id: 'calls/read/cut', title: 'read, cut at the end of memory' },
  { id: 'calls/read/4096', title: 'read 4 KiB, across two regions' },
  { id: 'calls/write/4096', title: 'write 4 KiB, across two regions' },
  { id: 'calls/views', title: 'views of 64 B' },
  { id: 'calls/read-obj', title: 'readObj of 16 u8' },
]

const structs: Work[] = [
  { id: 'structs/read/fields', title: 'a descriptor, read field by field' },
  { id: 'structs/read/struct', title: 'a descriptor, read as a struct' },
  { id: 'structs/read/each', title: 'four descriptors, one after the other' },
  { id: 'structs/read/list', title: 'four descriptors, read as an array' },
  { id: 'structs/write/fields', title: 'a descriptor, written field by field' },
  { id: 'structs/write/struct', title: 'a descriptor, written as a struct' },
]

const lock: Work[] = [{ id: 'lock/cycle', title: 'tryLock(), dispose' }]

const copy: Work[] = [
  ...['read', 'write'].flatMap((direction) =>
    COPY_SIZES.flatMap((size) =>
      ['one', 'two'].map((where) => ({
        id: `copy/${direction}/${size}/${where}`,
        title: `${direction} ${bytes(size)}, ${where === 'one' ? 'in a region' : 'across two'}`,
      })),
    ),
  ),
  // The engine makes a buffer for a short array when it is asked for it, and not before.
  { id: 'copy/write/new', title: 'write 16 B of a new array, in a region' },
]

const plug: Work[] = [8, 256].map((count) => ({
  id: `plug/${count}`,
  title: `lock, insert, replace, ${regions(count)}`,
}))

const faults: Work[] = ['without', 'with'].flatMap((how) => {
  const where = how === 'with' ? '8 regions of files, recovering' : '8 regions of files'
  return [
    { id: `faults/read/${how}`, title: `read u32, ${where}` },
    { id: `faults/write/${how}`, title: `write u32, ${where}` },
    { id: `faults/load/${how}`, title: `load u32, acquire, ${where}` },
    { id: `faults/copy/${how}`, title: `read 64 B, ${where}` },
  ]
})

/** The size of a mapping that ends, and how many are made at a time. */
export const ENDED_SIZE = 0x1_0000
export const MOST_ENDED = 256

const ends: Work[] = [
  // What the end of a mapping costs at least.
  { id: 'ends/munmap', title: 'munmap of 64 KiB, of which a page was used' },
  { id: 'ends/release', title: 'release of a region of 64 KiB, of which a page was used' },
  { id: 'ends/synchronize', title: 'synchronize, and release of such a region that was unplugged' },
]

const buffer: Work[] = [
  { id: 'buffer/first', title: 'buffer of a region of 64 KiB, first use' },
  { id: 'buffer/later', title: 'buffer of a region of 64 KiB, later use' },
]

const transfer: Work[] = [
  { id: 'transfer/read/65536', title: '64 KiB from /dev/zero into memory' },
  { id: 'transfer/write/65536', title: '64 KiB from memory to /dev/null' },
  { id: 'transfer/views/65536', title: '64 KiB from a file, views and readv' },
]

/** Upstream's own benchmarks: 4 places with 14 works each, one look-up and 5 copies of slices. */
export const UPSTREAM_REGION_SIZE = 0x8000_0000
export const UPSTREAM_REGION_COUNT = 8
export const UPSTREAM_ACCESS_SIZE = 0x200
export const UPSTREAM_SMALL = 8
export const UPSTREAM_BIG = 96
export const UPSTREAM_PLACES = ['in-0', 'cross-0', 'cross-6', 'in-7'] as const

export function upstreamOffset(place: (typeof UPSTREAM_PLACES)[number], size: number): number {
  const [kind, index] = place.split('-')
  const region = Number(index)
  return kind === 'in' ? UPSTREAM_REGION_SIZE * region : UPSTREAM_REGION_SIZE * (region + 1) - size / 2
}

const UPSTREAM_WORKS = [
  'read_from',
  'read_from_file',
  'read_exact_from',
  'read_entire_slice_from',
  'read_slice_from',
  'read_small_obj_from',
  'read_big_obj_from',
  'write_to',
  'write_to_file',
  'write_exact_to',
  'write_entire_slice_to',
  'write_slice_to',
  'write_small_obj_to',
  'write_big_obj_to',
]

function upstreamSize(work: string): number {
  if (work.includes('small_obj')) return UPSTREAM_SMALL
  return work.includes('big_obj') ? UPSTREAM_BIG : UPSTREAM_ACCESS_SIZE
}

const upstream: Work[] = [
  ...UPSTREAM_PLACES.flatMap((place) =>
    UPSTREAM_WORKS.map((work) => ({
      id: `upstream/${work}/${place}`,
      title: `${work}_0x${upstreamOffset(place, upstreamSize(work)).toString(16).toUpperCase()}`,
    })),
  ),
  { id: 'upstream/find_region', title: 'find_region (256 in a row)' },
  ...['copy_to_u8', 'copy_to_u16', 'copy_to_volatile_slice', 'copy_from_u8', 'copy_from_u16'].map((work) => ({
    id: `upstream/${work}`,
    title: `VolatileSlice::${work}`,
  })),
]

const scaling: Work[] = SCALED_REGION_COUNTS.map((count) => ({
  id: `regions/read/${count}`,
  title: `read u32, ${regions(count)}`,
}))

/** What threads do at once. */
export const THREAD_WORKS = ['read', 'guard', 'call'] as const
const THREAD_TITLES = { read: 'read u32, 8 regions', guard: 'guard cycle', call: 'read u64, across two regions' }

const threads: Work[] = THREAD_WORKS.flatMap((what) =>
  THREAD_COUNTS.map((count) => ({
    id: `threads/${what}/${count}`,
    title: `${THREAD_TITLES[what]}, ${count === 1 ? '1 thread' : `${count} threads`}`,
  })),
)

export const GROUPS: readonly Group[] = [
  { id: 'scalar', title: 'Scalars at random addresses', works: scalar },
  { id: 'ring', title: 'Ring indices', works: ring },
  { id: 'guard', title: 'Load guards', works: guard },
  { id: 'lookup', title: 'Looking up', works: lookup },
  { id: 'parts', title: 'Slices and references', works: parts },
  { id: 'calls', title: 'What views do not answer', works: calls },
  { id: 'structs', title: 'Structs', works: structs },
  { id: 'lock', title: 'The update lock', works: lock },
  { id: 'copy', title: 'Copies', works: copy },
  { id: 'plug', title: 'Hot-plug', works: plug },
  { id: 'ends', title: 'The end of a mapping', works: ends },
  { id: 'faults', title: 'Memory that recovers from faults', works: faults },
  { id: 'buffer', title: 'Zero-copy buffers', works: buffer },
  { id: 'transfer', title: 'Files', works: transfer },
  { id: 'upstream', title: "Upstream's own benchmarks", works: upstream },
  { id: 'regions', title: 'Scaling with regions', works: scaling },
  { id: 'threads', title: 'Scaling with threads, for each access in each thread', works: threads },
]
