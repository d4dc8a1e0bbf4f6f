// Memory that recovers from faults, and is accessed so often that fast paths answer.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import fs from 'node:fs'
import process from 'node:process'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'

import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  type GuestRegionMmap,
  memfdCreate,
  MmapRegion,
  Ordering,
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
function place(t: ExecutionContext): Place {
  const fd = memfdCreate('faults', SIZE, { seal: false })
  t.teardown(() => fs.closeSync(fd))
  fs.writeSync(fd, Buffer.alloc(SIZE, 0x5a), 0, SIZE, 0)
  return { fd, memory: GuestMemoryMmap.fromRanges([[0, SIZE, new FileOffset(fd, 0)]], { recoverFaults: true }) }
}

type Accessible = Pick<
  GuestMemoryMmap,
  'readU8' | 'readI16' | 'readU32' | 'readU64' | 'writeU8' | 'writeI16' | 'writeU32' | 'writeU64' | 'load' | 'store'
>

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
  onLinux(`lost memory is an error for all that a ${what} has done often`, (t) => {
    for (const [name, access] of Object.entries(ACCESSES)) {
      const { memory, fd } = place(t)
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

onLinux('threads that read all the time never take for memory what another thread has lost', async (t) => {
  const ready = new SharedArrayBuffer(4)
  const readers = Array.from({ length: 2 }, () => {
    const worker = new Worker(new URL('faults/reader.mjs', import.meta.url), { workerData: { ready } })
    t.teardown(() => worker.terminate())
    return worker
  })
  for (let round = 1; round <= 100; round += 1) {
    const { memory, fd } = place(t)
    const [view] = memory.views(0, SIZE) as [Uint8Array]
    const told = readers.map((worker) => once(worker, 'message') as Promise<[{ found: number; code: string }]>)
    for (const worker of readers) worker.postMessage({ ticket: memory.share(), word: WORD, addr: 3 * PAGE })
    const cell = new Int32Array(ready)
    for (let seen = 0; seen < 2 * round; seen = Atomics.load(cell, 0)) Atomics.wait(cell, 0, seen, 100)
    fs.ftruncateSync(fd, PAGE)
    // This thread loses the page, and stores something else in it; or the others do.
    if (round % 2 === 0) view.fill(7, 3 * PAGE)
    for (const [outcome] of await Promise.all(told)) {
      t.deepEqual(outcome, { found: WORD, code: 'ERR_MEMORY_FAULT' })
    }
  }
})

onLinux('a mapping by a builder that recovers has fast paths, too', (t) => {
  const fd = memfdCreate('faults', SIZE, { seal: false })
  t.teardown(() => fs.closeSync(fd))
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), SIZE, { recoverFaults: true })
  const slice = mapping.asVolatileSlice()
  for (let use = 0; use < 1000; use += 1) slice.writeU32(use, 4 * use)
  fs.ftruncateSync(fd, 0)
  refuses(t, () => slice.readU32(PAGE), { name: 'Error', code: 'ERR_MEMORY_FAULT', offset: PAGE })
})
