// The whole public surface, as it is found at run time, and one right call for each member.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { createRequire } from 'node:module'
import { inspect } from 'node:util'

export const vm = createRequire(import.meta.url)('../../index.js')

const { SeqCst } = vm.Ordering
/** As they were when this was loaded: one of the scripts replaces them. */
const { apply, construct } = Reflect
const PRIVATE = vm.MAP_ANONYMOUS | vm.MAP_PRIVATE
const READ_WRITE = vm.PROT_READ | vm.PROT_WRITE

/** Where the memory starts, and the offset that is used within regions and slices. No number is that of a descriptor. */
const BASE = 65536
const OFFSET = 4096
const SIZE = 16384
/** A host address that nobody looks at. */
const NOWHERE = 65536n

const fd = vm.memfdCreate('hostile', SIZE)
/** A descriptor that may be read, written and mapped. */
export const fileDescriptor = fd
fs.writeSync(fd, Buffer.alloc(SIZE, 0x5a))
/** Another one, that a snapshot of the memory is in, and where in it. */
const snapshot = vm.memfdCreate('snapshot', SIZE)
const TABLE = { regions: [{ start: `0x${BASE.toString(16)}`, size: SIZE, offset: 0 }] }

export const memory = () => vm.GuestMemoryMmap.fromRanges([[BASE, SIZE]], { bitmap: true })
export const region = () => vm.GuestRegionMmap.fromRange(BASE, SIZE, null, { bitmap: true })
const mapping = () => new vm.MmapRegion(SIZE, { bitmap: true })
const file = () => new vm.FileOffset(fd, 0)
const bitmap = () => new vm.AtomicBitmap(SIZE, OFFSET)
const atomic = () => new vm.GuestMemoryAtomic(memory())

/** Whether this kernel can track writes. Where it cannot, nobody has a tracker. */
const canTrack = (() => {
  try {
    memory().trackWrites().dispose()
    return true
  } catch {
    return false
  }
})()

/** One fresh instance of each class. */
export const makers = {
  GuestMemoryAtomic: atomic,
  GuestMemoryLoadGuard: () => atomic().memory(),
  GuestMemoryExclusiveGuard: () => atomic().lock(),
  GuestMemoryMmap: memory,
  GuestRegionMmap: region,
  MmapRegion: mapping,
  MmapRegionBuilder: () => new vm.MmapRegionBuilder(SIZE),
  FileOffset: file,
  VolatileSlice: () => region().asVolatileSlice(),
  VolatileRef: () => region().getRef('u32', OFFSET),
  VolatileArrayRef: () => region().getArrayRef('u32', OFFSET, 4),
  AtomicRef: () => region().getAtomicRef('u32', OFFSET),
  BitmapSlice: () => bitmap().sliceAt(0),
  AtomicBitmap: bitmap,
  WriteTracker: () => memory().trackWrites(),
}

/** Right arguments, by class and member, or by member where all classes agree. `at` is a good address of the receiver. */
const RIGHT_ARGUMENTS = {
  __proto__: null,
  read: (at) => [new Uint8Array(16), at],
  write: (at) => [new Uint8Array(16), at],
  readSlice: (at) => [new Uint8Array(16), at],
  writeSlice: (at) => [new Uint8Array(16), at],
  fill: (at) => [7, at, 16],
  readObj: (at) => ['u32', at],
  writeObj: (at) => ['u32', 7, at],
  load: (at) => ['u32', at, SeqCst],
  store: (at) => ['u32', 7, at, SeqCst],
  'VolatileRef.load': () => [],
  'VolatileRef.store': () => [7],
  'VolatileArrayRef.load': () => [1],
  'VolatileArrayRef.store': () => [1, 7],
  'AtomicRef.load': () => [SeqCst],
  'AtomicRef.store': () => [7, SeqCst],
  readVolatileFrom: (at) => [at, new Uint8Array(16), 16],
  readExactVolatileFrom: (at) => [at, new Uint8Array(16), 16],
  writeVolatileTo: (at) => [at, new Uint8Array(16), 16],
  writeAllVolatileTo: (at) => [at, new Uint8Array(16), 16],
  readVolatileFromAsync: (at) => [at, fd, 0],
  readExactVolatileFromAsync: (at) => [at, fd, 0],
  writeVolatileToAsync: (at) => [at, fd, 0],
  writeAllVolatileToAsync: (at) => [at, fd, 0],
  getSlice: (at) => [at, 16],
  getRef: (at) => ['u32', at],
  getArrayRef: (at) => ['u32', at, 4],
  getAtomicRef: (at) => ['u32', at],
  lock: () => [{ timeout: 0 }],
  lockAsync: () => [{ timeout: 1000 }],
  synchronize: () => [{ timeout: 1000 }],
  onChange: () => [() => {}],
  update: () => [(current) => current],
  'GuestMemoryAtomic.fromShared': () => [atomic().share()],
  'GuestMemoryMmap.fromShared': () => [memory().share()],
  replace: () => [memory()],
  fromRanges: (at) => [[[at, SIZE]], { bitmap: true }],
  fromRangesWithFiles: (at) => [[[at, SIZE, { fd }]], { bitmap: true, prot: READ_WRITE, private: true }],
  fromRegions: () => [[region()]],
  diff: () => [new vm.GuestMemoryMmap()],
  insertRegion: () => [vm.GuestRegionMmap.fromRange(2 * BASE, SIZE)],
  removeRegion: () => [BASE, SIZE],
  findRegion: (at) => [at],
  toRegionAddr: () => [BASE],
  addressInRange: (at) => [at],
  checkAddress: (at) => [at],
  checkRange: (at) => [at, 16],
  checkedOffset: (at) => [at, 16],
  getHostAddress: (at) => [at],
  tryAccess: (at) => [16, at, (_offset, len) => len],
  views: (at) => [at, 16],
  discard: (at) => [at, OFFSET],
  advise: (at) => ['normal', at, OFFSET],
  lockPages: () => [{ offset: OFFSET, count: OFFSET, onFault: true }],
  unlockPages: () => [{ offset: OFFSET, count: OFFSET }],
  changedRanges: () => [],
  prefault: () => [{ threads: 2 }],
  flush: () => [{ offset: OFFSET, count: OFFSET }],
  save: () => [snapshot, { offset: 0 }],
  saveRanges: (at) => [snapshot, TABLE, [[at, OFFSET]]],
  fromSnapshot: () => [snapshot, TABLE, { copy: true }],
  fromRange: () => [BASE, SIZE, file(), { bitmap: true, prot: READ_WRITE, private: false }],
  fdsOverlap: () => [mapping()],
  asUint8Array: () => [OFFSET, 16],
  'VolatileSlice.asUint8Array': () => [],
  fromFile: () => [file(), SIZE, { bitmap: true }],
  'MmapRegion.build': () => [null, SIZE, READ_WRITE, PRIVATE, { bitmap: true }],
  'MmapRegionBuilder.build': () => [],
  buildRaw: () => [NOWHERE, SIZE, READ_WRITE, PRIVATE],
  withRawMmapPointer: () => [NOWHERE],
  setHugetlbfs: () => [true],
  newWithBitmap: () => [SIZE, bitmap()],
  withMmapProt: () => [READ_WRITE],
  withMmapFlags: () => [PRIVATE],
  withFileOffset: () => [file()],
  withHugetlbfs: () => [false],
  withRecoverFaults: () => [false],
  splitAt: () => [OFFSET],
  subslice: () => [OFFSET, 16],
  offset: () => [OFFSET],
  copyTo: () => [new Uint32Array(4)],
  copyFrom: () => [new Uint32Array(4)],
  copyToVolatileSlice: () => [makers.VolatileSlice()],
  readVolatile: () => [new Uint8Array(SIZE)],
  readExactVolatile: () => [new Uint8Array(SIZE)],
  writeVolatile: () => [new Uint8Array(SIZE)],
  writeAllVolatile: () => [new Uint8Array(SIZE)],
  refAt: () => [1],
  markDirty: () => [0, OFFSET],
  'GuestMemoryMmap.markDirty': (at) => [at, OFFSET],
  'GuestMemoryLoadGuard.markDirty': (at) => [at, OFFSET],
  dirtyRanges: () => [{ reset: true }],
  withViews: (at) => [at, 16, (views) => views.map((view) => view.fill(7))],
  dirtyAt: () => [OFFSET],
  sliceAt: () => [OFFSET],
  isBitSet: () => [1],
  isAddrSet: () => [OFFSET],
  setBit: () => [1],
  resetBit: () => [1],
  setAddrRange: () => [0, OFFSET],
  resetAddrRange: () => [0, OFFSET],
  enlarge: () => [OFFSET],
  withLen: () => [SIZE],
  'GuestMemoryAtomic.constructor': () => [memory()],
  'GuestRegionMmap.constructor': () => [mapping(), BASE],
  'MmapRegion.constructor': () => [SIZE, { bitmap: true }],
  'MmapRegionBuilder.constructor': () => [SIZE],
  'FileOffset.constructor': () => [fd, 0],
  'AtomicBitmap.constructor': () => [SIZE, OFFSET],
  'module.onMemoryFault': () => [() => {}],
  'module.checkFaults': () => [() => 1],
  'module.checkFileOffset': () => [file(), SIZE],
  'module.isVmMemoryError': () => [new Error('of nobody')],
  'module.memfdCreate': () => ['hostile', SIZE, { seal: true, hugetlb: false }],
  'module.computeOffset': () => [OFFSET, OFFSET],
  'module.fence': () => [SeqCst],
  'module.struct': () => [{ a: 'u8', b: ['u16', 2] }, { packed: true }],
  [inspect.custom.toString()]: () => [2, { stylize: String }, inspect],
}

/** Classes that `new` can make. */
export const constructible = new Set([
  'GuestMemoryAtomic',
  'GuestMemoryMmap',
  'GuestRegionMmap',
  'MmapRegion',
  'MmapRegionBuilder',
  'FileOffset',
  'AtomicBitmap',
])

/** Members after which the receiver is of no further use. */
const consuming = new Set(['build', 'dispose', 'intoInner', 'replace', String(Symbol.dispose)])

/** Right arguments for a member, made anew; none are known for a member that this file has not heard of. */
export function rightArguments(owner, name) {
  const at = owner === 'GuestMemoryMmap' || owner === 'GuestMemoryLoadGuard' ? BASE : OFFSET
  const known = RIGHT_ARGUMENTS[`${owner}.${name}`] ?? RIGHT_ARGUMENTS[name]
  if (known !== undefined) return known(at)
  if (/^read[UI]\d+$/.test(name)) return [at]
  if (/^write[UI]64$/.test(name)) return [7n, at]
  if (/^write[UI]\d+$/.test(name)) return [7, at]
  return owner === 'GuestAddress' ? [OFFSET, OFFSET] : []
}

/** Every property from an object up to, not including, Object.prototype, with its descriptor. */
export function propertiesOf(object) {
  const found = new Map()
  for (let each = object; each !== null && each !== Object.prototype; each = Object.getPrototypeOf(each)) {
    for (const key of Reflect.ownKeys(each)) {
      if (!found.has(key)) found.set(key, Object.getOwnPropertyDescriptor(each, key))
    }
  }
  return found
}

/** The functions and getters of instances of a class, whether they are its own, inherited, or on the instance. */
export function* instanceMembers(owner) {
  for (const [key, descriptor] of propertiesOf(makers[owner]())) {
    if (key === 'constructor') continue
    const name = String(key)
    if (typeof descriptor.value === 'function') {
      yield { owner, name, key, kind: 'method', function: descriptor.value, consumes: consuming.has(name) }
    } else if (descriptor.get !== undefined) {
      yield { owner, name, key, kind: 'getter', function: descriptor.get, consumes: false }
    }
  }
}

/**
 * Everything that can be called: `call(args)` makes a receiver where one is needed and calls. `right()` are right
 * arguments.
 */
export function* callables() {
  for (const [exported, value] of Object.entries(vm)) {
    if (exported === 'WriteTracker' && !canTrack) continue
    if (typeof value === 'function' && /^[A-Z]/.test(exported)) yield* callablesOfClass(exported, value)
    else if (typeof value === 'function') yield plainFunction('module', exported, value)
    else if (typeof value === 'object') {
      for (const [name, each] of Object.entries(value)) {
        if (typeof each === 'function') yield plainFunction(exported, name, each)
      }
    }
  }
}

function plainFunction(owner, name, value) {
  return {
    title: `${owner}.${name}`,
    right: () => rightArguments(owner, name),
    call: (args) => apply(value, undefined, args),
  }
}

function* callablesOfClass(owner, value) {
  if (makers[owner] === undefined) throw new Error(`a class that these tests cannot make: ${owner}`)
  if (constructible.has(owner)) {
    yield {
      title: `new ${owner}`,
      right: () => rightArguments(owner, 'constructor'),
      call: (args) => construct(value, args),
    }
  }
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    if (typeof descriptor.value !== 'function') continue
    yield {
      title: `${owner}.${key} (static)`,
      right: () => rightArguments(owner, key),
      call: (args) => apply(descriptor.value, value, args),
    }
  }
  for (const member of instanceMembers(owner)) {
    let receiver = makers[owner]()
    yield {
      title: `${owner}.prototype.${member.name}`,
      right: () => (member.kind === 'getter' ? [] : rightArguments(owner, member.name)),
      call: (args) => {
        if (member.consumes) receiver = makers[owner]()
        return apply(member.function, receiver, args)
      },
    }
  }
}
