// Portions Copyright 2019 Red Hat, Inc.
//
// Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/volatile_memory.rs, and the one of its src/mmap.rs that needs `VolatileRef`. Left out:
// - misaligned_ref: `aligned_as_ref` and `aligned_as_mut` give Rust references.
// - alignment: of a private function of the crate.

import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import {
  AtomicBitmap,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegion,
  MmapRegionBuilder,
  Ordering,
  PROT_READ,
  PROT_WRITE,
  computeOffset,
} from '../index.js'
import { checkAtomicAccesses } from './upstream/atomic-accesses.js'
import { contents, volatileSlice } from './upstream/backing.js'
import { checkRange, rangeIsClean, rangeIsDirty, testBytes, testVolatileMemory } from './upstream/dirty-tracking.js'
import { tempFile } from './upstream/temp-file.js'
import { startThread } from './upstream/thread.js'

const USIZE_MAX = 2n ** 64n - 1n

// Upstream prints made-up errors; here each is provoked, with the same fields where memory can be laid out for that.
test('test_display_error', (t) => {
  const slice = new MmapRegion(90).asVolatileSlice()

  t.throws(() => slice.getSlice(0, 8).getSlice(0, 0x10), { message: 'address 0x10 is out of bounds' })

  t.throws(() => computeOffset(USIZE_MAX, 0x10), {
    message: 'address 0xffffffffffffffff offset by 0x10 would overflow',
  })

  t.throws(() => slice.getArrayRef('u64', 0, USIZE_MAX), {
    message: '18446744073709551615 elements of size 8 would overflow a usize',
  })

  t.throws(() => slice.getAtomicRef('u64', 4), {
    message: `address 0x${(slice.asPtr() + 4n).toString(16)} is not aligned to 8`,
  })

  t.throws(() => slice.readSlice(new Uint8Array(100), 0), { message: 'only used 90 bytes in 100 long buffer' })
})

test('atomic_store', (t) => {
  const a = volatileSlice(new Uint8Array(8))
  const atomic = a.getAtomicRef('usize', 0)
  atomic.store(2n, Ordering.Relaxed)
  t.is(a.readObj('usize', 0), 2n)
})

test('atomic_load', (t) => {
  const a = volatileSlice(new Uint8Array(8))
  a.writeObj('usize', 5n, 0)
  const atomic = a.getAtomicRef('usize', 0)
  t.is(atomic.load(Ordering.Relaxed), 5n)
})

test('misaligned_atomic', (t) => {
  const a = volatileSlice(new Uint8Array(16))
  const aRef = a.getSlice(0, 8)
  t.notThrows(() => aRef.getAtomicRef('usize', 0))
  t.throws(() => aRef.getAtomicRef('usize', 1))
})

test('ref_store', (t) => {
  const a = volatileSlice(Uint8Array.of(0))
  const ref = a.getRef('u8', 0)
  ref.store(2)
  t.deepEqual(contents(a), Uint8Array.of(2))
})

test('ref_load', (t) => {
  const a = volatileSlice(Uint8Array.of(5))
  const ref = a.getRef('u8', 0)
  t.is(ref.load(), 5)
})

test('ref_to_slice', (t) => {
  const a = volatileSlice(new Uint8Array(5).fill(1))
  const ref = a.getRef('u32', 1)
  ref.store(0x1234_5678)
  const refSlice = ref.toSlice()
  t.is(refSlice.asPtr(), a.asPtr() + 1n)
  t.is(refSlice.len, ref.len)
  t.false(refSlice.isEmpty)
})

test('observe_mutate', async (t) => {
  const mem = GuestMemoryMmap.fromRanges([[0, 1]])

  const outsideSlice = mem.getSlice(0, 1)
  const ref = outsideSlice.getRef('u8', 0)

  ref.store(99)
  const thread = startThread('store-zero.worker.ts', mem.share())
  await once(thread, 'online')

  t.is(ref.load(), 99)
  thread.postMessage('go on', [])
  await once(thread, 'message')
  t.is(ref.load(), 0)

  await thread.terminate()
})

test('mem_is_empty', (t) => {
  t.false(volatileSlice(new Uint8Array(100)).isEmpty)
  t.true(volatileSlice(new Uint8Array()).isEmpty)
})

test('slice_len', (t) => {
  const mem = volatileSlice(new Uint8Array(100))
  let slice = mem.getSlice(0, 27)
  t.is(slice.len, 27)
  t.false(slice.isEmpty)

  slice = mem.getSlice(34, 27)
  t.is(slice.len, 27)
  t.false(slice.isEmpty)

  slice = slice.getSlice(20, 5)
  t.is(slice.len, 5)
  t.false(slice.isEmpty)

  slice = mem.getSlice(34, 0)
  t.true(slice.isEmpty)
})

test('slice_subslice', (t) => {
  const mem = volatileSlice(new Uint8Array(100))
  const slice = mem.getSlice(0, 100)
  t.notThrows(() => slice.write(new Uint8Array(80).fill(1), 10))

  t.notThrows(() => slice.subslice(0, 0))
  t.throws(() => slice.subslice(0, 101))

  t.notThrows(() => slice.subslice(99, 0))
  t.notThrows(() => slice.subslice(99, 1))
  t.throws(() => slice.subslice(99, 2))

  t.notThrows(() => slice.subslice(100, 0))
  t.throws(() => slice.subslice(100, 1))

  t.throws(() => slice.subslice(101, 0))
  t.throws(() => slice.subslice(101, 1))

  t.throws(() => slice.subslice(USIZE_MAX, 2))
  t.throws(() => slice.subslice(2, USIZE_MAX))

  const offsetSlice = slice.subslice(10, 80)
  t.is(offsetSlice.len, 80)

  const buf = new Uint8Array(80)
  t.notThrows(() => offsetSlice.read(buf, 0))
  t.deepEqual(buf, new Uint8Array(80).fill(1))
})

test('slice_offset', (t) => {
  const mem = volatileSlice(new Uint8Array(100))
  const slice = mem.getSlice(0, 100)
  t.notThrows(() => slice.write(new Uint8Array(80).fill(1), 10))

  t.throws(() => slice.offset(101))

  const offsetSlice = slice.offset(10)
  t.is(offsetSlice.len, 90)
  const buf = new Uint8Array(90)
  t.notThrows(() => offsetSlice.read(buf, 0))
  t.deepEqual(buf.subarray(0, 80), new Uint8Array(80).fill(1))
  t.deepEqual(buf.subarray(80, 90), new Uint8Array(10))
})

test('slice_copy_to_u8', (t) => {
  const a = Uint8Array.of(2, 4, 6, 8, 10)
  const b = new Uint8Array(4)
  const c = new Uint8Array(6)
  const aRef = volatileSlice(a)
  const vRef = aRef.getSlice(0, aRef.len)
  vRef.copyTo(b)
  vRef.copyTo(c)
  t.deepEqual(b, a.subarray(0, 4))
  t.deepEqual(c.subarray(0, 5), a)
})

test('slice_copy_to_u16', (t) => {
  const a = Uint16Array.of(0x01, 0x2, 0x03, 0x4, 0x5)
  const b = new Uint16Array(4)
  const c = new Uint16Array(6)
  const vRef = volatileSlice(new Uint8Array(a.buffer)).getSlice(0, 9)

  vRef.copyTo(b)
  vRef.copyTo(c)
  t.deepEqual(b, a.subarray(0, 4))
  t.deepEqual(c.subarray(0, 4), a.subarray(0, 4))
  t.is(c[4], 0)
})

test('slice_copy_from_u8', (t) => {
  const a = Uint8Array.of(2, 4, 6, 8, 10)
  const b = volatileSlice(new Uint8Array(4))
  b.getSlice(0, b.len).copyFrom(a)
  t.deepEqual(contents(b), a.subarray(0, 4))

  const c = volatileSlice(new Uint8Array(6))
  c.getSlice(0, c.len).copyFrom(a)
  t.deepEqual(contents(c).subarray(0, 5), a)
})

test('slice_copy_from_u16', (t) => {
  const a = Uint16Array.of(2, 4, 6, 8, 10)
  const b = volatileSlice(new Uint8Array(4 * 2))
  b.getSlice(0, 8).copyFrom(a)
  t.deepEqual(new Uint16Array(contents(b).buffer), a.subarray(0, 4))

  const c = volatileSlice(new Uint8Array(6 * 2))
  c.getSlice(0, 9).copyFrom(a)
  const copied = new Uint16Array(contents(c).buffer)
  t.deepEqual(copied.subarray(0, 4), a.subarray(0, 4))
  t.is(copied[4], 0)
})

test('slice_copy_to_volatile_slice', (t) => {
  const a = volatileSlice(Uint8Array.of(2, 4, 6, 8, 10))
  const aSlice = a.getSlice(0, a.len)

  const b = volatileSlice(new Uint8Array(4))
  const bSlice = b.getSlice(0, b.len)

  aSlice.copyToVolatileSlice(bSlice)
  t.deepEqual(contents(b), Uint8Array.of(2, 4, 6, 8))
})

test('slice_overflow_error', (t) => {
  const a = volatileSlice(new Uint8Array(1))
  const res = t.throws(() => a.getSlice(USIZE_MAX, 1))
  t.like(res, { name: 'VolatileMemoryError', code: 'ERR_OVERFLOW', base: USIZE_MAX, offset: 1n })
})

test('slice_oob_error', (t) => {
  const a = volatileSlice(new Uint8Array(100))
  t.notThrows(() => a.getSlice(50, 50))
  const res = t.throws(() => a.getSlice(55, 50))
  t.like(res, { name: 'VolatileMemoryError', code: 'ERR_OUT_OF_BOUNDS', addr: 105n })
})

test('ref_overflow_error', (t) => {
  const a = volatileSlice(new Uint8Array(1))
  const res = t.throws(() => a.getRef('u8', USIZE_MAX))
  t.like(res, { name: 'VolatileMemoryError', code: 'ERR_OVERFLOW', base: USIZE_MAX, offset: 1n })
})

test('ref_oob_error', (t) => {
  const a = volatileSlice(new Uint8Array(100))
  t.notThrows(() => a.getRef('u8', 99))
  const res = t.throws(() => a.getRef('u16', 99))
  t.like(res, { name: 'VolatileMemoryError', code: 'ERR_OUT_OF_BOUNDS', addr: 101n })
})

test('ref_oob_too_large', (t) => {
  const a = volatileSlice(new Uint8Array(3))
  const res = t.throws(() => a.getRef('u32', 0))
  t.like(res, { name: 'VolatileMemoryError', code: 'ERR_OUT_OF_BOUNDS', addr: 4n })
})

test('slice_store', (t) => {
  const a = volatileSlice(new Uint8Array(5))
  const s = a.asVolatileSlice()
  const r = a.getRef('u16', 2)
  r.store(9)
  t.is(s.readObj('u16', 2), 9)
})

test('test_write_past_end', (t) => {
  const a = volatileSlice(new Uint8Array(5))
  const s = a.asVolatileSlice()
  const res = s.write(Uint8Array.of(1, 2, 3, 4, 5, 6), 0)
  t.is(res, 5)
})

test('slice_read_and_write', (t) => {
  const a = volatileSlice(new Uint8Array(5))
  const s = a.asVolatileSlice()
  const sampleBuf = Uint8Array.of(1, 2, 3)
  t.throws(() => s.write(sampleBuf, 5))
  t.notThrows(() => s.write(sampleBuf, 2))
  const buf = new Uint8Array(3)
  t.throws(() => s.read(buf, 5))
  t.notThrows(() => s.readSlice(buf, 2))
  t.deepEqual(buf, sampleBuf)

  // Writing an empty buffer at the end of the volatile slice works.
  const emptyBuf = new Uint8Array()
  t.is(s.write(emptyBuf, 100), 0)
  t.is(s.read(emptyBuf, 4), 0)

  // Check that reading and writing an empty buffer does not yield an error.
  const empty = volatileSlice(new Uint8Array()).asVolatileSlice()
  t.is(empty.write(emptyBuf, 1), 0)
  t.is(empty.read(emptyBuf, 1), 0)
})

test('obj_read_and_write', (t) => {
  const a = volatileSlice(new Uint8Array(5))
  const s = a.asVolatileSlice()
  t.throws(() => s.writeObj('u16', 55, 4))
  t.throws(() => s.writeObj('u16', 55, USIZE_MAX))
  t.notThrows(() => s.writeObj('u16', 55, 2))
  t.is(s.readObj('u16', 2), 55)
  t.throws(() => s.readObj('u16', 4))
  t.throws(() => s.readObj('u16', USIZE_MAX))
})

test('mem_read_and_write', (t) => {
  const a = volatileSlice(new Uint8Array(5))
  const s = a.asVolatileSlice()
  t.notThrows(() => s.writeObj('u32', 0xffff_ffff, 1))
  const file = openSync('/dev/zero', 'r')
  t.teardown(() => closeSync(file))

  t.notThrows(() => s.getSlice(1, 4).readExactVolatile(file))

  const f = tempFile(t)
  t.throws(() => s.getSlice(1, 4).readExactVolatile(f))

  const value = s.readObj('u32', 1)
  t.is(value, 0)

  const sink = new Uint8Array(4).fill(0xff)
  t.notThrows(() => s.getSlice(1, 4).writeAllVolatile(sink))
  t.deepEqual(sink, new Uint8Array(4))
})

test('unaligned_read_and_write', (t) => {
  const a = volatileSlice(new Uint8Array(7))
  const s = a.asVolatileSlice()
  t.notThrows(() => s.writeSlice(Uint8Array.of(1, 2, 0xaa, 0xaa, 0xaa, 0xaa, 4), 0))
  const r = a.getRef('u32', 2)
  t.is(r.load(), 0xaaaa_aaaa)

  r.store(0x5555_5555)
  const sampleBuf = Uint8Array.of(1, 2, 0x55, 0x55, 0x55, 0x55, 4)
  const buf = new Uint8Array(7)
  t.notThrows(() => s.readSlice(buf, 0))
  t.deepEqual(buf, sampleBuf)
})

test('test_read_from_exceeds_size', (t) => {
  const imageSize = 20
  const image = new Uint8Array(imageSize).fill(1)

  // Trying to read more bytes than the image has reads all that there are (i.e. 20).
  const bytesToRead = volatileSlice(new Uint8Array(2 * 16))
  t.is(bytesToRead.readVolatile(image), imageSize)
})

test('ref_array_from_slice', (t) => {
  const a = Uint8Array.of(2, 4, 6, 8, 10)
  const aRef = volatileSlice(a)
  const aSlice = aRef.getSlice(0, aRef.len)
  const aArrayRef = aSlice.getArrayRef('u8', 0, aSlice.len)
  for (const [i, entry] of a.entries()) {
    t.is(aArrayRef.load(i), entry)
  }
})

test('ref_array_store', (t) => {
  const a = volatileSlice(new Uint8Array(5))
  const vRef = a.getArrayRef('u8', 1, 4)
  vRef.store(1, 2)
  vRef.store(2, 4)
  vRef.store(3, 6)
  t.deepEqual(contents(a).subarray(2, 5), Uint8Array.of(2, 4, 6))
})

test('ref_array_load', (t) => {
  const a = volatileSlice(Uint8Array.of(0, 0, 2, 3, 10))
  const vRef = a.getArrayRef('u8', 1, 4)
  t.is(vRef.load(1), 2)
  t.is(vRef.load(2), 3)
  t.is(vRef.load(3), 10)
})

test('ref_array_overflow', (t) => {
  const a = volatileSlice(Uint8Array.of(0, 0, 2, 3, 10))
  const res = t.throws(() => a.getArrayRef('u32', 4, USIZE_MAX))
  t.like(res, { name: 'VolatileMemoryError', code: 'ERR_TOO_BIG', nelements: USIZE_MAX, size: 4n })
})

test('test_atomic_accesses', (t) => {
  const a = volatileSlice(new Uint8Array(0x1000))

  checkAtomicAccesses(t, a, 0, 0x1000)
})

test('split_at', (t) => {
  const mem = volatileSlice(new Uint8Array(32))
  const vslice = mem.getSlice(0, 32)
  for (const [mid, startLen, endLen] of [
    [8, 8, 24],
    [0, 0, 32],
    [31, 31, 1],
    [32, 32, 0],
  ] as const) {
    const [start, end] = vslice.splitAt(mid)
    t.is(start.len, startLen)
    t.is(end.len, endLen)
  }
  t.throws(() => vslice.splitAt(33), { name: 'VolatileMemoryError', code: 'ERR_OUT_OF_BOUNDS' })
})

const DEFAULT_PAGE_SIZE = 0x1000

/** A mapping of the memory at `addr` with a clean bitmap of its own, so that memory can have several. */
function withBitmap(addr: bigint, len: number, bitmapLen = len): MmapRegion {
  return MmapRegionBuilder.newWithBitmap(len, new AtomicBitmap(bitmapLen, DEFAULT_PAGE_SIZE))
    .withMmapProt(PROT_READ | PROT_WRITE)
    .withRawMmapPointer(addr)
    .build()
}

test('test_volatile_slice_dirty_tracking', (t) => {
  const val = 123n
  const dirtyOffset = 0x1000
  const dirtyLen = 8

  const len = 0x10000
  const buf = new MmapRegion(len)

  // All writes of `Bytes`.
  testBytes(
    t,
    withBitmap(buf.asPtr(), len).asVolatileSlice(),
    (s, start, len, clean) => checkRange(s.bitmap!, start, len, clean),
    (offset) => offset,
    0x1000,
  )

  // The windows of `VolatileMemory`.
  testVolatileMemory(t, withBitmap(buf.asPtr(), len).asVolatileSlice())

  const slice = withBitmap(buf.asPtr(), len).asVolatileSlice()
  const slice2 = withBitmap(buf.asPtr(), len).asVolatileSlice()
  const slice3 = withBitmap(buf.asPtr(), len).asVolatileSlice()

  t.true(rangeIsClean(slice.bitmap!, 0, slice.len))
  t.true(rangeIsClean(slice2.bitmap!, 0, slice2.len))

  slice.writeObj('u64', val, dirtyOffset)
  t.true(rangeIsDirty(slice.bitmap!, dirtyOffset, dirtyLen))

  slice.copyToVolatileSlice(slice2)
  t.true(rangeIsDirty(slice2.bitmap!, 0, slice2.len))

  {
    const [s1, s2] = slice.splitAt(dirtyOffset)
    t.true(rangeIsClean(s1.bitmap!, 0, s1.len))
    t.true(rangeIsDirty(s2.bitmap!, 0, dirtyLen))
  }

  {
    const s = slice.subslice(dirtyOffset, dirtyLen)
    t.true(rangeIsDirty(s.bitmap!, 0, s.len))
  }

  {
    const s = slice.offset(dirtyOffset)
    t.true(rangeIsDirty(s.bitmap!, 0, dirtyLen))
  }

  // Test `copyFrom` for elements of one byte.
  t.true(rangeIsClean(slice.bitmap!, 0, dirtyOffset))
  slice.copyFrom(new Uint8Array(dirtyOffset).fill(1))
  t.true(rangeIsDirty(slice.bitmap!, 0, dirtyOffset))

  // Test `copyFrom` for longer elements.
  t.true(rangeIsClean(slice3.bitmap!, 0, dirtyOffset))
  slice3.copyFrom(new Uint32Array(dirtyOffset / 4).fill(1))
  t.true(rangeIsDirty(slice3.bitmap!, 0, dirtyOffset))

  // The raw mappings do not own the memory: it must live until here.
  t.is(buf.getRef('u32', 0).load(), 1)
})

test('test_volatile_ref_dirty_tracking', (t) => {
  const val = 123n
  const buf = new MmapRegion(8)
  const vref = withBitmap(buf.asPtr(), 8).getRef('u64', 0)

  t.true(rangeIsClean(vref.bitmap!, 0, vref.len))
  vref.store(val)
  t.true(rangeIsDirty(vref.bitmap!, 0, vref.len))

  // The raw mapping does not own the memory: it must live until here.
  t.is(buf.getRef('u64', 0).load(), val)
})

function testVolatileArrayRefCopyFromTracking(
  t: ExecutionContext,
  type: 'u8' | 'u64',
  copyBuf: Uint8Array | BigUint64Array,
): void {
  const buf = new MmapRegion(copyBuf.byteLength)
  const arr = withBitmap(buf.asPtr(), copyBuf.byteLength).getArrayRef(type, 0, copyBuf.length)

  t.true(rangeIsClean(arr.bitmap!, 0, arr.len * arr.elementSize))
  arr.copyFrom(copyBuf)
  t.true(rangeIsDirty(arr.bitmap!, 0, copyBuf.byteLength))
  t.is(Number(buf.getRef(type, 0).load()), 123)
}

test('test_volatile_array_ref_dirty_tracking', (t) => {
  const val = 123n
  const dirtyLen = 8
  const index = 0x1000
  const dirtyOffset = dirtyLen * index

  const buf = new MmapRegion((index + 1) * dirtyLen)

  // Test `refAt`.
  {
    const arr = withBitmap(buf.asPtr(), buf.len).getArrayRef('u64', 0, index + 1)

    t.true(rangeIsClean(arr.bitmap!, 0, arr.len * dirtyLen))
    arr.refAt(index).store(val)
    t.true(rangeIsDirty(arr.bitmap!, dirtyOffset, dirtyLen))
  }

  // Test `store`.
  {
    const arr = withBitmap(buf.asPtr(), buf.len).getArrayRef('u64', 0, index + 1)

    const slice = arr.toSlice()
    t.true(rangeIsClean(slice.bitmap!, 0, slice.len))
    arr.store(index, val)
    t.true(rangeIsDirty(slice.bitmap!, dirtyOffset, dirtyLen))
  }

  // The raw mappings do not own the memory: it must live until here.
  t.is(buf.getArrayRef('u64', 0, index + 1).load(index), val)

  // Test `copyFrom` for elements of one byte.
  testVolatileArrayRefCopyFromTracking(t, 'u8', new Uint8Array(index + 1).fill(123))
  // Test `copyFrom` for longer elements.
  testVolatileArrayRefCopyFromTracking(t, 'u64', new BigUint64Array(index + 1).fill(123n))
})

test('mmap::test_guest_memory_mmap_as_volatile_slice', (t) => {
  const regionSize = 0x400
  const region = GuestRegionMmap.fromRange(0, regionSize, null)

  // Test slice length.
  const slice = region.asVolatileSlice()
  t.is(slice.len, regionSize)

  // Test slice data.
  const v = 0x1234_5678
  const r = slice.getRef('u32', 0x200)
  r.store(v)
  t.is(r.load(), v)
})
