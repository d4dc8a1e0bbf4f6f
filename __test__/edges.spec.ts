// The edges that upstream's own tests leave out. What is expected is read off the source of vm-memory 0.16.2, or is what
// the declarations say where the crate does not decide.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  MmapRegionBuilder,
  Ordering,
  PROT_READ,
  PROT_WRITE,
  checkFileOffset,
  pageSize,
} from '../index.js'
import { bytesOf, firstRegion, twoRegions } from './memory.js'
import { openDescriptors } from './process-resources.js'
import { refuses } from './refusal.js'
import { CLOSED_FD, temporaryFile } from './temporary-file.js'

const { errno } = os.constants

const PAGE = pageSize()
/** Linux; Node does not tell it. */
const MAP_FIXED_NOREPLACE = 0x100000
const U64_MAX = 2n ** 64n - 1n
const EMPTY = new Uint8Array(0)

// ------------------------------------------------------------------------------------------------ zero length

test('a memory refuses even zero bytes at an unmapped address', (t) => {
  const memory = twoRegions()
  for (const addr of [0xfffn, 0x3000n, U64_MAX]) {
    const unmapped = {
      name: 'GuestMemoryError',
      code: 'ERR_INVALID_GUEST_ADDRESS',
      message: `Guest memory error: invalid guest address ${addr}`,
      addr,
    }
    refuses(t, () => memory.read(EMPTY, addr), unmapped)
    refuses(t, () => memory.write(EMPTY, addr), unmapped)
    refuses(t, () => memory.readSlice(EMPTY, addr), unmapped)
    refuses(t, () => memory.writeSlice(EMPTY, addr), unmapped)
    refuses(t, () => memory.readObj(['u32', 0], addr), unmapped)
    refuses(t, () => memory.writeObj(['u32', 0], [], addr), unmapped)
    refuses(t, () => memory.readVolatileFrom(addr, new Uint8Array(8), 0), unmapped)
    refuses(t, () => memory.readExactVolatileFrom(addr, new Uint8Array(8), 0), unmapped)
    refuses(t, () => memory.writeVolatileTo(addr, new Uint8Array(8), 0), unmapped)
    refuses(t, () => memory.writeAllVolatileTo(addr, new Uint8Array(8), 0), unmapped)
    refuses(t, () => memory.getSlice(addr, 0), unmapped)
    refuses(t, () => memory.tryAccess(0, addr, () => t.fail('called without a region')), unmapped)
    t.false(memory.checkRange(addr, 0))
  }
})

test('a memory moves zero bytes at a mapped address', (t) => {
  const memory = twoRegions()
  for (const addr of [0x1000, 0x1fff, 0x2fff]) {
    t.is(memory.read(EMPTY, addr), 0)
    t.is(memory.write(EMPTY, addr), 0)
    t.notThrows(() => memory.readSlice(EMPTY, addr))
    t.notThrows(() => memory.writeSlice(EMPTY, addr))
    t.deepEqual(memory.readObj(['u32', 0], addr), new Uint32Array(0))
    t.is(memory.readVolatileFrom(addr, new Uint8Array(8), 0), 0)
    t.is(memory.writeVolatileTo(addr, new Uint8Array(8), 0), 0)
    t.is(memory.getSlice(addr, 0).len, 0)
    t.true(memory.checkRange(addr, 0))
  }
  const calls: unknown[] = []
  t.is(
    memory.tryAccess(0, 0x1fff, (...args) => calls.push(args) - 1),
    0,
  )
  t.deepEqual(calls, [[0, 0, 0xfff, memory.findRegion(0x1000)]])
})

test('a region and a slice move zero bytes wherever they are asked to', (t) => {
  const region = firstRegion(twoRegions())
  for (const target of [region, region.asVolatileSlice()]) {
    for (const offset of [0, 0x1000, 0x1001, Number.MAX_SAFE_INTEGER, U64_MAX]) {
      t.is(target.read(EMPTY, offset), 0)
      t.is(target.write(EMPTY, offset), 0)
      t.notThrows(() => target.readSlice(EMPTY, offset))
      t.notThrows(() => target.writeSlice(EMPTY, offset))
      t.deepEqual(target.readObj(['i64', 0], offset), new BigInt64Array(0))
      t.notThrows(() => target.writeObj(['i64', 0], [], offset))
    }
    t.is(target.getSlice(0x1000, 0).len, 0)
  }
})

test('an empty slice starts at most at the end', (t) => {
  const region = firstRegion(twoRegions())
  refuses(t, () => region.getSlice(0x1001, 0), { name: 'GuestMemoryError', code: 'ERR_INVALID_BACKEND_ADDRESS' })
  const beyond = { name: 'VolatileMemoryError', code: 'ERR_OUT_OF_BOUNDS', addr: 0x1001n }
  refuses(t, () => region.asVolatileSlice().getSlice(0x1001, 0), beyond)
  refuses(t, () => region.asVolatileSlice().subslice(0x1001, 0), beyond)
  refuses(t, () => region.getArrayRef('u64', 0x1001, 0), beyond)
})

test('a transfer of zero bytes from a descriptor still makes the system call', (t) => {
  const memory = twoRegions()
  const badDescriptor = { code: 'ERR_IO', errno: errno.EBADF }
  refuses(t, () => memory.readVolatileFrom(0x1000, CLOSED_FD, 0), { name: 'GuestMemoryError', ...badDescriptor })
  const slice = memory.getSlice(0x1000, 0)
  refuses(t, () => slice.readVolatile(CLOSED_FD), { name: 'VolatileMemoryError', ...badDescriptor })
  refuses(t, () => slice.writeVolatile(CLOSED_FD), { name: 'VolatileMemoryError', ...badDescriptor })
  // The loops of `write_all` and `read_exact` have nothing to do.
  t.is(memory.writeVolatileTo(0x1000, CLOSED_FD, 0), 0)
  t.notThrows(() => slice.readExactVolatile(CLOSED_FD))
  t.notThrows(() => slice.writeAllVolatile(CLOSED_FD))
})

// ------------------------------------------------------------------------------------------------ partial transfers

test('a failed writeSlice has written what fitted, and says how much that was', (t) => {
  const memory = twoRegions()
  refuses(t, () => memory.writeSlice(new Uint8Array(16).fill(0xab), 0x2ffb), {
    name: 'GuestMemoryError',
    code: 'ERR_PARTIAL_BUFFER',
    message: 'Guest memory error: only used 5 bytes in 16 long buffer',
    expected: 16,
    completed: 5,
  })
  t.deepEqual(bytesOf(memory, 0x2ffa, 6), [0, 0xab, 0xab, 0xab, 0xab, 0xab])

  refuses(t, () => firstRegion(memory).writeSlice(new Uint8Array(16).fill(0xcd), 0xffe), {
    name: 'GuestMemoryError',
    code: 'ERR_PARTIAL_BUFFER',
    expected: 16,
    completed: 2,
  })
  t.deepEqual(bytesOf(memory, 0x1ffd, 4), [0, 0xcd, 0xcd, 0])

  refuses(t, () => memory.getSlice(0x1100, 3).writeSlice(new Uint8Array(4).fill(0xef), 1), {
    name: 'VolatileMemoryError',
    code: 'ERR_PARTIAL_BUFFER',
    message: 'only used 2 bytes in 4 long buffer',
    expected: 4,
    completed: 2,
  })
  t.deepEqual(bytesOf(memory, 0x1100, 4), [0, 0xef, 0xef, 0])
})

test('a failed writeObj and writeU32 have written the first bytes', (t) => {
  const memory = twoRegions()
  const partial = { name: 'GuestMemoryError', code: 'ERR_PARTIAL_BUFFER', expected: 4, completed: 2 }
  refuses(t, () => memory.writeObj('be32', 0x11223344, 0x2ffe), partial)
  t.deepEqual(bytesOf(memory, 0x2ffe, 2), [0x11, 0x22])
  refuses(t, () => memory.writeU32(0x55667788, 0x2ffe), partial)
  t.deepEqual(bytesOf(memory, 0x2ffe, 2), [0x88, 0x77])
  refuses(t, () => memory.writeObj(['u16', 4], [1, 2, 3, 4], 0x2ffd), { ...partial, expected: 8, completed: 3 })
  t.deepEqual(bytesOf(memory, 0x2ffd, 3), [1, 0, 2])
})

test('a failed readSlice has filled what it could and left the rest of the buffer', (t) => {
  const memory = twoRegions()
  memory.writeSlice(new Uint8Array(8).fill(7), 0x2ff8)
  const buf = new Uint8Array(12).fill(0xa5)
  refuses(t, () => memory.readSlice(buf, 0x2ffc), {
    name: 'GuestMemoryError',
    code: 'ERR_PARTIAL_BUFFER',
    expected: 12,
    completed: 4,
  })
  t.deepEqual([...buf], [7, 7, 7, 7, ...Array<number>(8).fill(0xa5)])
  t.is(memory.read(buf, 0x2ffa), 6)
})

// ------------------------------------------------------------------------------------------------ alignment

test('atomic access is aligned by the host address, not by the guest address', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0x1001, 0x1000]])
  const region = firstRegion(memory)
  memory.store('u32', 0xdeadbeef, 0x1005, Ordering.SeqCst)
  t.is(memory.load('u32', 0x1005, Ordering.SeqCst), 0xdeadbeef)
  t.is(region.load('u32', 4, Ordering.Acquire), 0xdeadbeef)

  const misaligned = { name: 'GuestMemoryError', code: 'ERR_INVALID_BACKEND_ADDRESS' }
  refuses(t, () => memory.load('u32', 0x1004, Ordering.SeqCst), misaligned)
  refuses(t, () => memory.store('u32', 1, 0x1004, Ordering.SeqCst), misaligned)
  refuses(t, () => region.load('u16', 3, Ordering.SeqCst), misaligned)

  const addr = region.asPtr() + 3n
  const slice = region.asVolatileSlice()
  const volatile = {
    name: 'VolatileMemoryError',
    code: 'ERR_MISALIGNED',
    message: `address 0x${addr.toString(16)} is not aligned to 4`,
    addr,
    alignment: 4,
  }
  refuses(t, () => slice.load('u32', 3, Ordering.SeqCst), volatile)
  refuses(t, () => slice.store('i32', 3, 3, Ordering.SeqCst), volatile)
  refuses(t, () => region.getAtomicRef('u32', 3), volatile)
  refuses(t, () => slice.offset(1).getAtomicRef('u32', 2), volatile)
  refuses(t, () => slice.load('usize', 4, Ordering.SeqCst), {
    name: 'VolatileMemoryError',
    code: 'ERR_MISALIGNED',
    addr: addr + 1n,
    alignment: 8,
  })
  t.is(slice.load('u8', 3, Ordering.SeqCst), 0)
  t.deepEqual(bytesOf(memory, 0x1001, 8), [0, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde])
})

test('atomic access never crosses the border of a region', (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 0x1001],
    [0x1001, 0x1000],
  ])
  refuses(t, () => memory.load('u16', 0x1000, Ordering.SeqCst), {
    name: 'GuestMemoryError',
    code: 'ERR_INVALID_BACKEND_ADDRESS',
  })
  t.is(memory.readU16(0x1000), 0)
})

// ------------------------------------------------------------------------------------------------ the end of the address space

test('a region may end just below 2^64 - 1 and is refused when its end does not fit 64 bits', (t) => {
  const start = U64_MAX - 0x1000n
  const memory = GuestMemoryMmap.fromRanges([[start, 0x1000]])
  const last = U64_MAX - 1n
  t.is(memory.lastAddr, last)
  t.is(firstRegion(memory).startAddr, start)
  t.is(firstRegion(memory).lastAddr, last)
  memory.writeU8(0x7f, last)
  t.is(memory.readU8(last), 0x7f)
  t.is(firstRegion(memory).readU8(0xfff), 0x7f)
  t.is(memory.findRegion(U64_MAX), null)
  t.is(memory.checkAddress(last), last)
  t.is(memory.checkAddress(U64_MAX), null)
  t.is(memory.checkedOffset(start, 0xfff), last)
  t.is(memory.checkedOffset(start, 0x1000), null)
  t.is(memory.checkedOffset(U64_MAX, 1), null)
  t.true(memory.checkRange(start, 0x1000))
  t.false(memory.checkRange(start, 0x1001))
  refuses(t, () => memory.readU16(last), { name: 'GuestMemoryError', code: 'ERR_PARTIAL_BUFFER', completed: 1 })
  refuses(t, () => memory.readU8(U64_MAX), {
    name: 'GuestMemoryError',
    code: 'ERR_INVALID_GUEST_ADDRESS',
    message: 'Guest memory error: invalid guest address 18446744073709551615',
  })

  const tooFar = {
    name: 'MmapError',
    code: 'ERR_INVALID_GUEST_REGION',
    message: 'Adding the guest base address to the length of the underlying mapping resulted in an overflow',
  }
  refuses(t, () => GuestRegionMmap.fromRange(start + 1n, 0x1000), tooFar)
  refuses(t, () => GuestMemoryMmap.fromRanges([[start + 1n, 0x1000]]), tooFar)
})

test('a mapping that does not fit at one address is free for another', (t) => {
  const mapping = new MmapRegion(0x1000)
  refuses(t, () => new GuestRegionMmap(mapping, U64_MAX), { name: 'MmapError', code: 'ERR_INVALID_GUEST_REGION' })
  const region = new GuestRegionMmap(mapping, 0x1000)
  t.is(region.asPtr(), mapping.asPtr())
})

// ------------------------------------------------------------------------------------------------ empty maps

test('an empty map has no address and takes regions', (t) => {
  const memory = new GuestMemoryMmap()
  t.is(memory.numRegions, 0)
  t.is(memory.lastAddr, 0n)
  t.deepEqual([...memory.iter()], [])
  t.deepEqual([...memory], [])
  t.is(memory.findRegion(0), null)
  t.is(memory.toRegionAddr(0), null)
  t.is(memory.checkAddress(0), null)
  t.is(memory.checkedOffset(0, 0), null)
  t.false(memory.addressInRange(0))
  t.false(memory.checkRange(0, 0))
  const unmapped = { name: 'GuestMemoryError', code: 'ERR_INVALID_GUEST_ADDRESS', addr: 0n }
  refuses(t, () => memory.readU8(0), unmapped)
  refuses(t, () => memory.writeSlice(EMPTY, 0), unmapped)
  refuses(t, () => memory.getHostAddress(0), unmapped)
  refuses(t, () => memory.removeRegion(0, 0x1000), { name: 'MmapError', code: 'ERR_INVALID_GUEST_REGION' })

  const region = GuestRegionMmap.fromRange(0x1000, 0x1000)
  const larger = memory.insertRegion(region)
  t.is(larger.numRegions, 1)
  t.is(larger.findRegion(0x1fff), region)
  t.is(memory.numRegions, 0)
})

test('the last region can be removed, though a map of no regions cannot be made from a list', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0x1000, 0x1000]])
  const wrong = { name: 'MmapError', code: 'ERR_INVALID_GUEST_REGION' }
  refuses(t, () => memory.removeRegion(0x1000, 0xfff), wrong)
  refuses(t, () => memory.removeRegion(0x1001, 0x1000), wrong)
  const [empty, region] = memory.removeRegion(0x1000, 0x1000n)
  t.is(empty.numRegions, 0)
  t.is(region, firstRegion(memory))
  t.is(new GuestMemoryAtomic(empty).memory().numRegions, 0)
  t.is(empty.insertRegion(region).readU8(0x1000), 0)

  const none = { name: 'MmapError', code: 'ERR_NO_MEMORY_REGION', message: 'No memory region found' }
  refuses(t, () => GuestMemoryMmap.fromRanges([]), none)
  refuses(t, () => GuestMemoryMmap.fromRangesWithFiles([]), none)
  refuses(t, () => GuestMemoryMmap.fromRegions([]), none)
})

// ------------------------------------------------------------------------------------------------ files

test('mapping a file and checking its size put the cursor of the descriptor back to the start', (t) => {
  const content = Uint8Array.from({ length: 2 * PAGE }, (_, i) => i & 0xff)
  const fd = temporaryFile(t, content)
  const nextByte = (): number => {
    const byte = new Uint8Array(1)
    fs.readSync(fd, byte, 0, 1, null)
    return byte[0] as number
  }
  t.is(nextByte(), 0)
  t.is(nextByte(), 1)
  const file = new FileOffset(fd, PAGE)
  t.is(nextByte(), 2)
  checkFileOffset(file, PAGE)
  t.is(nextByte(), 0)
  t.is(nextByte(), 1)
  const mapping = MmapRegion.fromFile(file, PAGE)
  t.is(nextByte(), 0)
  t.is(mapping.getSlice(1, 1).readU8(0), 1)
  // The seek comes before the verdict.
  t.is(nextByte(), 1)
  t.throws(() => checkFileOffset(file, PAGE + 1), { code: 'ERR_MAPPING_PAST_EOF' })
  t.is(nextByte(), 0)
})

test('checkFileOffset takes any object with a start and a descriptor, and leaves the descriptor alone', (t) => {
  const fd = temporaryFile(t, new Uint8Array(2 * PAGE))
  const check = (file: unknown, size: unknown = PAGE) => checkFileOffset(file as FileOffset, size as number)
  const descriptors = () => (process.platform === 'linux' ? openDescriptors() : [])
  const offset = new FileOffset(fd, PAGE)
  const accepted = [
    offset,
    { start: 0n, fd },
    { start: PAGE, fd },
    { start: offset.start, fd: offset.fd },
    { start: 0, fd: { fd } },
    { start: 0, fd: offset },
    Object.create({ start: 0, fd }),
    new Proxy({ start: 0, fd }, {}),
    new (class {
      get start() {
        return 0n
      }
      get fd() {
        return fd
      }
    })(),
  ]
  const before = descriptors()
  for (const file of accepted) {
    for (let round = 0; round < 3; round += 1) t.notThrows(() => check(file))
    t.throws(() => check(file, 2 * PAGE + 1), { name: 'MmapRegionError', code: 'ERR_MAPPING_PAST_EOF' })
  }
  t.deepEqual(descriptors(), before)
  t.is(fs.fstatSync(fd).size, 2 * PAGE)
  t.throws(() => check({ start: 2n ** 64n - 1n, fd }), { code: 'ERR_INVALID_OFFSET_LENGTH' })
  t.throws(() => check({ start: 0, fd: CLOSED_FD }), { code: 'ERR_SEEK_END', message: /./ })

  for (const file of [
    undefined,
    null,
    fd,
    'x',
    5n,
    {},
    [],
    { fd },
    { start: 0 },
    { start: '0', fd },
    { start: 0, fd: '3' },
  ]) {
    t.throws(() => check(file), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }, String(file))
  }
  for (const file of [
    { start: -1, fd },
    { start: 0.5, fd },
    { start: 2n ** 64n, fd },
    { start: 0, fd: -1 },
    { start: 0, fd: 1.5 },
  ]) {
    t.throws(() => check(file), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
  t.throws(() => check({ start: 0, fd }, 'x'), { code: 'ERR_INVALID_ARG_TYPE' })
  const reason = new Error('mine')
  const throwing = {
    get start(): number {
      throw reason
    },
    fd,
  }
  t.is(
    t.throws(() => check(throwing)),
    reason,
  )
})

// ------------------------------------------------------------------------------------------------ address 0

test('no mapping lies at address 0', (t) => {
  const [prot, anonymous, size] = [PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, 2 * PAGE]
  const fixed = { name: 'MmapRegionError', code: 'ERR_MAP_FIXED' }
  const file = new FileOffset(temporaryFile(t, new Uint8Array(size)), 0)
  for (const flags of process.platform === 'linux' ? [MAP_FIXED, MAP_FIXED_NOREPLACE] : [MAP_FIXED]) {
    refuses(t, () => MmapRegion.build(null, size, prot, anonymous | flags), fixed)
    refuses(t, () => MmapRegion.build(null, size, prot, anonymous | flags, { bitmap: true }), fixed)
    refuses(t, () => MmapRegion.build(file, size, prot, MAP_SHARED | flags), fixed)
    refuses(t, () => new MmapRegionBuilder(size).withMmapFlags(anonymous | flags).build(), fixed)
    refuses(
      t,
      () =>
        new MmapRegionBuilder(size)
          .withMmapFlags(MAP_SHARED | flags)
          .withFileOffset(file)
          .build(),
      fixed,
    )
  }

  const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  for (const nowhere of [0n, 0 as unknown as bigint]) {
    refuses(t, () => MmapRegion.buildRaw(nowhere, size, prot, anonymous), outOfRange)
    const builder = new MmapRegionBuilder(size)
    refuses(t, () => builder.withRawMmapPointer(nowhere), outOfRange)
    t.is(builder.build().size, size, 'the builder is good for another mapping')
  }
})

test('the flags of a mapping that other code made may be any', (t) => {
  const mapping = new MmapRegion(PAGE)
  const raw = MmapRegion.buildRaw(mapping.asPtr(), PAGE, mapping.prot, mapping.flags | MAP_FIXED)
  t.is(raw.flags, mapping.flags | MAP_FIXED)
  t.is(raw.asPtr(), mapping.asPtr())
})
