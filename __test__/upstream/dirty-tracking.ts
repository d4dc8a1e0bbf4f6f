// Copyright 2021 Amazon.com, Inc. or its affiliates. All Rights Reserved.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The checks of upstream's src/bitmap/mod.rs, shared by the tests of everything that marks what it writes.

import type { ExecutionContext } from 'ava'

import {
  Ordering,
  pageSize,
  type Bitmap,
  type ByteAccess,
  type GuestMemoryMmap,
  type GuestRegionMmap,
  type VolatileMemory,
  type VolatileTransfer,
} from '../../index.js'

/** Bytes in a u64, the value that most checks write. */
const DIRTY_LEN = 8

function everyOffset(start: number, len: number, predicate: (offset: number) => boolean): boolean {
  for (let offset = start; offset < start + len; offset += 1) {
    if (!predicate(offset)) {
      return false
    }
  }
  return true
}

/** Whether a range is clean. */
export function rangeIsClean(b: Bitmap, start: number, len: number): boolean {
  return everyOffset(start, len, (offset) => !b.dirtyAt(offset))
}

/** Whether a range is dirty. */
export function rangeIsDirty(b: Bitmap, start: number, len: number): boolean {
  return everyOffset(start, len, (offset) => b.dirtyAt(offset))
}

export function checkRange(b: Bitmap, start: number, len: number, clean: boolean): boolean {
  return clean ? rangeIsClean(b, start, len) : rangeIsDirty(b, start, len)
}

/** Checks any bitmap that covers at least 0x800 bytes, all clean. */
export function testBitmap(t: ExecutionContext, b: Bitmap): void {
  const len = 0x800
  const dirtyOffset = 0x400
  const dirtyLen = 0x100

  // Some basic checks.
  const s = b.sliceAt(dirtyOffset)

  t.true(rangeIsClean(b, 0, len))
  t.true(rangeIsClean(s, 0, dirtyLen))

  b.markDirty(dirtyOffset, dirtyLen)
  t.true(rangeIsDirty(b, dirtyOffset, dirtyLen))
  t.true(rangeIsDirty(s, 0, dirtyLen))
}

/**
 * Checks that each kind of write marks its range. `isRange` tells whether a range of `bytes` is clean, or dirty; `address`
 * makes an address of an offset; `step` is how far apart the writes are, which is a matter of the bitmap's page size.
 */
export function testBytes<A, M extends ByteAccess<A> & VolatileTransfer<A>>(
  t: ExecutionContext,
  bytes: M,
  isRange: (bytes: M, start: number, len: number, clean: boolean) => boolean,
  address: (offset: number) => A,
  step: number,
): void {
  const buf = new Uint8Array(1024).fill(1)
  const val = 1n
  let dirtyOffset = step

  const testAccess = (dirtyLen: number, operation: (addr: A) => void): void => {
    t.true(isRange(bytes, dirtyOffset, dirtyLen, true))
    operation(address(dirtyOffset))
    t.true(isRange(bytes, dirtyOffset, dirtyLen, false))
    dirtyOffset += step
  }

  testAccess(buf.length, (addr) => t.is(bytes.write(buf, addr), buf.length))
  testAccess(buf.length, (addr) => bytes.writeSlice(buf, addr))
  testAccess(DIRTY_LEN, (addr) => bytes.writeObj('u64', val, addr))
  // Upstream still checks the deprecated `read_from` and `read_exact_from`, of which these took the place.
  testAccess(buf.length, (addr) => t.is(bytes.readVolatileFrom(addr, buf, buf.length), buf.length))
  testAccess(buf.length, (addr) => bytes.readExactVolatileFrom(addr, buf, buf.length))
  testAccess(DIRTY_LEN, (addr) => bytes.store('u64', val, addr, Ordering.Relaxed))
}

// Upstream puts its accesses 0x1000 bytes apart, which takes pages of 4 KiB for granted.
const PAGE = Math.max(0x1000, pageSize())

/** How long memory must be for the checks that follow. */
export const DIRTY_TRACKING_SIZE = 16 * PAGE

function testGuestMemoryRegion(t: ExecutionContext, region: GuestRegionMmap): void {
  const dirtyAddr = 0x0
  const val = 123n

  const slice = region.getSlice(dirtyAddr, DIRTY_LEN)

  t.true(rangeIsClean(region.bitmap!, 0, region.len))
  t.true(rangeIsClean(slice.bitmap!, 0, DIRTY_LEN))

  region.writeObj('u64', val, dirtyAddr)

  t.true(rangeIsDirty(region.bitmap!, dirtyAddr, DIRTY_LEN))

  t.true(rangeIsDirty(slice.bitmap!, 0, DIRTY_LEN))

  // The checks of all writes start after the range that has been dirtied so far.
  testBytes(
    t,
    region,
    (r, start, len, clean) => checkRange(r.bitmap!, start, len, clean),
    (offset) => offset,
    PAGE,
  )
}

/** Checks a map of one tracked region from address 0, of which `makeMemory` makes a new one each time. */
export function testGuestMemoryAndRegion(t: ExecutionContext, makeMemory: () => GuestMemoryMmap): void {
  const m = makeMemory()
  const dirtyAddr = BigInt(PAGE)
  const val = 123n

  const [region, regionAddr] = m.toRegionAddr(dirtyAddr)!
  const slice = m.getSlice(dirtyAddr, DIRTY_LEN)

  t.true(rangeIsClean(region.bitmap!, 0, region.len))
  t.true(rangeIsClean(slice.bitmap!, 0, DIRTY_LEN))

  m.writeObj('u64', val, dirtyAddr)

  t.true(rangeIsDirty(region.bitmap!, regionAddr, DIRTY_LEN))

  t.true(rangeIsDirty(slice.bitmap!, 0, DIRTY_LEN))

  // The same for the region itself.
  testGuestMemoryRegion(t, makeMemory().findRegion(0)!)

  // And all kinds of writes, by guest address.
  testBytes(
    t,
    makeMemory(),
    (memory, start, len, clean) => {
      let result = true
      memory.tryAccess(len, start, (_offset, size, regionAddr, region) => {
        if (!checkRange(region.bitmap!, regionAddr, size, clean)) {
          result = false
        }
        return size
      })
      return result
    },
    BigInt,
    PAGE,
  )
}

/** Checks windows on tracked memory of at least `DIRTY_TRACKING_SIZE` bytes, all clean. */
export function testVolatileMemory(t: ExecutionContext, m: VolatileMemory): void {
  t.true(m.len >= DIRTY_TRACKING_SIZE / 2)

  const dirtyOffset = PAGE
  const val = 123n

  const getRefOffset = 2 * PAGE
  const arrayRefOffset = 3 * PAGE

  const s1 = m.asVolatileSlice()
  const s2 = m.getSlice(dirtyOffset, DIRTY_LEN)

  t.true(rangeIsClean(s1.bitmap!, 0, s1.len))
  t.true(rangeIsClean(s2.bitmap!, 0, s2.len))

  s1.writeObj('u64', val, dirtyOffset)

  t.true(rangeIsDirty(s1.bitmap!, dirtyOffset, DIRTY_LEN))
  t.true(rangeIsDirty(s2.bitmap!, 0, DIRTY_LEN))

  const ref = m.getRef('u64', getRefOffset)
  t.true(rangeIsClean(s1.bitmap!, getRefOffset, DIRTY_LEN))
  ref.store(val)
  t.true(rangeIsDirty(s1.bitmap!, getRefOffset, DIRTY_LEN))

  const array = m.getArrayRef('u64', arrayRefOffset, 1)
  t.true(rangeIsClean(s1.bitmap!, arrayRefOffset, DIRTY_LEN))
  array.store(0, val)
  t.true(rangeIsDirty(s1.bitmap!, arrayRefOffset, DIRTY_LEN))
}
