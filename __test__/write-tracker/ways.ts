// Every way to write to memory, and to read it: each touches `count` bytes at `addr`, no others, and tells nobody.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { promisify } from 'node:util'
import { type GuestMemoryMmap, type GuestRegionMmap, Ordering } from '../../index.js'

const readvAsync = promisify(fs.readv)

/** What ways need beside the memory. */
export interface Means {
  readonly memory: GuestMemoryMmap
  /** Endless bytes. */
  readonly zeros: number
  /** Takes all bytes. */
  readonly sink: number
  /** Writes in another thread. */
  inWorker(addr: number, count: number): Promise<void>
}

type Way = (means: Means, addr: number, count: number) => unknown

/** Where an address is. */
function placeOf(memory: GuestMemoryMmap, addr: number): [region: GuestRegionMmap, offset: number] {
  const place = memory.toRegionAddr(addr)
  if (place === null) throw new Error(`no memory at ${addr}`)
  return place
}

/** Of the region that `addr` is in; what is beyond it is left to another way. */
function inOneRegion(write: (region: GuestRegionMmap, offset: number, count: number, zeros: number) => unknown): Way {
  return async (means, addr, count) => {
    const [region, offset] = placeOf(means.memory, addr)
    const here = Math.min(count, region.size - offset)
    await write(region, offset, here, means.zeros)
    if (here < count) means.memory.fill(7, addr + here, count - here)
  }
}

/** One value, over and over, of so many bytes; the rest byte by byte. */
function values(size: number, write: (memory: GuestMemoryMmap, addr: number) => void): Way {
  return ({ memory }, addr, count) => {
    let done = 0
    for (; done + size <= count; done += size) write(memory, addr + done)
    for (; done < count; done += 1) memory.writeU8(done & 255, addr + done)
  }
}

export const WRITES: Record<string, Way> = {
  writeU8: values(1, (memory, addr) => memory.writeU8(1, addr)),
  writeU16: values(2, (memory, addr) => memory.writeU16(2, addr)),
  writeI32: values(4, (memory, addr) => memory.writeI32(-3, addr)),
  writeU64: values(8, (memory, addr) => memory.writeU64(4n, addr)),
  writeObj: values(16, (memory, addr) => memory.writeObj('u128', 5n, addr)),
  'writeObj of an array': ({ memory }, addr, count) => memory.writeObj(['u8', count], new Uint8Array(count), addr),
  write: ({ memory }, addr, count) => memory.write(new Uint8Array(count), addr),
  writeSlice: ({ memory }, addr, count) => memory.writeSlice(Buffer.alloc(count, 6), addr),
  fill: ({ memory }, addr, count) => memory.fill(8, addr, count),
  readVolatileFrom: ({ memory }, addr, count) => memory.readExactVolatileFrom(addr, new Uint8Array(count), count),
  'readVolatileFrom of a file': ({ memory, zeros }, addr, count) => memory.readExactVolatileFrom(addr, zeros, count),
  readVolatileFromAsync: ({ memory, zeros }, addr, count) => memory.readExactVolatileFromAsync(addr, zeros, count),
  views: ({ memory }, addr, count) => memory.views(addr, count).forEach((view) => view.fill(9)),
  withViews: ({ memory }, addr, count) =>
    memory.withViews(addr, count, (views) => views.forEach((view) => view.fill(9))),
  'fs.readvSync': ({ memory, zeros }, addr, count) => fs.readvSync(zeros, memory.views(addr, count)),
  'fs.readv': ({ memory, zeros }, addr, count) => readvAsync(zeros, memory.views(addr, count)),
  'a worker': ({ inWorker }, addr, count) => inWorker(addr, count),
  store: inOneRegion((region, offset, count) => {
    let at = offset
    for (; at + 8 <= offset + count; at += 1) if (at % 8 === 0) region.store('u64', 7n, at, Ordering.SeqCst)
    for (at = offset; at < offset + count; at += 1) region.store('u8', 7, at, Ordering.Release)
  }),
  'a slice': inOneRegion((region, offset, count) => region.getSlice(offset, count).fill(1, 0, count)),
  'copyFrom of a slice': inOneRegion((region, offset, count) =>
    region.getSlice(offset, count).copyFrom(new Uint8Array(count)),
  ),
  'a reference': inOneRegion((region, offset, count) => {
    for (let at = 0; at < count; at += 1) region.getRef('u8', offset + at).store(at & 255)
  }),
  'a reference to an array': inOneRegion((region, offset, count) => {
    const array = region.getArrayRef('u8', offset, count)
    for (let index = 0; index < count; index += 1) array.store(index, 3)
  }),
  'an atomic reference': inOneRegion((region, offset, count) => {
    for (let at = 0; at < count; at += 1) region.getAtomicRef('u8', offset + at).store(at & 255, Ordering.SeqCst)
  }),
  'a Uint8Array': inOneRegion((region, offset, count) => {
    const bytes = region.asUint8Array(offset, count)
    for (let at = 0; at < count; at += 1) bytes[at] = at
  }),
  'Buffer.fill': inOneRegion((region, offset, count) => Buffer.from(region.buffer, offset, count).fill('x')),
  'Buffer.copy': inOneRegion((region, offset, count) =>
    Buffer.alloc(count, 1).copy(Buffer.from(region.buffer, offset, count)),
  ),
  'a DataView': inOneRegion((region, offset, count) => {
    const view = new DataView(region.buffer, offset, count)
    for (let at = 0; at < count; at += 1) view.setInt8(at, -1)
  }),
  'Atomics.store': inOneRegion((region, offset, count) => {
    const bytes = new Uint8Array(region.buffer, offset, count)
    for (let at = 0; at < count; at += 1) Atomics.store(bytes, at, 1)
  }),
  'Atomics.add of nothing': inOneRegion((region, offset, count) => {
    const bytes = new Uint8Array(region.buffer, offset, count)
    for (let at = 0; at < count; at += 1) Atomics.add(bytes, at, 0)
  }),
  'fs.readSync': inOneRegion((region, offset, count, zeros) => {
    fs.readSync(zeros, region.asUint8Array(offset, count))
  }),
}

export const READS: Record<string, Way> = {
  readU8: ({ memory }, addr) => memory.readU8(addr),
  readSlice: ({ memory }, addr, count) => memory.readSlice(new Uint8Array(count), addr),
  'readObj of an array': ({ memory }, addr, count) => memory.readObj(['u8', count], addr),
  load: ({ memory }, addr) => memory.load('u8', addr, Ordering.SeqCst),
  writeVolatileTo: ({ memory, sink }, addr, count) => memory.writeAllVolatileTo(addr, sink, count),
  writeVolatileToAsync: ({ memory, sink }, addr, count) => memory.writeAllVolatileToAsync(addr, sink, count),
  'fs.writevSync': ({ memory, sink }, addr, count) => fs.writevSync(sink, memory.views(addr, count)),
  views: ({ memory }, addr, count) => memory.views(addr, count).map((view) => view.slice().length),
  'Buffer.indexOf': ({ memory }, addr, count) =>
    memory.views(addr, count).map((view) => Buffer.from(view.buffer, view.byteOffset, view.length).indexOf(0x77)),
  'Atomics.load': ({ memory }, addr, count) => memory.views(addr, count).map((view) => Atomics.load(view, 0)),
  'markDirty of nothing': ({ memory }, addr) => memory.markDirty(addr, 0),
  'a slice': inOneRegionRead((region, offset, count) => region.getSlice(offset, count).copyTo(new Uint8Array(count))),
  'a reference': inOneRegionRead((region, offset) => region.getRef('u8', offset).load()),
}

function inOneRegionRead(read: (region: GuestRegionMmap, offset: number, count: number) => unknown): Way {
  return (means, addr, count) => {
    const [region, offset] = placeOf(means.memory, addr)
    return read(region, offset, Math.min(count, region.size - offset))
  }
}
