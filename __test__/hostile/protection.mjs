// Memory without the right to read or to write: every access that would be a SIGSEGV is refused.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import os from 'node:os'
import { fileDescriptor, vm } from './surface.mjs'
import { complain, errorOf, expectCode, expectSame } from './verdict.mjs'

const { SeqCst } = vm.Ordering
const { EFAULT } = os.constants.errno
const BASE = 65536
const SIZE = vm.pageSize()
const PRIVATE = vm.MAP_ANONYMOUS | vm.MAP_PRIVATE
const READ_WRITE = vm.PROT_READ | vm.PROT_WRITE

const BITS = [8, 16, 32, 64]
const TYPES = ['u8', 'i16', 'u32', 'i64', 'usize', 'u128', 'le16', 'be32', 'le64', 'beSize']

const mappingOf = (prot) => vm.MmapRegion.build(null, SIZE, prot, PRIVATE, { bitmap: true })
const regionOf = (prot, base = BASE) => new vm.GuestRegionMmap(mappingOf(prot), base)
const memoryOf = (...regions) => vm.GuestMemoryMmap.fromRegions(regions)

/** All ways to read 8 bytes or fewer at `at`: by copy, as one value, atomically, into bytes. */
function* reads(target, at) {
  yield ['read', () => target.read(new Uint8Array(8), at)]
  yield ['readSlice', () => target.readSlice(new Uint8Array(8), at)]
  for (const bits of BITS) {
    yield [`readU${bits}`, () => target[`readU${bits}`](at)]
    yield [`readI${bits}`, () => target[`readI${bits}`](at)]
  }
  for (const type of TYPES) {
    yield [`readObj ${type}`, () => target.readObj(type, at)]
    yield [`readObj of an array of ${type}`, () => target.readObj([type, 2], at)]
  }
  for (const type of ['u8', 'i16', 'u32', 'i64', 'usize']) yield [`load ${type}`, () => target.load(type, at, SeqCst)]
  yield ['writeVolatileTo', () => target.writeVolatileTo(at, new Uint8Array(8), 8)]
  yield ['writeAllVolatileTo', () => target.writeAllVolatileTo(at, new Uint8Array(8), 8)]
}

function* writes(target, at) {
  yield ['write', () => target.write(new Uint8Array(8), at)]
  yield ['writeSlice', () => target.writeSlice(new Uint8Array(8), at)]
  yield ['fill', () => target.fill(1, at, 8)]
  for (const bits of BITS) {
    yield [`writeU${bits}`, () => target[`writeU${bits}`](bits === 64 ? 1n : 1, at)]
    yield [`writeI${bits}`, () => target[`writeI${bits}`](bits === 64 ? 1n : 1, at)]
  }
  for (const type of TYPES) {
    yield [`writeObj ${type}`, () => target.writeObj(type, 1, at)]
    yield [`writeObj of an array of ${type}`, () => target.writeObj([type, 2], [1, 1], at)]
  }
  for (const type of ['u8', 'i16', 'u32', 'i64', 'usize']) {
    yield [`store ${type}`, () => target.store(type, 1, at, SeqCst)]
  }
  yield ['readVolatileFrom', () => target.readVolatileFrom(at, new Uint8Array(8), 8)]
  yield ['readExactVolatileFrom', () => target.readExactVolatileFrom(at, new Uint8Array(8), 8)]
}

const plainSlice = () => new vm.MmapRegion(SIZE).asVolatileSlice()

/** Reads through what a mapping gives: slices, references, arrays. */
function* windowReads(mapping) {
  const slice = mapping.asVolatileSlice()
  yield ['slice.copyTo', () => slice.copyTo(new Uint8Array(8))]
  yield ['slice.copyTo of wide elements', () => slice.copyTo(new Float64Array(2))]
  yield ['slice.copyToVolatileSlice', () => slice.copyToVolatileSlice(plainSlice())]
  yield ['slice.writeVolatile', () => slice.writeVolatile(new Uint8Array(8))]
  yield ['slice.writeAllVolatile', () => slice.writeAllVolatile(new Uint8Array(SIZE))]
  yield ['ref.load', () => mapping.getRef('u32', 0).load()]
  yield ['ref.toSlice().readU8', () => mapping.getRef('u32', 0).toSlice().readU8(0)]
  yield ['array.load', () => mapping.getArrayRef('u16', 0, 4).load(1)]
  yield ['array.refAt().load', () => mapping.getArrayRef('u16', 0, 4).refAt(1).load()]
  yield ['array.copyTo', () => mapping.getArrayRef('u16', 0, 4).copyTo(new Uint16Array(4))]
  yield ['array.copyToVolatileSlice', () => mapping.getArrayRef('u16', 0, 4).copyToVolatileSlice(plainSlice())]
  yield ['atomic.load', () => mapping.getAtomicRef('u32', 0).load(SeqCst)]
}

function* windowWrites(mapping) {
  const slice = mapping.asVolatileSlice()
  yield ['slice.copyFrom', () => slice.copyFrom(new Uint8Array(8))]
  yield ['slice.copyFrom of wide elements', () => slice.copyFrom(new Float64Array(2))]
  yield ['slice.copyToVolatileSlice into it', () => plainSlice().copyToVolatileSlice(slice)]
  yield ['slice.readVolatile', () => slice.readVolatile(new Uint8Array(8))]
  yield ['slice.readExactVolatile', () => slice.readExactVolatile(new Uint8Array(SIZE))]
  yield ['ref.store', () => mapping.getRef('u32', 0).store(1)]
  yield ['ref.toSlice().writeU8', () => mapping.getRef('u32', 0).toSlice().writeU8(1, 0)]
  yield ['array.store', () => mapping.getArrayRef('u16', 0, 4).store(1, 1)]
  yield ['array.refAt().store', () => mapping.getArrayRef('u16', 0, 4).refAt(1).store(1)]
  yield ['array.copyFrom', () => mapping.getArrayRef('u16', 0, 4).copyFrom(new Uint16Array(4))]
  yield [
    'array.copyToVolatileSlice into it',
    () => new vm.MmapRegion(SIZE).getArrayRef('u8', 0, 4).copyToVolatileSlice(slice),
  ]
  yield ['atomic.store', () => mapping.getAtomicRef('u32', 0).store(1, SeqCst)]
}

/** Views that JavaScript would read and write without asking. */
function* zeroCopies(region, memory) {
  yield ['buffer', () => region.buffer]
  yield ['asUint8Array', () => region.asUint8Array()]
  yield ['asUint8Array of a part', () => region.asUint8Array(0, 8)]
  yield ['slice.asUint8Array', () => region.getSlice(0, 8).asUint8Array()]
  yield ['views', () => memory.views(BASE, 8)]
  yield ['withViews', () => memory.withViews(BASE, 8, () => 0)]
}

function refuseAll(where, calls) {
  for (const [name, call] of calls) expectCode(`${name} on ${where}`, 'ERR_PROTECTION', call)
}

function allowAll(where, calls) {
  for (const [name, call] of calls) {
    const error = errorOf(call)
    if (error !== null) complain(`${name} on ${where}`, error)
  }
}

function* everyTarget(region, memory) {
  yield ['memory', memory, BASE]
  yield ['a guard', new vm.GuestMemoryAtomic(memory).memory(), BASE]
  yield ['a region', region, 0]
  yield ['a slice', region.asVolatileSlice(), 0]
}

const NONE = 'memory without access'
{
  const region = regionOf(vm.PROT_NONE)
  const memory = memoryOf(region)
  for (const [kind, target, at] of everyTarget(region, memory)) {
    refuseAll(`${kind} of ${NONE}`, reads(target, at))
    refuseAll(`${kind} of ${NONE}`, writes(target, at))
  }
  for (const mapping of [region, mappingOf(vm.PROT_NONE)]) {
    refuseAll(NONE, windowReads(mapping))
    refuseAll(NONE, windowWrites(mapping))
  }
  refuseAll(NONE, zeroCopies(region, memory))
  expectSame('a refused write marks nothing dirty', region.bitmap.dirtyAt(0), false)
  // Nothing is accessed by these.
  expectSame('zero bytes', region.read(new Uint8Array(0), 0), 0)
  expectSame('zero bytes of the memory', memory.write(new Uint8Array(0), BASE), 0)
  expectSame('the length of a slice', memory.getSlice(BASE, SIZE).len, SIZE)
  expectSame('the host address', memory.getHostAddress(BASE), region.asPtr())
  expectSame(
    'a callback',
    memory.tryAccess(8, BASE, (_offset, len) => len),
    8,
  )
}

const READ_ONLY = 'read-only memory'
{
  const region = regionOf(vm.PROT_READ)
  const memory = memoryOf(region)
  for (const [kind, target, at] of everyTarget(region, memory)) {
    allowAll(`${kind} of ${READ_ONLY}`, reads(target, at))
    refuseAll(`${kind} of ${READ_ONLY}`, writes(target, at))
  }
  allowAll(READ_ONLY, windowReads(region))
  refuseAll(READ_ONLY, windowWrites(region))
  refuseAll(READ_ONLY, zeroCopies(region, memory))
  expectSame('a refused write marks nothing dirty', region.bitmap.dirtyAt(0), false)
}
{
  // The same of a file, which others could read.
  const mapping = vm.MmapRegion.build(new vm.FileOffset(fileDescriptor, 0), SIZE, vm.PROT_READ, vm.MAP_SHARED)
  allowAll('a read-only file', windowReads(mapping))
  refuseAll('a read-only file', windowWrites(mapping))
  expectSame('the file', mapping.asVolatileSlice().readU8(0), 0x5a)
}

// ------------------------------------------------------------------------------------------------ across borders

/** Writes that begin in writable memory and would end in memory that is not. */
for (const prot of [vm.PROT_READ, vm.PROT_NONE]) {
  const first = regionOf(READ_WRITE)
  const memory = memoryOf(first, regionOf(prot, BASE + SIZE))
  const at = BASE + SIZE - 1
  const where = `the border to protection ${prot}`
  const wide = [...writes(memory, at)].filter(([name]) => !/8$|^store/.test(name))
  refuseAll(where, wide)
  refuseAll(where, [['views', () => memory.views(at, 2)]])
  expectSame(`the byte before ${where}`, first.readU8(SIZE - 1), 0)
  expectSame(`dirt before ${where}`, first.bitmap.dirtyAt(SIZE - 1), false)
  // Up to the border all is well.
  memory.writeSlice(new Uint8Array(4).fill(7), BASE + SIZE - 4)
  expectSame(`four bytes before ${where}`, first.readU32(SIZE - 4), 0x07070707)
}
{
  const memory = memoryOf(regionOf(READ_WRITE), regionOf(vm.PROT_NONE, BASE + SIZE))
  const wide = [...reads(memory, BASE + SIZE - 1)].filter(([name]) => !/8$|^load/.test(name))
  refuseAll('the border to memory without access', wide)
}

// ------------------------------------------------------------------------------------------------ descriptors

/** The kernel checks these itself. */
function expectFault(where, call) {
  const error = errorOf(call)
  if (error?.code !== 'ERR_IO' || error.errno !== EFAULT) complain(where, error ?? 'returned')
}
{
  const region = regionOf(vm.PROT_NONE)
  const memory = memoryOf(region)
  const fd = fileDescriptor
  // A descriptor that was read and written to its end has nothing to fault on.
  const rewind = () => vm.checkFileOffset(new vm.FileOffset(fd, 0), 0)
  const transfers = {
    'memory.readVolatileFrom': () => memory.readVolatileFrom(BASE, fd, 8),
    'memory.readExactVolatileFrom': () => memory.readExactVolatileFrom(BASE, fd, 8),
    'memory.writeVolatileTo': () => memory.writeVolatileTo(BASE, fd, 8),
    'memory.writeAllVolatileTo': () => memory.writeAllVolatileTo(BASE, fd, 8),
    'region.readVolatileFrom': () => region.readVolatileFrom(0, fd, 8),
    'region.writeAllVolatileTo': () => region.writeAllVolatileTo(0, fd, 8),
    'slice.readVolatile': () => region.getSlice(0, 8).readVolatile(fd),
    'slice.writeVolatile': () => region.getSlice(0, 8).writeVolatile(fd),
  }
  for (const [name, transfer] of Object.entries(transfers)) {
    rewind()
    expectFault(name, transfer)
  }
  const later = {
    readVolatileFromAsync: () => memory.readVolatileFromAsync(BASE, fd, 8),
    readExactVolatileFromAsync: () => memory.readExactVolatileFromAsync(BASE, fd, 8),
    writeVolatileToAsync: () => memory.writeVolatileToAsync(BASE, fd, 8),
    writeAllVolatileToAsync: () => memory.writeAllVolatileToAsync(BASE, fd, 8),
  }
  for (const [name, transfer] of Object.entries(later)) {
    rewind()
    const error = await transfer().then(
      () => null,
      (reason) => reason,
    )
    expectFault(name, () => {
      if (error !== null) throw error
    })
  }
}

// ------------------------------------------------------------------------------------------------ write-only

// Whether write-only memory can be read is the processor's affair; the process must live, and writes must work.
{
  const region = regionOf(vm.PROT_WRITE)
  allowAll('write-only memory', writes(region, 0))
  for (const [name, call] of reads(region, 0)) {
    const error = errorOf(call)
    if (error !== null && error.code !== 'ERR_PROTECTION') complain(`${name} on write-only memory`, error)
  }
  refuseAll('write-only memory', zeroCopies(region, memoryOf(region)))
}
