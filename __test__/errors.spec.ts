// The shape of every error that can be raised.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { constants as bufferConstants } from 'node:buffer'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  AtomicBitmap,
  FileOffset,
  GuestAddress,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MmapRegion,
  MmapRegionBuilder,
  PROT_NONE,
  PROT_READ,
  checkFileOffset,
  computeOffset,
  pageSize,
} from '../index.js'
import { firstRegion, twoRegions } from './memory.js'
import { type Refusal, refuses, refusesArgument } from './refusal.js'
import { CLOSED_FD, temporaryFifo, temporaryFile } from './temporary-file.js'

const { errno } = os.constants

const PAGE = pageSize()
const U64_MAX = 2n ** 64n - 1n
const EMPTY = new Uint8Array(0)

/** What the four error enums of the crate become. */
const guestMemory = (code: string, rest: object = {}): Refusal => ({ name: 'GuestMemoryError', code, ...rest })
const mmap = (code: string, rest: object = {}): Refusal => ({ name: 'MmapError', code, ...rest })
const mmapRegion = (code: string, rest: object = {}): Refusal => ({ name: 'MmapRegionError', code, ...rest })
const volatileMemory = (code: string, rest: object = {}): Refusal => ({ name: 'VolatileMemoryError', code, ...rest })
/** What the binding refuses on its own. */
const typeError: Refusal = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
const rangeError: Refusal = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
const plain = (code: string): Refusal => ({ name: 'Error', code })

const OVERFLOW = 'Adding the guest base address to the length of the underlying mapping resulted in an overflow'

/**
 * One way to each code and name. `MappingOverlap` and `HostAddressNotAvailable` are raised nowhere in the mmap backend,
 * and no file seeks to its end but not to its start.
 */
const ERRORS: [expected: Refusal, call: (t: ExecutionContext) => unknown][] = [
  [
    guestMemory('ERR_INVALID_GUEST_ADDRESS', {
      message: 'Guest memory error: invalid guest address 4096',
      addr: 4096n,
    }),
    () => new GuestMemoryMmap().readU8(4096),
  ],
  [guestMemory('ERR_IO', { errno: errno.EBADF }), () => twoRegions().readVolatileFrom(0x1000, CLOSED_FD, 1)],
  [volatileMemory('ERR_IO', { errno: errno.EBADF }), () => twoRegions().getSlice(0x1000, 1).writeVolatile(CLOSED_FD)],
  [guestMemory('ERR_IO', { errno: errno.EBADF }), () => new FileOffset(CLOSED_FD, 0)],
  [
    volatileMemory('ERR_IO', { message: 'failed to fill whole buffer', kind: 'UnexpectedEof', errno: undefined }),
    () => twoRegions().getSlice(0x1000, 8).readExactVolatile(new Uint8Array(7)),
  ],
  [
    volatileMemory('ERR_IO', { message: 'failed to write whole buffer', kind: 'WriteZero', errno: undefined }),
    () => twoRegions().getSlice(0x1000, 8).writeAllVolatile(new Uint8Array(7)),
  ],
  [
    guestMemory('ERR_PARTIAL_BUFFER', {
      message: 'Guest memory error: only used 1 bytes in 8 long buffer',
      expected: 8,
      completed: 1,
    }),
    () => twoRegions().readU64(0x2fff),
  ],
  [
    volatileMemory('ERR_PARTIAL_BUFFER', {
      message: 'only used 1 bytes in 8 long buffer',
      expected: 8,
      completed: 1,
    }),
    () => twoRegions().getSlice(0x1000, 1).readI64(0),
  ],
  [
    guestMemory('ERR_INVALID_BACKEND_ADDRESS', { message: 'Guest memory error: invalid backend address' }),
    () => firstRegion(twoRegions()).getHostAddress(0x1000),
  ],
  [
    guestMemory('ERR_CALLBACK_OUT_OF_RANGE', {
      message: 'The length returned by the callback passed to `try_access` is outside the address range.',
    }),
    () => twoRegions().tryAccess(4, 0x1000, () => 5),
  ],
  [
    guestMemory('ERR_GUEST_ADDRESS_OVERFLOW', {
      message: 'The address to be read by `try_access` is outside the address range',
    }),
    () => {
      const memory = GuestMemoryMmap.fromRanges([[U64_MAX - 0x1000n, 0x1000]])
      return memory.tryAccess(0x4000, U64_MAX - 0x1000n, () => 0x2000)
    },
  ],
  [mmap('ERR_INVALID_GUEST_REGION', { message: OVERFLOW }), () => GuestRegionMmap.fromRange(U64_MAX, 0x1000)],
  [mmap('ERR_NO_MEMORY_REGION', { message: 'No memory region found' }), () => GuestMemoryMmap.fromRegions([])],
  [
    mmap('ERR_MEMORY_REGION_OVERLAP', { message: 'Some of the memory regions intersect with each other' }),
    () => twoRegions().insertRegion(GuestRegionMmap.fromRange(0x1fff, 0x1000)),
  ],
  [
    mmap('ERR_UNSORTED_MEMORY_REGIONS', { message: "The provided memory regions haven't been sorted" }),
    () => GuestMemoryMmap.fromRegions([...twoRegions()].toReversed()),
  ],
  [
    mmapRegion('ERR_INVALID_OFFSET_LENGTH', {
      message: 'The specified file offset and length cause overflow when added',
    }),
    (t) => checkFileOffset(new FileOffset(temporaryFile(t, EMPTY), U64_MAX), 1),
  ],
  [
    mmapRegion('ERR_INVALID_POINTER', { message: 'The specified pointer to the mapping is not page-aligned' }),
    () => MmapRegion.buildRaw(1n, 0x1000, PROT_READ, MAP_PRIVATE),
  ],
  [
    mmapRegion('ERR_MAP_FIXED', { message: 'The forbidden `MAP_FIXED` flag was specified' }),
    () => MmapRegion.build(null, 0x1000, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED),
  ],
  [
    mmapRegion('ERR_MAPPING_PAST_EOF', {
      message: 'The specified file offset and length is greater then file length',
    }),
    (t) => MmapRegion.fromFile(new FileOffset(temporaryFile(t, new Uint8Array(8)), 0), 9),
  ],
  [mmapRegion('ERR_MMAP', { errno: errno.EINVAL }), () => new MmapRegion(0)],
  // An offset that is no multiple of the page size. The error within `MmapError::MmapRegion` is shown as itself.
  [
    mmapRegion('ERR_MMAP', { errno: errno.EINVAL }),
    (t) => GuestRegionMmap.fromRange(0, 8, new FileOffset(temporaryFile(t, new Uint8Array(64)), 1)),
  ],
  [mmapRegion('ERR_SEEK_END', { errno: errno.ESPIPE }), (t) => checkFileOffset(new FileOffset(temporaryFifo(t), 0), 1)],
  [
    volatileMemory('ERR_OUT_OF_BOUNDS', { message: 'address 0x1001 is out of bounds', addr: 0x1001n }),
    () => new MmapRegion(0x1000).getSlice(0xfff, 2),
  ],
  [
    volatileMemory('ERR_OVERFLOW', {
      message: 'address 0xffffffffffffffff offset by 0x2 would overflow',
      base: U64_MAX,
      offset: 2n,
    }),
    () => new MmapRegion(0x1000).getSlice(U64_MAX, 2),
  ],
  [volatileMemory('ERR_OVERFLOW', { base: 1n, offset: U64_MAX }), () => computeOffset(1, U64_MAX)],
  [
    volatileMemory('ERR_TOO_BIG', {
      message: '1152921504606846976 elements of size 8 would overflow a usize',
      nelements: 2n ** 60n,
      size: 8n,
    }),
    () => new MmapRegion(0x1000).getArrayRef('u64', 0, 2n ** 60n),
  ],
  [volatileMemory('ERR_MISALIGNED', { alignment: 2 }), () => new MmapRegion(0x1000).getAtomicRef('i16', 1)],
  [typeError, () => twoRegions().readU8('4096' as never)],
  [rangeError, () => twoRegions().readU8(-1n)],
  [rangeError, () => computeOffset(Number.MAX_SAFE_INTEGER, 1)],
  [rangeError, () => new AtomicBitmap(0x1000, 0)],
  [rangeError, () => new MmapRegion(0x1000).getArrayRef('u8', 0, 2).refAt(2)],
  [rangeError, () => GuestAddress.checkedAlignUp(1, 3)],
  [rangeError, () => GuestAddress.uncheckedAlignUp(1, 0)],
  [
    plain('ERR_DISPOSED'),
    () => {
      const guard = new GuestMemoryAtomic(twoRegions()).memory()
      guard.dispose()
      return guard.readU8(0x1000)
    },
  ],
  [
    plain('ERR_DISPOSED'),
    () => {
      const guard = new GuestMemoryAtomic(twoRegions()).lock()
      guard.replace(twoRegions())
      return guard.replace(twoRegions())
    },
  ],
  [
    plain('ERR_MOVED'),
    () => {
      const mapping = new MmapRegion(0x1000)
      return [new GuestRegionMmap(mapping, 0), new GuestRegionMmap(mapping, 0)]
    },
  ],
  [
    plain('ERR_MOVED'),
    () => {
      const builder = new MmapRegionBuilder(0x1000)
      builder.build()
      return builder.withMmapProt(PROT_READ)
    },
  ],
  [
    plain('ERR_MOVED'),
    () => {
      const bitmap = new AtomicBitmap(0x1000, PAGE)
      MmapRegionBuilder.newWithBitmap(0x1000, bitmap)
      return bitmap.enlarge(0x1000)
    },
  ],
  [
    plain('ERR_LOCK_HELD'),
    () => {
      const atomic = new GuestMemoryAtomic(twoRegions())
      using guard = atomic.lock()
      return [guard, atomic.clone().lock()]
    },
  ],
  [plain('ERR_INVALID_TICKET'), () => GuestMemoryMmap.fromShared({ type: 'GuestMemoryMmap', id: '0' })],
  [
    plain('ERR_INVALID_TICKET'),
    () => {
      const ticket = twoRegions().share()
      return [GuestMemoryMmap.fromShared(ticket), GuestMemoryMmap.fromShared(ticket)]
    },
  ],
  [
    plain('ERR_SNAPSHOT'),
    (t) =>
      GuestMemoryMmap.fromSnapshot(temporaryFile(t, new Uint8Array(PAGE)), {
        regions: [{ start: '0x0', size: PAGE + 1, offset: 0 }],
      }),
  ],
  [
    plain('ERR_PROTECTION'),
    () => {
      const mapping = MmapRegion.build(null, 0x1000, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE)
      return mapping.getSlice(0, 1).readU8(0)
    },
  ],
]

test('errors have the name, code, message and fields that are declared', (t) => {
  for (const [expected, call] of ERRORS) {
    const error = t.throws(() => call(t), undefined, expected.code) as NodeJS.ErrnoException
    t.like(error, expected, expected.code)
    const { name, message, code } = error
    t.true(error instanceof Error, code)
    t.is(error instanceof TypeError, name === 'TypeError', code)
    t.is(error instanceof RangeError, name === 'RangeError', code)
    t.truthy(message, code)
    // What the operating system says is quoted with its number, as Rust does.
    if (error.errno !== undefined) t.regex(message, new RegExp(`\\(os error ${error.errno}\\)$`), code)
    t.true(error.stack?.includes(path.basename(import.meta.filename)), `${code} tells where it was thrown`)
    t.regex(String(error), new RegExp(`^${name}: `))
  }
})

test('waiting for the lock ends with ERR_LOCK_TIMEOUT or with the AbortError of the signal', async (t) => {
  const atomic = new GuestMemoryAtomic(twoRegions())
  using guard = atomic.lock()
  t.truthy(guard)
  await t.throwsAsync(atomic.lockAsync({ timeout: 1 }), { name: 'Error', code: 'ERR_LOCK_TIMEOUT' })
  const controller = new AbortController()
  const waiting = atomic.lockAsync({ signal: controller.signal })
  controller.abort()
  t.like(await t.throwsAsync(waiting, { any: true }), { name: 'AbortError' })
  for (const [signal, name] of [
    [AbortSignal.abort(), 'AbortError'],
    [AbortSignal.timeout(1), 'TimeoutError'],
  ] as const) {
    t.like(await t.throwsAsync(atomic.lockAsync({ signal }), { any: true }), { name })
  }
  const reason = { what: 'anything' }
  t.is(await t.throwsAsync(atomic.lockAsync({ signal: AbortSignal.abort(reason) }), { any: true }), reason as never)
})

test('asynchronous methods reject and never throw', async (t) => {
  const memory = twoRegions()
  const atomic = new GuestMemoryAtomic(memory)
  const addr = 'x' as never
  await t.throwsAsync(memory.readVolatileFromAsync(addr, CLOSED_FD, 1), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(memory.writeAllVolatileToAsync(0x1000, addr, 1), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(memory.readExactVolatileFromAsync(0x3000, CLOSED_FD, 1), { code: 'ERR_INVALID_GUEST_ADDRESS' })
  await t.throwsAsync(memory.writeVolatileToAsync(0x1000, CLOSED_FD, 1), { code: 'ERR_IO' })
  await t.throwsAsync(atomic.lockAsync({ timeout: -1 }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(atomic.lockAsync({ timeout: NaN }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(atomic.lockAsync({ signal: {} as never }), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
})

test('a region longer than the longest buffer has no buffer of its own but views on its parts', (t) => {
  const size = 5 * 2 ** 30
  const mapping = new MmapRegion(size)
  if (bufferConstants.MAX_LENGTH < size) {
    refuses(t, () => mapping.buffer, { name: t.throws(() => mapping.buffer).name, code: 'ERR_BUFFER_TOO_LARGE' })
  } else {
    t.is(mapping.buffer.byteLength, size)
  }
  const view = mapping.asUint8Array(size - PAGE, PAGE)
  view[PAGE - 1] = 0x5a
  t.is(mapping.getSlice(size - 1, 1).readU8(0), 0x5a)
})

test('sharedBuffer is the same memory where the runtime has it, ERR_UNSUPPORTED elsewhere', (t) => {
  const mapping = new MmapRegion(0x1000)
  let shared: SharedArrayBuffer
  try {
    shared = mapping.sharedBuffer
  } catch (error) {
    t.like(error, { code: 'ERR_UNSUPPORTED' })
    return
  }
  t.true(shared instanceof SharedArrayBuffer)
  new Uint8Array(shared)[5] = 0x5a
  t.is(mapping.asVolatileSlice().readU8(5), 0x5a)
})

test('memory that the host has lost is ERR_MEMORY_FAULT, where it is recovered from', (t) => {
  if (process.platform !== 'linux') {
    refuses(t, () => new MmapRegion(PAGE, { recoverFaults: true }), plain('ERR_UNSUPPORTED'))
    return
  }
  const fd = temporaryFile(t, new Uint8Array(PAGE))
  const memory = GuestMemoryMmap.fromRanges([[0x1000, PAGE, new FileOffset(fd, 0)]], { recoverFaults: true })
  fs.ftruncateSync(fd, 0)
  refuses(t, () => memory.readU8(0x1004), {
    ...plain('ERR_MEMORY_FAULT'),
    message: 'The host has lost the memory at offset 0x4 of its mapping (truncated): see healFaults()',
    offset: 4,
    reason: 'truncated',
    addr: 0x1004n,
  })
})

test('what a tryAccess callback throws comes out as it went in', (t) => {
  const memory = twoRegions()
  for (const thrown of [new Error('mine'), undefined, null, 'text', 5, Symbol('s'), { code: 'ERR_IO' }]) {
    let caught: { value: unknown } | undefined
    try {
      memory.tryAccess(4, 0x1000, () => {
        // oxlint-disable-next-line no-throw-literal
        throw thrown
      })
    } catch (value) {
      caught = { value }
    }
    t.truthy(caught)
    t.is(caught?.value, thrown)
  }
  for (const returned of [NaN, 1.5, -1, '1', null, undefined, {}, true] as never[]) {
    refusesArgument(t, () => memory.tryAccess(4, 0x1000, () => returned), inspect(returned))
  }
})
