// Sizes, counts and offsets that no machine has, with and without tracking, and orderings that do not exist.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import { inspect } from 'node:util'
import { fileDescriptor, vm } from './surface.mjs'
import { complain, errorOf, expectCode, expectSame, isDocumented } from './verdict.mjs'

const { ENOMEM } = os.constants.errno
const SIZE = 16384
const PRIVATE = vm.MAP_ANONYMOUS | vm.MAP_PRIVATE
const READ_WRITE = vm.PROT_READ | vm.PROT_WRITE
const ABSURD = [Number.MAX_SAFE_INTEGER, 2 ** 52, 2n ** 53n, 2n ** 60n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]

// ------------------------------------------------------------------------------------------------ mappings

/** Mapping so much fails as mmap fails, whether or not there would be a bitmap. */
const mappings = {
  'new MmapRegion': (size, options) => new vm.MmapRegion(size, options),
  'MmapRegion.build': (size, options) => vm.MmapRegion.build(null, size, READ_WRITE, PRIVATE, options),
  'GuestRegionMmap.fromRange': (size, options) => vm.GuestRegionMmap.fromRange(0, size, null, options),
  'GuestMemoryMmap.fromRanges': (size, options) => vm.GuestMemoryMmap.fromRanges([[0, size]], options),
  'GuestMemoryMmap.fromRanges of two': (size, options) =>
    vm.GuestMemoryMmap.fromRanges(
      [
        [0, SIZE],
        [SIZE, size],
      ],
      options,
    ),
  'GuestMemoryMmap.fromRangesWithFiles': (size, options) =>
    vm.GuestMemoryMmap.fromRangesWithFiles([[0, size, null]], options),
}
for (const [name, map] of Object.entries(mappings)) {
  for (const size of ABSURD) {
    for (const options of [undefined, {}, { bitmap: false }, { bitmap: true }]) {
      const where = `${name} of ${size} bytes, ${inspect(options)}`
      const error = errorOf(() => map(size, options))
      if (error?.code !== 'ERR_MMAP' || error.errno !== ENOMEM || error.name !== 'MmapRegionError') {
        complain(where, error ?? 'returned')
      }
    }
  }
}

/** No file is as long. */
const fileMappings = {
  'MmapRegion.fromFile': (size, options) => vm.MmapRegion.fromFile(new vm.FileOffset(fileDescriptor, 0), size, options),
  'MmapRegion.build of a file': (size, options) =>
    vm.MmapRegion.build(new vm.FileOffset(fileDescriptor, 0), size, READ_WRITE, vm.MAP_SHARED, options),
  'GuestRegionMmap.fromRange of a file': (size, options) =>
    vm.GuestRegionMmap.fromRange(0, size, new vm.FileOffset(fileDescriptor, 0), options),
  checkFileOffset: (size) => vm.checkFileOffset(new vm.FileOffset(fileDescriptor, 0), size),
}
for (const [name, map] of Object.entries(fileMappings)) {
  for (const size of ABSURD) {
    for (const bitmap of [false, true]) {
      expectCode(`${name} of ${size} bytes, ${bitmap}`, 'ERR_MAPPING_PAST_EOF', () => map(size, { bitmap }))
    }
  }
}
for (const size of ABSURD) {
  expectCode(`a builder of ${size} bytes`, 'ERR_MMAP', () => new vm.MmapRegionBuilder(size).build())
  expectCode(`a builder of ${size} bytes with a bitmap`, 'ERR_MMAP', () =>
    vm.MmapRegionBuilder.newWithBitmap(size, new vm.AtomicBitmap(SIZE, 4096)).build(),
  )
  const error = errorOf(() => fs.closeSync(vm.memfdCreate('absurd', size)))
  if (error !== null && !isDocumented(error)) complain(`memfdCreate of ${size} bytes`, error)
}

// ------------------------------------------------------------------------------------------------ bitmaps

for (const size of ABSURD) {
  expectCode(`new AtomicBitmap(${size}, 1)`, 'ERR_OUT_OF_RANGE', () => new vm.AtomicBitmap(size, 1))
  expectCode(`AtomicBitmap.withLen(${size})`, 'ERR_OUT_OF_RANGE', () => vm.AtomicBitmap.withLen(size))
  const bitmap = new vm.AtomicBitmap(SIZE, 1)
  expectCode(`enlarge by ${size}`, 'ERR_OUT_OF_RANGE', () => bitmap.enlarge(size))
  expectSame(`the length after enlarge by ${size}`, bitmap.len, SIZE)
  // One page that is as large as the rest is small.
  expectSame(`pages of ${size} bytes`, new vm.AtomicBitmap(SIZE, size).len, 1)
  // Bits beyond the end are ignored, and looking for them takes no time.
  bitmap.setBit(size)
  bitmap.markDirty(size, size)
  bitmap.setAddrRange(0, size)
  expectSame('the last bit', bitmap.isBitSet(SIZE - 1), true)
  expectSame('a bit beyond', bitmap.isBitSet(size), false)
  bitmap.resetAddrRange(0, size)
  expectSame('the last bit again', bitmap.isBitSet(SIZE - 1), false)
  // Offsets of a slice wrap, as upstream's do: those that come round again mark what they come to.
  bitmap.sliceAt(size).markDirty(size, 1)
  const wrapped = BigInt.asUintN(64, 2n * BigInt(size))
  const dirty = bitmap.getAndReset().some((word) => word !== 0n)
  expectSame(`a bit twice ${size} bytes away`, dirty, wrapped < BigInt(SIZE))
}

// ------------------------------------------------------------------------------------------------ accesses

const memory = vm.GuestMemoryMmap.fromRanges([[0, SIZE]], { bitmap: true })
const region = memory.findRegion(0)
const slice = region.asVolatileSlice()

/** These can only be refused, with whatever code is right. */
const refused = {
  'memory.getSlice': (count) => memory.getSlice(0, count),
  'memory.fill': (count) => memory.fill(0, 0, count),
  'memory.views': (count) => memory.views(0, count),
  'memory.withViews': (count) => memory.withViews(0, count, () => 0),
  'memory.markDirty': (count) => memory.markDirty(0, count),
  'memory.markDirty far away': (count) => memory.markDirty(count, 1),
  'memory.readObj of an array': (count) => memory.readObj(['u8', count], 0),
  'memory.readObj of a wide array': (count) => memory.readObj(['u128', count], 0),
  'memory.readObj far away': (count) => memory.readObj(['u64', count], SIZE),
  'memory.readVolatileFrom': (count) => memory.readExactVolatileFrom(0, new Uint8Array(8), count),
  'memory.writeVolatileTo': (count) => memory.writeAllVolatileTo(0, new Uint8Array(8), count),
  'region.getSlice': (count) => region.getSlice(0, count),
  'region.getSlice at the end': (count) => region.getSlice(SIZE, count),
  'region.asUint8Array': (count) => region.asUint8Array(0, count),
  'region.asUint8Array far away': (count) => region.asUint8Array(count, 1),
  'region.asUint8Array of the rest': (count) => region.asUint8Array(count),
  'region.readVolatileFrom': (count) => region.readVolatileFrom(0, new Uint8Array(8), count),
  'region.getHostAddress': (count) => region.getHostAddress(count),
  'region.readU8': (count) => region.readU8(count),
  'region.readObj of an array': (count) => region.readObj(['i32', count], 0),
  'region.fill': (count) => region.fill(0, 1, count),
  'region.fill far away': (count) => region.fill(0, count, 1),
  'region.writeObj of an array': (count) => region.writeObj(['i32', count], [1], 0),
  'slice.fill': (count) => slice.fill(0, SIZE - 1, count),
  'slice.subslice': (count) => slice.subslice(0, count),
  'slice.offset': (count) => slice.offset(count),
  'slice.splitAt': (count) => slice.splitAt(count),
  'slice.getRef': (count) => slice.getRef('u64', count),
  'slice.getArrayRef': (count) => slice.getArrayRef('u8', 0, count),
  'slice.getArrayRef of wide elements': (count) => slice.getArrayRef('u128', 0, count),
  'slice.getAtomicRef': (count) => slice.getAtomicRef('u64', count),
  'slice.load': (count) => slice.load('u64', count, vm.Ordering.SeqCst),
  'slice.readObj of an array': (count) => slice.readObj(['be16', count], 1),
  'array.load': (count) => slice.getArrayRef('u8', 0, 4).load(count),
  'array.store': (count) => slice.getArrayRef('u8', 0, 4).store(count, 1),
  'array.refAt': (count) => slice.getArrayRef('u8', 0, 4).refAt(count),
}
for (const [name, call] of Object.entries(refused)) {
  for (const count of ABSURD) {
    const error = errorOf(() => call(count))
    if (error === null || !isDocumented(error)) complain(`${name} of ${count}`, error ?? 'returned')
  }
}
for (const count of ABSURD) {
  expectSame(`checkRange of ${count}`, memory.checkRange(0, count), false)
  expectSame(`checkedOffset of ${count}`, memory.checkedOffset(1, count), null)
  expectSame(`region.checkedOffset of ${count}`, region.checkedOffset(1, count), null)
  expectSame(`region.addressInRange of ${count}`, region.addressInRange(count), false)
  expectSame(`region.checkAddress of ${count}`, region.checkAddress(count), null)
  expectSame(
    `tryAccess of ${count}`,
    memory.tryAccess(count, 0, (_offset, len) => len),
    SIZE,
  )
}

// ------------------------------------------------------------------------------------------------ orderings

region.bitmap.reset()
const { Relaxed, Release, Acquire, AcqRel } = vm.Ordering
const impossibleForLoad = [Release, AcqRel]
const impossibleForStore = [Acquire, AcqRel]
const noOrderings = [-1, 5, 255, 256, 2 ** 31, 2 ** 32, 0.5, NaN, Infinity, '0', 'SeqCst', 0n, null, undefined, {}, []]

for (const target of [memory, new vm.GuestMemoryAtomic(memory).memory(), region, slice]) {
  const where = target.constructor.name
  for (const type of ['u8', 'i16', 'u32', 'i64', 'usize', 'isize']) {
    for (const order of impossibleForLoad) {
      expectCode(`${where}.load ${type}`, 'ERR_OUT_OF_RANGE', () => target.load(type, 0, order))
      expectCode(`AtomicRef.load ${type}`, 'ERR_OUT_OF_RANGE', () => slice.getAtomicRef(type, 0).load(order))
    }
    for (const order of impossibleForStore) {
      expectCode(`${where}.store ${type}`, 'ERR_OUT_OF_RANGE', () => target.store(type, 1, 0, order))
      expectCode(`AtomicRef.store ${type}`, 'ERR_OUT_OF_RANGE', () => slice.getAtomicRef(type, 0).store(1, order))
    }
    for (const order of noOrderings) {
      const calls = [
        () => target.load(type, 0, order),
        () => target.store(type, 1, 0, order),
        () => slice.getAtomicRef(type, 0).load(order),
        () => slice.getAtomicRef(type, 0).store(1, order),
        () => vm.fence(order),
      ]
      for (const call of calls) {
        const error = errorOf(call)
        if (error === null || !isDocumented(error)) complain(`ordering ${inspect(order)}`, error ?? 'returned')
      }
    }
  }
}
expectCode('fence', 'ERR_OUT_OF_RANGE', () => vm.fence(Relaxed))
expectSame('nothing was stored', memory.readU64(0), 0n)
expectSame('nothing is dirty', region.bitmap.dirtyAt(0), false)
