// Wrong calls, and all that the error of each shows: `wrong-calls.spec.ts` makes them, and docs/errors.md lists them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import os from 'node:os'

const { errno } = os.constants

/** Stands for a host address, which is another one each time; in texts, it is `0x…`. */
export const HOST = Symbol('a host address')

/** The name and the own, enumerable properties of an error. In `message`, `…` stands for a text of the operating system. */
export interface Shown {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly [property: string]: unknown
}

/** The names that they use are those of `scope.ts`. */
export const WRONG_CALLS: readonly (readonly [call: string, shown: Shown])[] = [
  [
    'memory.readU8(0x200000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'readU8',
    },
  ],
  [
    'memory.writeU32(1, 0x200000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'writeU32',
    },
  ],
  [
    'memory.read(bytes(4), 0x200000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'read',
    },
  ],
  [
    'memory.readU64(0x100ffc)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 4 bytes in 8 long buffer',
      expected: 8,
      completed: 4,
      addr: 0x100ffcn,
      count: 8,
      operation: 'readU64',
    },
  ],
  [
    'memory.readSlice(bytes(16), 0x100ff8)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 8 bytes in 16 long buffer',
      expected: 16,
      completed: 8,
      addr: 0x100ff8n,
      count: 16,
      operation: 'readSlice',
    },
  ],
  [
    'memory.writeSlice(bytes(16), 0x100ff8)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 8 bytes in 16 long buffer',
      expected: 16,
      completed: 8,
      addr: 0x100ff8n,
      count: 16,
      operation: 'writeSlice',
    },
  ],
  [
    'memory.fill(0, 0x100ff8, 16)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 8 bytes in 16 long buffer',
      expected: 16,
      completed: 8,
      addr: 0x100ff8n,
      count: 16,
      operation: 'fill',
    },
  ],
  [
    `memory.readObj(['u8', 16], 0x100ff8)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 8 bytes in 16 long buffer',
      expected: 16,
      completed: 8,
      addr: 0x100ff8n,
      count: 16,
      operation: 'readObj',
    },
  ],
  [
    `memory.writeObj('be32', 1, 0x100ffe)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 2 bytes in 4 long buffer',
      expected: 4,
      completed: 2,
      addr: 0x100ffen,
      count: 4,
      operation: 'writeObj',
    },
  ],
  [
    `memory.load('u32', 2, SeqCst)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x2n,
      count: 4,
      hint: '0x2 is not a multiple of 4.',
      operation: 'load',
    },
  ],
  [
    `memory.store('u64', 1n, 0x100004, SeqCst)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x100004n,
      count: 8,
      hint: '0x100004 is not a multiple of 8.',
      operation: 'store',
    },
  ],
  [
    `memory.load('u16', 0x300003, SeqCst)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x300003n,
      count: 2,
      hint: '0x300003 is not a multiple of 2.',
      operation: 'load',
    },
  ],
  [
    `memory.load('u32', 0x301002, SeqCst)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x301002n,
      count: 4,
      hint: '0x301002-0x301005 reaches beyond the end of 0x300002-0x301003.',
      operation: 'load',
    },
  ],
  [
    'memory.getSlice(0x200000, 1)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'getSlice',
    },
  ],
  [
    'memory.getSlice(0xffff0, 0x20)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0xffff0n,
      count: 32,
      hint: '0xffff0-0x10000f begins in 0x0-0xfffff and goes on in 0x100000-0x100fff: views() crosses regions, a slice does not.',
      operation: 'getSlice',
    },
  ],
  [
    'memory.getSlice(0x100ff0, 0x20)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x100ff0n,
      count: 32,
      hint: '0x100ff0-0x10100f reaches beyond the end of 0x100000-0x100fff.',
      operation: 'getSlice',
    },
  ],
  [
    'memory.views(0x100ff0, 0x20)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 16 bytes in 32 long buffer',
      expected: 32,
      completed: 16,
      addr: 0x100ff0n,
      count: 32,
      operation: 'views',
    },
  ],
  [
    'memory.withViews(0x200000, 1, () => {})',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'withViews',
    },
  ],
  [
    'memory.getHostAddress(0x200000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'getHostAddress',
    },
  ],
  [
    'memory.tryAccess(4, 0, () => 5)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_CALLBACK_OUT_OF_RANGE',
      message: 'The length returned by the callback passed to `try_access` is outside the address range.',
      operation: 'tryAccess',
    },
  ],
  [
    'memory.markDirty(0x100ff0, 0x20)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 1052672',
      addr: 0x101000n,
      operation: 'markDirty',
    },
  ],
  [
    'memory.discard(0x100000, 0x2000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 1052672',
      addr: 0x101000n,
      operation: 'discard',
    },
  ],
  [
    `memory.advise('willNeed', 0x200000)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'advise',
    },
  ],
  [
    'memory.readVolatileFrom(0, closed, 4)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_IO',
      message: 'Guest memory error: …',
      errno: errno.EBADF,
      operation: 'readVolatileFrom',
    },
  ],
  [
    'memory.readExactVolatileFrom(0, bytes(2), 4)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 2 bytes in 4 long buffer',
      expected: 4,
      completed: 2,
      addr: 0x0n,
      count: 4,
      operation: 'readExactVolatileFrom',
    },
  ],
  [
    'memory.writeAllVolatileTo(0x100ffc, bytes(8), 8)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 4 bytes in 8 long buffer',
      expected: 8,
      completed: 4,
      addr: 0x100ffcn,
      count: 8,
      operation: 'writeAllVolatileTo',
    },
  ],
  [
    'memory.writeAllVolatileTo(0, bytes(2), 4)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_IO',
      message: 'Guest memory error: failed to write whole buffer',
      kind: 'WriteZero',
      completed: 2,
      operation: 'writeAllVolatileTo',
    },
  ],
  [
    'memory.readVolatileFromAsync(0x200000, file, 1)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: 'Guest memory error: invalid guest address 2097152',
      addr: 0x200000n,
      operation: 'readVolatileFromAsync',
    },
  ],
  [
    'memory.writeAllVolatileToAsync(0, closed, 4)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_IO',
      message: 'Guest memory error: …',
      errno: errno.EBADF,
      operation: 'writeAllVolatileToAsync',
    },
  ],
  [
    'memory.removeRegion(0, 0x1000)',
    {
      name: 'MmapError',
      code: 'ERR_INVALID_GUEST_REGION',
      message: 'Adding the guest base address to the length of the underlying mapping resulted in an overflow',
      base: 0x0n,
      size: 0x1000n,
      hint: 'There is no region of 0x1000 bytes at 0x0; the one there is 0x0-0xfffff (0x100000 bytes).',
      operation: 'removeRegion',
    },
  ],
  [
    'memory.removeRegion(0x1000, 0x1000)',
    {
      name: 'MmapError',
      code: 'ERR_INVALID_GUEST_REGION',
      message: 'Adding the guest base address to the length of the underlying mapping resulted in an overflow',
      base: 0x1000n,
      size: 0x1000n,
      hint: 'There is no region of 0x1000 bytes at 0x1000; the one there is 0x0-0xfffff (0x100000 bytes).',
      operation: 'removeRegion',
    },
  ],
  [
    'memory.removeRegion(0x200000, 0x1000)',
    {
      name: 'MmapError',
      code: 'ERR_INVALID_GUEST_REGION',
      message: 'Adding the guest base address to the length of the underlying mapping resulted in an overflow',
      base: 0x200000n,
      size: 0x1000n,
      hint: 'There is no region of 0x1000 bytes at 0x200000, nor any other.',
      operation: 'removeRegion',
    },
  ],
  [
    'memory.insertRegion(GuestRegionMmap.fromRange(0xff000, 0x2000))',
    {
      name: 'MmapError',
      code: 'ERR_MEMORY_REGION_OVERLAP',
      message: 'Some of the memory regions intersect with each other',
      ranges: [
        [0x0n, 0xfffffn],
        [0xff000n, 0x100fffn],
      ],
      hint: '0x0-0xfffff and 0xff000-0x100fff overlap.',
      operation: 'insertRegion',
    },
  ],
  [
    'region.readU8(0x100000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x100000n,
      count: 1,
      operation: 'readU8',
    },
  ],
  [
    'region.readU64(0xffffc)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'Guest memory error: only used 4 bytes in 8 long buffer',
      expected: 8,
      completed: 4,
      addr: 0xffffcn,
      count: 8,
      operation: 'readU64',
    },
  ],
  [
    `region.load('u32', 2, SeqCst)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x2n,
      count: 4,
      hint: '0x2 is not a multiple of 4.',
      operation: 'load',
    },
  ],
  [
    `region.store('u32', 1, 0x100000, SeqCst)`,
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x100000n,
      count: 4,
      hint: '0x100000-0x100003 reaches beyond the end of the region, which has 0x100000 bytes.',
      operation: 'store',
    },
  ],
  [
    'region.getHostAddress(0x100000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x100000n,
      operation: 'getHostAddress',
    },
  ],
  [
    'region.getSlice(0xffff0, 0x20)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0xffff0n,
      count: 32,
      hint: '0xffff0-0x10000f reaches beyond the end of the region, which has 0x100000 bytes.',
      operation: 'getSlice',
    },
  ],
  [
    `region.getRef('u32', 0xffffe)`,
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OUT_OF_BOUNDS',
      message: 'address 0x100002 is out of bounds',
      addr: 0x100002n,
      operation: 'getRef',
    },
  ],
  [
    `region.getArrayRef('u64', 0, 2n ** 62n)`,
    {
      name: 'VolatileMemoryError',
      code: 'ERR_TOO_BIG',
      message: '4611686018427387904 elements of size 8 would overflow a usize',
      nelements: 0x4000000000000000n,
      size: 0x8n,
      operation: 'getArrayRef',
    },
  ],
  [
    `region.getAtomicRef('u32', 2)`,
    {
      name: 'VolatileMemoryError',
      code: 'ERR_MISALIGNED',
      message: 'address 0x… is not aligned to 4',
      addr: HOST,
      alignment: 4,
      hint: '0x2 is not a multiple of 4.',
      operation: 'getAtomicRef',
    },
  ],
  [
    'region.asUint8Array(0, 0x100001)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OUT_OF_BOUNDS',
      message: 'address 0x100001 is out of bounds',
      addr: 0x100001n,
      operation: 'asUint8Array',
    },
  ],
  [
    'region.discard(0x100000, 0x1000)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_BACKEND_ADDRESS',
      message: 'Guest memory error: invalid backend address',
      addr: 0x100000n,
      count: 4096,
      operation: 'discard',
    },
  ],
  [
    'slice.readU8(16)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OUT_OF_BOUNDS',
      message: 'address 0x10 is out of bounds',
      addr: 0x10n,
      operation: 'readU8',
    },
  ],
  [
    'slice.readU64(12)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_PARTIAL_BUFFER',
      message: 'only used 4 bytes in 8 long buffer',
      expected: 8,
      completed: 4,
      addr: 0xcn,
      count: 8,
      operation: 'readU64',
    },
  ],
  [
    `slice.load('u16', 1, SeqCst)`,
    {
      name: 'VolatileMemoryError',
      code: 'ERR_MISALIGNED',
      message: 'address 0x… is not aligned to 2',
      addr: HOST,
      alignment: 2,
      hint: '0x1 is not a multiple of 2.',
      operation: 'load',
    },
  ],
  [
    'slice.subslice(8, 16)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OUT_OF_BOUNDS',
      message: 'address 0x18 is out of bounds',
      addr: 0x18n,
      operation: 'subslice',
    },
  ],
  [
    'slice.offset(17)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OUT_OF_BOUNDS',
      message: 'address 0x… is out of bounds',
      addr: HOST,
      operation: 'offset',
    },
  ],
  [
    'slice.splitAt(17)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OUT_OF_BOUNDS',
      message: 'address 0x… is out of bounds',
      addr: HOST,
      operation: 'splitAt',
    },
  ],
  [
    'slice.getSlice(last, 2)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OVERFLOW',
      message: 'address 0xffffffffffffffff offset by 0x2 would overflow',
      base: 0xffffffffffffffffn,
      offset: 0x2n,
      operation: 'getSlice',
    },
  ],
  [
    'slice.readExactVolatile(bytes(8))',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_IO',
      message: 'failed to fill whole buffer',
      kind: 'UnexpectedEof',
      operation: 'readExactVolatile',
    },
  ],
  [
    'slice.writeAllVolatile(bytes(8))',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_IO',
      message: 'failed to write whole buffer',
      kind: 'WriteZero',
      completed: 8,
      operation: 'writeAllVolatile',
    },
  ],
  [
    'slice.writeVolatile(closed)',
    { name: 'VolatileMemoryError', code: 'ERR_IO', message: '…', errno: errno.EBADF, operation: 'writeVolatile' },
  ],
  [
    'computeOffset(last, 1)',
    {
      name: 'VolatileMemoryError',
      code: 'ERR_OVERFLOW',
      message: 'address 0xffffffffffffffff offset by 0x1 would overflow',
      base: 0xffffffffffffffffn,
      offset: 0x1n,
      operation: 'computeOffset',
    },
  ],
  [
    'GuestMemoryMmap.fromRanges([])',
    { name: 'MmapError', code: 'ERR_NO_MEMORY_REGION', message: 'No memory region found', operation: 'fromRanges' },
  ],
  [
    'GuestMemoryMmap.fromRanges([[0x1000, 0x1000], [0, 0x1000]])',
    {
      name: 'MmapError',
      code: 'ERR_UNSORTED_MEMORY_REGIONS',
      message: "The provided memory regions haven't been sorted",
      operation: 'fromRanges',
    },
  ],
  [
    'GuestMemoryMmap.fromRanges([[0, 0x1001], [0x1000, 0x1000]])',
    {
      name: 'MmapError',
      code: 'ERR_MEMORY_REGION_OVERLAP',
      message: 'Some of the memory regions intersect with each other',
      ranges: [
        [0x0n, 0x1000n],
        [0x1000n, 0x1fffn],
      ],
      hint: '0x0-0x1000 and 0x1000-0x1fff overlap.',
      operation: 'fromRanges',
    },
  ],
  [
    'GuestMemoryMmap.fromRegions([region, region])',
    {
      name: 'MmapError',
      code: 'ERR_MEMORY_REGION_OVERLAP',
      message: 'Some of the memory regions intersect with each other',
      ranges: [
        [0x0n, 0xfffffn],
        [0x0n, 0xfffffn],
      ],
      hint: '0x0-0xfffff and 0x0-0xfffff overlap.',
      operation: 'fromRegions',
    },
  ],
  [
    'GuestRegionMmap.fromRange(last, 0x1000)',
    {
      name: 'MmapError',
      code: 'ERR_INVALID_GUEST_REGION',
      message: 'Adding the guest base address to the length of the underlying mapping resulted in an overflow',
      base: 0xffffffffffffffffn,
      size: 0x1000n,
      operation: 'fromRange',
    },
  ],
  [
    'GuestRegionMmap.fromRange(0, 0)',
    {
      name: 'MmapRegionError',
      code: 'ERR_MMAP',
      message: '…',
      errno: errno.EINVAL,
      hint: 'There is no mapping of 0 bytes.',
      operation: 'fromRange',
    },
  ],
  [
    'GuestRegionMmap.fromRange(0, 0x1000, closed)',
    {
      name: 'GuestMemoryError',
      code: 'ERR_IO',
      message: 'Guest memory error: …',
      errno: errno.EBADF,
      operation: 'fromRange',
    },
  ],
  [
    'GuestRegionMmap.fromRange(0, 0x1000, readOnly)',
    {
      name: 'MmapRegionError',
      code: 'ERR_MMAP',
      message: '…',
      errno: errno.EACCES,
      hint: "The file is open for reading only. Open it 'r+', or map it with PROT_READ.",
      operation: 'fromRange',
    },
  ],
  [
    'GuestRegionMmap.fromRange(0, 0x1000, new FileOffset(file, 1))',
    {
      name: 'MmapRegionError',
      code: 'ERR_MMAP',
      message: '…',
      errno: errno.EINVAL,
      hint: "The file's offset, 0x1, is not a multiple of the page size, 0x1000.",
      operation: 'fromRange',
    },
  ],
  [
    'GuestRegionMmap.fromRange(0, 0x10000, file)',
    {
      name: 'MmapRegionError',
      code: 'ERR_MAPPING_PAST_EOF',
      message: 'The specified file offset and length is greater then file length',
      operation: 'fromRange',
    },
  ],
  [
    'GuestRegionMmap.fromRange(0, 0x1000, pipe)',
    {
      name: 'MmapRegionError',
      code: 'ERR_SEEK_END',
      message: 'Error seeking the end of the file: …',
      errno: errno.ESPIPE,
      operation: 'fromRange',
    },
  ],
  [
    'MmapRegion.fromFile(new FileOffset(file, last), 1)',
    {
      name: 'MmapRegionError',
      code: 'ERR_INVALID_OFFSET_LENGTH',
      message: 'The specified file offset and length cause overflow when added',
      operation: 'fromFile',
    },
  ],
  [
    'MmapRegion.build(null, 0x1000, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED)',
    {
      name: 'MmapRegionError',
      code: 'ERR_MAP_FIXED',
      message: 'The forbidden `MAP_FIXED` flag was specified',
      operation: 'build',
    },
  ],
  [
    'MmapRegion.buildRaw(1n, 0x1000, PROT_READ, MAP_PRIVATE)',
    {
      name: 'MmapRegionError',
      code: 'ERR_INVALID_POINTER',
      message: 'The specified pointer to the mapping is not page-aligned',
      operation: 'buildRaw',
    },
  ],
  [
    'checkFileOffset(new FileOffset(file, 0x2000), 1)',
    {
      name: 'MmapRegionError',
      code: 'ERR_MAPPING_PAST_EOF',
      message: 'The specified file offset and length is greater then file length',
      operation: 'checkFileOffset',
    },
  ],
  [
    'new MmapRegionBuilder(0x1000).withFileOffset(new FileOffset(readOnly, 0)).withMmapProt(PROT_WRITE).withMmapFlags(MAP_SHARED).build()',
    {
      name: 'MmapRegionError',
      code: 'ERR_MMAP',
      message: '…',
      errno: errno.EACCES,
      hint: "The file is open for reading only. Open it 'r+', or map it with PROT_READ.",
      operation: 'build',
    },
  ],
  [
    'atomic.update(async (map) => map)',
    {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      message:
        'The "the result of fn" argument must be a GuestMemoryMmap or a GuestMemoryLoadGuard. Received a Promise, and fn must not be async',
      hint: 'update() publishes what fn returns as soon as it returns. Wait before, or take the lock with lockAsync().',
    },
  ],
]
