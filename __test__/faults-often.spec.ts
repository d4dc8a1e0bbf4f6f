// Memory that recovers from faults, and is accessed so often that fast paths answer.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import fs from 'node:fs'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'

import {
  type ByteAccess,
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  type GuestRegionMmap,
  memfdCreate,
  MmapRegion,
  Ordering,
  type RangeOptions,
  struct,
  type VolatileTransfer,
} from '../index.js'
import { refuses } from './refusal.js'

const PAGE = 4096
const SIZE = 4 * PAGE
const WORD = 0x5a5a_5a5a

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? test : test.skip
if (!isLinux) test('skipped: memory recovers from faults on Linux only', (t) => t.pass())

interface Place {
  readonly memory: GuestMemoryMmap
  readonly fd: number
}

/** Memory of a file of which every byte is 0x5a. */
function place(t: ExecutionContext, options: RangeOptions = {}): Place {
  const fd = memfdCreate('faults', SIZE, { seal: false })
  t.teardown(() => fs.closeSync(fd))
  fs.writeSync(fd, Buffer.alloc(SIZE, 0x5a), 0, SIZE, 0)
  const ranges: [number, number, FileOffset][] = [[0, SIZE, new FileOffset(fd, 0)]]
  return { fd, memory: GuestMemoryMmap.fromRanges(ranges, { ...options, recoverFaults: true }) }
}

type Accessible = ByteAccess<number> & VolatileTransfer<number>

const pair = struct({ low: 'u32', high: 'le32' })
const eight = new Uint8Array(8).fill(0x5a)

const ACCESSES: Record<string, (memory: Accessible, addr: number) => unknown> = {
  readU8: (memory, addr) => memory.readU8(addr),
  readI16: (memory, addr) => memory.readI16(addr),
  readU32: (memory, addr) => memory.readU32(addr),
  readU64: (memory, addr) => memory.readU64(addr),
  load: (memory, addr) => memory.load('u16', addr, Ordering.Acquire),
  'load of 64 bits': (memory, addr) => memory.load('u64', addr, Ordering.SeqCst),
  writeU8: (memory, addr) => memory.writeU8(0x5a, addr),
  writeI16: (memory, addr) => memory.writeI16(0x5a5a, addr),
  writeU32: (memory, addr) => memory.writeU32(WORD, addr),
  writeU64: (memory, addr) => memory.writeU64(0x5a5a_5a5a_5a5a_5a5an, addr),
  store: (memory, addr) => memory.store('u16', 0x5a5a, addr, Ordering.Release),
  'store of 64 bits': (memory, addr) => memory.store('u64', 0x5a5a_5a5a_5a5a_5a5an, addr, Ordering.SeqCst),
  read: (memory, addr) => memory.read(new Uint8Array(8), addr),
  readSlice: (memory, addr) => memory.readSlice(new Uint8Array(8), addr),
  write: (memory, addr) => memory.write(eight, addr),
  writeSlice: (memory, addr) => memory.writeSlice(eight, addr),
  fill: (memory, addr) => memory.fill(0x5a, addr, 8),
  'readObj of a scalar': (memory, addr) => memory.readObj('le16', addr),
  'readObj, big-endian': (memory, addr) => memory.readObj('be32', addr),
  'writeObj, big-endian': (memory, addr) => memory.writeObj('be32', WORD, addr),
  'readObj of an array': (memory, addr) => memory.readObj(['u16', 4], addr),
  'writeObj of an array': (memory, addr) => memory.writeObj(['u8', 8], eight, addr),
  'readObj of a struct': (memory, addr) => memory.readObj(pair, addr),
  'writeObj of a struct': (memory, addr) => memory.writeObj(pair, { low: WORD, high: WORD }, addr),
  'readObj of structs': (memory, addr) => memory.readObj([pair, 1], addr),
  readVolatileFrom: (memory, addr) => memory.readVolatileFrom(addr, eight, 8),
  writeVolatileTo: (memory, addr) => memory.writeVolatileTo(addr, new Uint8Array(8), 8),
}

const OBJECTS: Record<string, (memory: GuestMemoryMmap) => Accessible> = {
  map: (memory) => memory,
  guard: (memory) => new GuestMemoryAtomic(memory).memory(),
  region: (memory) => memory.findRegion(0) as GuestRegionMmap,
  slice: (memory) => memory.getSlice(0, SIZE),
}

function warmUp(accessible: Accessible, access: (memory: Accessible, addr: number) => unknown): void {
  for (let use = 0; use < 1000; use += 1) access(accessible, (use * 8) % SIZE)
}

for (const [what, objectOf] of Object.entries(OBJECTS)) {
  for (const bitmap of [false, true]) {
    onLinux(`lost memory is an error for all that a ${what} has done often, ${bitmap ? '' : 'not '}tracked`, (t) => {
      for (const [name, access] of Object.entries(ACCESSES)) {
        const { memory, fd } = place(t, { bitmap })
        const accessible = objectOf(memory)
        warmUp(accessible, access)
        fs.ftruncateSync(fd, PAGE)
        for (let again = 0; again < 3; again += 1) {
          refuses(t, () => access(accessible, 2 * PAGE), {
            name: 'Error',
            code: 'ERR_MEMORY_FAULT',
            offset: 2 * PAGE,
            reason: 'truncated',
          })
        }
        t.notThrows(() => access(accessible, 0), name)
        fs.ftruncateSync(fd, SIZE)
        const region = memory.findRegion(0) as GuestRegionMmap
        region.healFaults()
        t.notThrows(() => warmUp(accessible, access), name)
      }
    })
  }
}

/** Parts of memory, and what is done with each. Each has bytes of the first page, and then of the third one. */
const PARTS: Record<string, (region: GuestRegionMmap, offset: number) => () => unknown> = {
  'load of a reference': (region, offset) => {
    const ref = region.getRef('u32', offset)
    return () => ref.load()
  },
  'store of a reference': (region, offset) => {
    const ref = region.getRef('be32', offset)
    return () => ref.store(WORD)
  },
  'load of an element': (region, offset) => {
    const refs = region.getArrayRef('u16', offset, 4)
    return () => refs.load(3)
  },
  'store of an element': (region, offset) => {
    const refs = region.getArrayRef('i64', offset, 4)
    return () => refs.store(3, 5n)
  },
  'load of an atomic reference': (region, offset) => {
    const ref = region.getAtomicRef('u64', offset)
    return () => ref.load(Ordering.Acquire)
  },
  'store of an atomic reference': (region, offset) => {
    const ref = region.getAtomicRef('u32', offset)
    return () => ref.store(WORD, Ordering.Release)
  },
  'copy from a slice': (region, offset) => {
    const [from, to] = [region.getSlice(offset, 64), region.getSlice(1024, 64)]
    return () => from.copyToVolatileSlice(to)
  },
  'copy to a slice': (region, offset) => {
    const [from, to] = [region.getSlice(1024, 64), region.getSlice(offset, 64)]
    return () => from.copyToVolatileSlice(to)
  },
  'bytes of a slice': (region, offset) => {
    const slice = region.getSlice(offset, 64)
    return () => slice.copyTo(new Uint8Array(64))
  },
}

for (const [name, part] of Object.entries(PARTS)) {
  onLinux(`lost memory is an error for a ${name} that was done often`, (t) => {
    for (const bitmap of [false, true]) {
      const { memory, fd } = place(t, { bitmap })
      const region = memory.findRegion(0) as GuestRegionMmap
      const [kept, lost] = [part(region, 0), part(region, 2 * PAGE)]
      for (let use = 0; use < 1000; use += 1) {
        kept()
        lost()
      }
      fs.ftruncateSync(fd, PAGE)
      for (let again = 0; again < 3; again += 1) {
        refuses(t, lost, { name: 'Error', code: 'ERR_MEMORY_FAULT', reason: 'truncated' })
      }
      t.notThrows(kept)
    }
  })
}

onLinux('a write to memory that was lost before marks nothing', (t) => {
  for (const [name, write] of Object.entries(ACCESSES)) {
    if (!/^(write|store|fill|read.*From)/.test(name)) continue
    const { memory, fd } = place(t, { bitmap: true })
    const { bitmap } = memory.findRegion(0) as GuestRegionMmap
    warmUp(memory, write)
    bitmap?.reset()
    const [view] = memory.views(0, SIZE) as [Uint8Array]
    fs.ftruncateSync(fd, PAGE)
    view.fill(0, 2 * PAGE)
    refuses(t, () => write(memory, 2 * PAGE), { name: 'Error', code: 'ERR_MEMORY_FAULT' })
    t.false(bitmap?.dirtyAt(2 * PAGE), name)
    t.is(view[2 * PAGE], 0, name)
  }
})

onLinux('an array that is refused since it is not all there loses nothing', (t) => {
  const { memory, fd } = place(t)
  const region = memory.findRegion(0) as GuestRegionMmap
  for (const each of [memory, region]) warmUp(each, (accessible, addr) => accessible.readObj(['u16', 4], addr))
  fs.ftruncateSync(fd, PAGE)
  for (const each of [memory, region]) {
    t.throws(() => each.readObj(['u16', 4], SIZE - 4), { code: 'ERR_PARTIAL_BUFFER' })
    t.deepEqual(region.faults, [])
  }
})

onLinux('memory that was healed is as it was, and reads and writes what is in its file', (t) => {
  for (const bitmap of [false, true]) {
    const { memory, fd } = place(t, { bitmap })
    const slice = memory.getSlice(0, SIZE)
    const both = [memory, slice]
    for (let round = 1; round < 4; round += 1) {
      for (const each of both) warmUp(each, (accessible, addr) => accessible.readU32(addr))
      fs.ftruncateSync(fd, PAGE)
      for (const each of both) refuses(t, () => each.readU32(2 * PAGE), { name: 'Error', code: 'ERR_MEMORY_FAULT' })
      fs.ftruncateSync(fd, SIZE)
      ;(memory.findRegion(0) as GuestRegionMmap).healFaults()
      // So often that fast paths answer again.
      for (let value = 1; value < 1000; value += 1) {
        for (const each of both) {
          each.writeU32(value * round, 2 * PAGE)
          t.is(each.readU32(2 * PAGE), value * round)
          t.is(each.load('u32', 2 * PAGE, Ordering.Acquire), value * round)
        }
      }
      const found = new Uint32Array(1)
      fs.readSync(fd, found, 0, 4, 2 * PAGE)
      t.is(found[0], 999 * round)
    }
  }
})

onLinux('what a view has stored in a lost page is no answer', (t) => {
  const { memory, fd } = place(t)
  warmUp(memory, (each, addr) => each.readU32(addr))
  const [view] = memory.views(0, SIZE) as [Uint8Array]
  fs.ftruncateSync(fd, PAGE)
  view.fill(7, 2 * PAGE)
  refuses(t, () => memory.readU32(2 * PAGE), { name: 'Error', code: 'ERR_MEMORY_FAULT', offset: 2 * PAGE })
  refuses(t, () => memory.readU32(PAGE), { name: 'Error', code: 'ERR_MEMORY_FAULT', offset: PAGE })
})

onLinux('a mapping that is one of many loses nothing by the loss of another', (t) => {
  const [lost, kept] = [place(t), place(t)]
  warmUp(lost.memory, (each, addr) => each.readU32(addr))
  warmUp(kept.memory, (each, addr) => each.readU32(addr))
  fs.ftruncateSync(lost.fd, 0)
  refuses(t, () => lost.memory.readU32(0), { name: 'Error', code: 'ERR_MEMORY_FAULT', offset: 0 })
  t.is(kept.memory.readU32(0), WORD)
  t.deepEqual((kept.memory.findRegion(0) as GuestRegionMmap).faults, [])
})

/** Has two threads read a word of memory all the time, and `end` take it from them, in rounds; `check` gets what each saw last. */
async function endUnderReaders(
  t: ExecutionContext,
  rounds: number,
  end: (place: Place, round: number) => void,
  check: (outcome: { found: number; code: string }) => void,
): Promise<void> {
  const ready = new SharedArrayBuffer(4)
  const readers = Array.from({ length: 2 }, () => {
    const worker = new Worker(new URL('faults/reader.mjs', import.meta.url), { workerData: { ready } })
    t.teardown(() => worker.terminate())
    return worker
  })
  for (let round = 1; round <= rounds; round += 1) {
    const here = place(t)
    const told = readers.map((worker) => once(worker, 'message') as Promise<[{ found: number; code: string }]>)
    for (const worker of readers) worker.postMessage({ ticket: here.memory.share(), word: WORD, addr: 3 * PAGE })
    const cell = new Int32Array(ready)
    for (let seen = 0; seen < 2 * round; seen = Atomics.load(cell, 0)) Atomics.wait(cell, 0, seen, 100)
    end(here, round)
    for (const [outcome] of await Promise.all(told)) check(outcome)
  }
}

onLinux('threads that read all the time never take for memory what another thread has lost', (t) =>
  endUnderReaders(
    t,
    100,
    ({ memory, fd }, round) => {
      const [view] = memory.views(0, SIZE) as [Uint8Array]
      fs.ftruncateSync(fd, PAGE)
      // This thread loses the page, and stores something else in it; or the others do.
      if (round % 2 === 0) view.fill(7, 3 * PAGE)
    },
    (outcome) => t.deepEqual(outcome, { found: WORD, code: 'ERR_MEMORY_FAULT' }),
  ),
)

onLinux('threads that read all the time survive that memory is lost and released at once', (t) =>
  endUnderReaders(
    t,
    200,
    ({ memory, fd }) => {
      const region = memory.findRegion(0) as GuestRegionMmap
      fs.ftruncateSync(fd, PAGE)
      region.release()
    },
    ({ found, code }) => {
      t.is(found, WORD)
      t.regex(code, /^ERR_(MEMORY_FAULT|DISPOSED)$/)
    },
  ),
)

onLinux('a mapping by a builder that recovers has fast paths, too', (t) => {
  const fd = memfdCreate('faults', SIZE, { seal: false })
  t.teardown(() => fs.closeSync(fd))
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), SIZE, { recoverFaults: true })
  const slice = mapping.asVolatileSlice()
  for (let use = 0; use < 1000; use += 1) slice.writeU32(use, 4 * use)
  fs.ftruncateSync(fd, 0)
  refuses(t, () => slice.readU32(PAGE), { name: 'Error', code: 'ERR_MEMORY_FAULT', offset: PAGE })
})
