// Guest memory, simply: what the package must answer. Addresses are bigints throughout, no answer is computed cleverly.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Bytes, U64, Usize, VolatileIo } from '../../index.js'

import { bytesOf, ModelAccess } from './model-access.js'
import {
  ModelFile,
  type Part,
  readExactVolatile,
  readVolatile,
  type Stream,
  withStream,
  writeAllVolatile,
  writeVolatile,
} from './model-io.js'
import { type ModelBitmap, ModelMapping } from './model-region.js'
import {
  asGuestMemoryError,
  callbackOutOfRange,
  cannotMap,
  disposed,
  guestAddressOverflow,
  invalidBackendAddress,
  invalidGuestAddress,
  invalidGuestRegion,
  lockHeld,
  memoryRegionOverlap,
  misaligned,
  noMemoryRegion,
  outOfBounds,
  overflow,
  partialBuffer,
  unsortedMemoryRegions,
} from './refusals.js'
import type {
  Atomic,
  BitmapSlice,
  ExclusiveGuard,
  Implementation,
  LoadGuard,
  Memory,
  Options,
  Region,
  Slice,
} from './surface.js'

const END = 1n << 64n

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

// ------------------------------------------------------------------------------------------------ slices

class ModelSlice extends ModelAccess<Usize> implements Slice {
  readonly #mapping: ModelMapping
  readonly #start: number
  readonly len: number

  constructor(mapping: ModelMapping, start: number, len: number) {
    super()
    this.#mapping = mapping
    this.#start = start
    this.len = len
  }

  get isEmpty(): boolean {
    return this.len === 0
  }

  get bitmap(): BitmapSlice | null {
    const { bitmap } = this.#mapping
    if (bitmap === null) return null
    const at = (offset: Usize): bigint => BigInt(this.#start) + BigInt(offset)
    return {
      dirtyAt: (offset) => bitmap.dirtyAt(at(offset)),
      markDirty: (offset, len) => bitmap.markDirty(at(offset), len),
    }
  }

  protected begin(): void {}

  protected shown(error: unknown): unknown {
    return error
  }

  protected atomicPart(addr: Usize, size: number): Part {
    const part = this.#part(addr, size)
    const host = this.#mapping.host + BigInt(part.offset)
    if (host % BigInt(size) !== 0n) throw misaligned(host, size)
    return part
  }

  /** Checks that there are `count` bytes at `offset`. */
  #part(offset: Usize, count: Usize): Part {
    const end = BigInt(offset) + BigInt(count)
    if (end >= END) throw overflow(BigInt(offset), BigInt(count))
    if (end > this.len) throw outOfBounds(end)
    return { mapping: this.#mapping, offset: this.#start + Number(offset), count: Number(count) }
  }

  /** As many of `count` bytes as there are at `addr`. */
  #some(addr: Usize, count: number): Part {
    if (count === 0) return this.#part(0, 0)
    if (addr >= this.len) throw outOfBounds(BigInt(addr))
    return this.#part(addr, Math.min(count, this.len - Number(addr)))
  }

  read(buf: Bytes, addr: Usize): number {
    const { offset, count } = this.#some(addr, buf.byteLength)
    bytesOf(buf).set(this.#mapping.take(offset, count))
    return count
  }

  write(buf: Bytes, addr: Usize): number {
    const { offset, count } = this.#some(addr, buf.byteLength)
    this.#mapping.put(offset, bytesOf(buf).slice(0, count))
    return count
  }

  getSlice(offset: Usize, count: Usize): ModelSlice {
    const part = this.#part(offset, count)
    return new ModelSlice(this.#mapping, part.offset, part.count)
  }

  subslice(offset: Usize, count: Usize): ModelSlice {
    return this.getSlice(offset, count)
  }

  asVolatileSlice(): ModelSlice {
    return this.getSlice(0, this.len)
  }

  offset(count: Usize): ModelSlice {
    const host = this.asPtr()
    if (host + BigInt(count) >= END) throw overflow(host, BigInt(count))
    if (count > this.len) throw outOfBounds(host + BigInt(count))
    return this.getSlice(count, this.len - Number(count))
  }

  splitAt(mid: Usize): [ModelSlice, ModelSlice] {
    const rest = this.offset(mid)
    return [this.getSlice(0, mid), rest]
  }

  #common(array: NodeJS.TypedArray): number {
    return Math.min(array.length, Math.floor(this.len / array.BYTES_PER_ELEMENT))
  }

  copyTo(dst: NodeJS.TypedArray): number {
    const elements = this.#common(dst)
    bytesOf(dst).set(this.#mapping.take(this.#start, elements * dst.BYTES_PER_ELEMENT))
    return elements
  }

  copyFrom(src: NodeJS.TypedArray): void {
    this.#mapping.put(this.#start, bytesOf(src).slice(0, this.#common(src) * src.BYTES_PER_ELEMENT))
  }

  copyToVolatileSlice(dst: Slice): void {
    const target = dst as ModelSlice
    target.#mapping.put(target.#start, this.#mapping.take(this.#start, Math.min(this.len, target.len)))
  }

  asPtr(): bigint {
    return this.#mapping.host + BigInt(this.#start)
  }

  asUint8Array(): Uint8Array {
    return this.#mapping.bytes.subarray(this.#start, this.#start + this.len)
  }

  readVolatileFrom(addr: Usize, src: VolatileIo, count: Usize): number {
    const part = this.#part(addr, count)
    return withStream(src, (stream) => readVolatile(part, stream))
  }

  readExactVolatileFrom(addr: Usize, src: VolatileIo, count: Usize): void {
    const part = this.#part(addr, count)
    withStream(src, (stream) => readExactVolatile(part, stream))
  }

  writeVolatileTo(addr: Usize, dst: VolatileIo, count: Usize): number {
    const part = this.#part(addr, count)
    return withStream(dst, (stream) => writeVolatile(part, stream))
  }

  writeAllVolatileTo(addr: Usize, dst: VolatileIo, count: Usize): void {
    const part = this.#part(addr, count)
    withStream(dst, (stream) => writeAllVolatile(part, stream))
  }

  readVolatile(src: VolatileIo): number {
    return this.readVolatileFrom(0, src, this.len)
  }

  readExactVolatile(src: VolatileIo): void {
    this.readExactVolatileFrom(0, src, this.len)
  }

  writeVolatile(dst: VolatileIo): number {
    return this.writeVolatileTo(0, dst, this.len)
  }

  writeAllVolatile(dst: VolatileIo): void {
    this.writeAllVolatileTo(0, dst, this.len)
  }
}

// ------------------------------------------------------------------------------------------------ regions

/** Does as a slice does, with the errors of a region. */
function ofRegion<R>(access: () => R): R {
  try {
    return access()
  } catch (error) {
    throw asGuestMemoryError(error)
  }
}

export class ModelRegion extends ModelAccess<Usize> implements Region {
  readonly mapping: ModelMapping
  readonly startAddr: bigint
  readonly #whole: ModelSlice

  constructor(startAddr: bigint, size: bigint, tracked: boolean) {
    super()
    if (size === 0n) throw cannotMap(22)
    if (size > 1n << 47n) throw cannotMap(12)
    this.mapping = new ModelMapping(Number(size), tracked)
    this.startAddr = startAddr
    this.#whole = new ModelSlice(this.mapping, 0, this.mapping.bytes.length)
    if (startAddr + size >= END) throw invalidGuestRegion()
  }

  get size(): number {
    return this.mapping.bytes.length
  }

  get lastAddr(): bigint {
    return this.startAddr + BigInt(this.size) - 1n
  }

  get bitmap(): ModelBitmap | null {
    return this.mapping.bitmap
  }

  protected begin(): void {}

  protected shown(error: unknown): unknown {
    return asGuestMemoryError(error)
  }

  protected atomicPart(addr: Usize, size: number): Part {
    return this.partOfAtomic(addr, size)
  }

  partOfAtomic(addr: Usize, size: number): Part {
    if (BigInt(addr) + BigInt(size) > this.size) throw invalidBackendAddress()
    if (Number(addr) % size !== 0) throw invalidBackendAddress() // mappings start at pages
    return { mapping: this.mapping, offset: Number(addr), count: size }
  }

  has(addr: bigint): boolean {
    return this.startAddr <= addr && addr <= this.lastAddr
  }

  asPtr(): bigint {
    return this.mapping.host
  }

  checkAddress(offset: Usize): number | null {
    return this.addressInRange(offset) ? Number(offset) : null
  }

  addressInRange(offset: Usize): boolean {
    return offset < this.size
  }

  checkedOffset(base: Usize, offset: Usize): number | null {
    return this.checkAddress(BigInt(base) + BigInt(offset))
  }

  toRegionAddr(addr: U64): number | null {
    return this.has(BigInt(addr)) ? Number(BigInt(addr) - this.startAddr) : null
  }

  getHostAddress(offset: Usize): bigint {
    if (!this.addressInRange(offset)) throw invalidBackendAddress()
    return this.mapping.host + BigInt(offset)
  }

  asVolatileSlice(): ModelSlice {
    return this.#whole.asVolatileSlice()
  }

  asUint8Array(offset: Usize = 0, length: Usize = BigInt(this.size) - BigInt(offset)): Uint8Array {
    return this.#whole.getSlice(offset, length).asUint8Array()
  }

  getSlice(offset: Usize, count: Usize): ModelSlice {
    return ofRegion(() => this.#whole.getSlice(offset, count))
  }

  read(buf: Bytes, addr: Usize): number {
    return ofRegion(() => this.#whole.read(buf, addr))
  }

  write(buf: Bytes, addr: Usize): number {
    return ofRegion(() => this.#whole.write(buf, addr))
  }

  readVolatileFrom(addr: Usize, src: VolatileIo, count: Usize): number {
    return ofRegion(() => this.#whole.readVolatileFrom(addr, src, count))
  }

  readExactVolatileFrom(addr: Usize, src: VolatileIo, count: Usize): void {
    ofRegion(() => this.#whole.readExactVolatileFrom(addr, src, count))
  }

  writeVolatileTo(addr: Usize, dst: VolatileIo, count: Usize): number {
    return ofRegion(() => this.#whole.writeVolatileTo(addr, dst, count))
  }

  writeAllVolatileTo(addr: Usize, dst: VolatileIo, count: Usize): void {
    ofRegion(() => this.#whole.writeAllVolatileTo(addr, dst, count))
  }
}

// ------------------------------------------------------------------------------------------------ memory

/** Regions that a memory may have, as they are given. */
function validated(regions: readonly ModelRegion[]): ModelMemory {
  if (regions.length === 0) throw noMemoryRegion()
  for (const [index, next] of regions.entries()) {
    const previous = regions[index - 1]
    if (previous === undefined) continue
    if (previous.startAddr > next.startAddr) throw unsortedMemoryRegions()
    if (previous.lastAddr >= next.startAddr) throw memoryRegionOverlap()
  }
  return new ModelMemory(regions)
}

class ModelMemory extends ModelAccess<U64> implements Memory {
  protected readonly regions: readonly ModelRegion[]

  constructor(regions: readonly ModelRegion[]) {
    super()
    this.regions = regions
  }

  protected begin(): void {}

  protected shown(error: unknown): unknown {
    return asGuestMemoryError(error)
  }

  memory(): Memory {
    return this
  }

  #find(addr: bigint): ModelRegion | null {
    return this.regions.find((region) => region.has(addr)) ?? null
  }

  /** `try_access`: `step` uses what it can of each piece in turn. */
  #walk(
    count: bigint,
    addr: bigint,
    step: (total: bigint, len: bigint, region: ModelRegion, offset: number) => bigint,
  ): bigint {
    let next = addr
    let total = 0n
    for (let region = this.#find(next); region !== null; region = this.#find(next)) {
      const len = smaller(region.lastAddr - next + 1n, count - total)
      const used = step(total, len, region, Number(next - region.startAddr))
      if (used === 0n) return total
      total += used
      if (total > count || total >= END) throw callbackOutOfRange()
      if (total === count) return total
      next += used
      if (next > END) throw guestAddressOverflow()
      next %= END
    }
    if (total === 0n) throw invalidGuestAddress(addr)
    return total
  }

  #parts(addr: U64, count: bigint): Part[] {
    const parts: Part[] = []
    this.#walk(count, BigInt(addr), (_, len, { mapping }, offset) => {
      parts.push({ mapping, offset, count: Number(len) })
      return len
    })
    return parts
  }

  protected atomicPart(addr: U64, size: number): Part {
    const region = this.#find(BigInt(addr))
    if (region === null) throw invalidGuestAddress(BigInt(addr))
    return region.partOfAtomic(BigInt(addr) - region.startAddr, size)
  }

  read(buf: Bytes, addr: U64): number {
    this.begin()
    const parts = this.#parts(addr, BigInt(buf.byteLength))
    const bytes = parts.flatMap(({ mapping, offset, count }) => [...mapping.take(offset, count)])
    bytesOf(buf).set(bytes)
    return bytes.length
  }

  write(buf: Bytes, addr: U64): number {
    this.begin()
    const bytes = bytesOf(buf).slice()
    let done = 0
    for (const { mapping, offset, count } of this.#parts(addr, BigInt(bytes.length))) {
      mapping.put(offset, bytes.subarray(done, done + count))
      done += count
    }
    return done
  }

  insertRegion(region: Region): Memory {
    this.begin()
    const regions = [...this.regions, region as ModelRegion]
    return validated(regions.toSorted((a, b) => (a.startAddr < b.startAddr ? -1 : Number(a.startAddr > b.startAddr))))
  }

  removeRegion(base: U64, size: U64): [memory: Memory, region: Region] {
    this.begin()
    const removed = this.regions.find(
      (region) => region.startAddr === BigInt(base) && BigInt(region.size) === BigInt(size),
    )
    if (removed === undefined) throw invalidGuestRegion()
    return [new ModelMemory(this.regions.filter((region) => region !== removed)), removed]
  }

  get numRegions(): number {
    this.begin()
    return this.regions.length
  }

  iter(): IterableIterator<Region> {
    this.begin()
    return this.regions.values()
  }

  findRegion(addr: U64): Region | null {
    this.begin()
    return this.#find(BigInt(addr))
  }

  toRegionAddr(addr: U64): [region: Region, offset: number] | null {
    this.begin()
    const region = this.#find(BigInt(addr))
    return region === null ? null : [region, Number(BigInt(addr) - region.startAddr)]
  }

  addressInRange(addr: U64): boolean {
    return this.findRegion(addr) !== null
  }

  checkAddress(addr: U64): bigint | null {
    return this.addressInRange(addr) ? BigInt(addr) : null
  }

  checkRange(base: U64, len: Usize): boolean {
    this.begin()
    if (this.#find(BigInt(base)) === null) return false
    return this.#walk(BigInt(len), BigInt(base), (_, piece) => piece) === BigInt(len)
  }

  checkedOffset(base: U64, offset: Usize): bigint | null {
    return this.checkAddress(BigInt(base) + BigInt(offset))
  }

  get lastAddr(): bigint {
    this.begin()
    return this.regions.at(-1)?.lastAddr ?? 0n
  }

  getHostAddress(addr: U64): bigint {
    const found = this.toRegionAddr(addr)
    if (found === null) throw invalidGuestAddress(BigInt(addr))
    return found[0].getHostAddress(found[1])
  }

  getSlice(addr: U64, count: Usize): Slice {
    const found = this.toRegionAddr(addr)
    if (found === null) throw invalidGuestAddress(BigInt(addr))
    return found[0].getSlice(found[1], count)
  }

  tryAccess(
    count: Usize,
    addr: U64,
    callback: (offset: number, len: number, regionAddr: number, region: Region) => number,
  ): number {
    this.begin()
    const used = this.#walk(BigInt(count), BigInt(addr), (total, len, region, offset) =>
      BigInt(callback(Number(total), Number(len), offset, region)),
    )
    return Number(used)
  }

  views(addr: U64, count: Usize): Uint8Array[] {
    this.begin()
    const parts = this.#parts(addr, BigInt(count))
    const found = parts.reduce((sum, part) => sum + part.count, 0)
    if (BigInt(found) !== BigInt(count)) throw this.shown(partialBuffer(BigInt(count), BigInt(found)))
    return parts
      .filter((part) => part.count > 0)
      .map(({ mapping, offset, count }) => mapping.bytes.subarray(offset, offset + count))
  }

  #transfer(addr: U64, io: VolatileIo, count: Usize, piece: (part: Part, stream: Stream) => number): bigint {
    this.begin()
    return withStream(io, (stream) =>
      this.#walk(BigInt(count), BigInt(addr), (_, len, { mapping }, offset) => {
        try {
          return BigInt(piece({ mapping, offset, count: Number(len) }, stream))
        } catch (error) {
          throw asGuestMemoryError(error)
        }
      }),
    )
  }

  #complete(expected: Usize, completed: bigint): void {
    if (BigInt(expected) !== completed) throw this.shown(partialBuffer(BigInt(expected), completed))
  }

  readVolatileFrom(addr: U64, src: VolatileIo, count: Usize): number {
    return Number(this.#transfer(addr, src, count, readVolatile))
  }

  readExactVolatileFrom(addr: U64, src: VolatileIo, count: Usize): void {
    this.#complete(count, this.#transfer(addr, src, count, readVolatile))
  }

  writeVolatileTo(addr: U64, dst: VolatileIo, count: Usize): number {
    const whole = (part: Part, stream: Stream): number => {
      writeAllVolatile(part, stream)
      return part.count
    }
    return Number(this.#transfer(addr, dst, count, whole))
  }

  writeAllVolatileTo(addr: U64, dst: VolatileIo, count: Usize): void {
    this.#complete(count, BigInt(this.writeVolatileTo(addr, dst, count)))
  }
}

// ------------------------------------------------------------------------------------------------ snapshots

class ModelLoadGuard extends ModelMemory implements LoadGuard {
  readonly #map: Memory
  #live = true

  constructor(map: Memory) {
    super([...map.iter()] as ModelRegion[])
    this.#map = map
  }

  protected override begin(): void {
    if (!this.#live) throw disposed()
  }

  override memory(): Memory {
    this.begin()
    return this.#map
  }

  clone(): LoadGuard {
    this.begin()
    return new ModelLoadGuard(this.#map)
  }

  intoInner(): Memory {
    this.begin()
    this.#live = false
    return this.#map
  }

  dispose(): void {
    this.#live = false
  }
}

class ModelAtomic implements Atomic {
  #map: Memory
  #locked = false

  constructor(map: Memory) {
    this.#map = map.memory()
  }

  memory(): LoadGuard {
    return new ModelLoadGuard(this.#map)
  }

  lock(): ExclusiveGuard {
    const guard = this.tryLock()
    if (guard === null) throw lockHeld()
    return guard
  }

  tryLock(): ExclusiveGuard | null {
    if (this.#locked) return null
    this.#locked = true
    let held = true
    const unlock = (): void => {
      if (held) this.#locked = false
      held = false
    }
    return {
      replace: (map) => {
        if (!held) throw disposed()
        this.#map = map.memory()
        unlock()
      },
      dispose: unlock,
    }
  }

  update(fn: (current: Memory) => Memory): Memory {
    const guard = this.lock()
    try {
      guard.replace(fn(this.#map))
    } finally {
      guard.dispose()
    }
    return this.#map
  }
}

export class Model implements Implementation {
  readonly file = new ModelFile()

  fileContent(): Uint8Array {
    return this.file.content
  }

  empty(): Memory {
    return new ModelMemory([])
  }

  fromRanges(ranges: readonly (readonly [start: U64, size: Usize])[], options: Options): Memory {
    return this.fromRegions(ranges.map(([start, size]) => this.region(start, size, options)))
  }

  fromRegions(regions: readonly Region[]): Memory {
    return validated(regions as ModelRegion[])
  }

  region(addr: U64, size: Usize, { bitmap }: Options): Region {
    return new ModelRegion(BigInt(addr), BigInt(size), bitmap)
  }

  atomic(map: Memory): Atomic {
    return new ModelAtomic(map)
  }
}
