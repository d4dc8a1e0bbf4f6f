// What the package and its model have in common: the part of the public surface that the property test uses. One
// operation is one piece of code, which runs on both.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { AtomicBitmap, ByteAccess, FileLike, U64, Usize, VolatileIo, VolatileTransfer } from '../../index.js'

export interface Bitmap extends Pick<
  AtomicBitmap,
  'dirtyAt' | 'getAndReset' | 'isAddrSet' | 'isBitSet' | 'len' | 'markDirty' | 'resetAddrRange' | 'setAddrRange'
> {
  clone(): Pick<AtomicBitmap, 'getAndReset'>
}

export type BitmapSlice = Pick<AtomicBitmap, 'dirtyAt' | 'markDirty'>

/** What all kinds of memory can do. */
export interface Accessible<A> extends ByteAccess<A>, VolatileTransfer<A> {
  getSlice(addr: A, count: Usize): Slice
}

export interface Slice extends Accessible<Usize> {
  readonly len: number
  readonly isEmpty: boolean
  readonly bitmap: BitmapSlice | null
  asVolatileSlice(): Slice
  splitAt(mid: Usize): [Slice, Slice]
  subslice(offset: Usize, count: Usize): Slice
  offset(count: Usize): Slice
  copyTo(dst: NodeJS.TypedArray): number
  copyFrom(src: NodeJS.TypedArray): void
  copyToVolatileSlice(dst: Slice): void
  asPtr(): bigint
  asUint8Array(): Uint8Array
  readVolatile(src: VolatileIo): number
  readExactVolatile(src: VolatileIo): void
  writeVolatile(dst: VolatileIo): number
  writeAllVolatile(dst: VolatileIo): void
}

export interface Region extends Accessible<Usize> {
  readonly startAddr: bigint
  readonly lastAddr: bigint
  readonly size: number
  readonly bitmap: Bitmap | null
  asPtr(): bigint
  checkAddress(offset: Usize): number | null
  addressInRange(offset: Usize): boolean
  checkedOffset(base: Usize, offset: Usize): number | null
  toRegionAddr(addr: U64): number | null
  getHostAddress(offset: Usize): bigint
  asVolatileSlice(): Slice
  asUint8Array(offset?: Usize, length?: Usize): Uint8Array
}

export interface Memory extends Accessible<U64> {
  memory(): Memory
  insertRegion(region: Region): Memory
  removeRegion(base: U64, size: U64): [memory: Memory, region: Region]
  readonly numRegions: number
  iter(): IterableIterator<Region>
  findRegion(addr: U64): Region | null
  toRegionAddr(addr: U64): [region: Region, offset: number] | null
  addressInRange(addr: U64): boolean
  checkAddress(addr: U64): bigint | null
  checkRange(base: U64, len: Usize): boolean
  checkedOffset(base: U64, offset: Usize): bigint | null
  readonly lastAddr: bigint
  getHostAddress(addr: U64): bigint
  tryAccess(
    count: Usize,
    addr: U64,
    callback: (offset: number, len: number, regionAddr: number, region: Region) => number,
  ): number
  views(addr: U64, count: Usize): Uint8Array[]
}

export interface LoadGuard extends Memory {
  clone(): LoadGuard
  intoInner(): Memory
  dispose(): void
}

export interface ExclusiveGuard {
  replace(map: Memory): void
  dispose(): void
}

export interface Atomic {
  memory(): LoadGuard
  lock(): ExclusiveGuard
  tryLock(): ExclusiveGuard | null
  update(fn: (current: Memory) => Memory): Memory
}

export interface Options {
  bitmap: boolean
}

/** Where objects come from. */
export interface Implementation {
  empty(): Memory
  fromRanges(ranges: readonly (readonly [start: U64, size: Usize])[], options: Options): Memory
  fromRegions(regions: readonly Region[]): Memory
  region(addr: U64, size: Usize, options: Options): Region
  atomic(map: Memory): Atomic
  /** A file that is empty, its cursor at the start. */
  file: FileLike
  /** All that is in the file. */
  fileContent(): Uint8Array
}
