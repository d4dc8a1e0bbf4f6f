// `trackWrites`: the kernel sees all that this process writes, by whatever way.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  memfdCreate,
  MmapRegion,
  pageSize,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  WriteTracker,
} from '../index.js'
import { refuses } from './refusal.js'

import { temporaryFile } from './temporary-file.js'
import { type Means, READS, WRITES } from './write-tracker/ways.js'
import { tracked } from './write-tracking.js'

const PAGE = pageSize()
const BASE = 16 * PAGE
const FAR = 2 ** 33 + PAGE
const READ_WRITE = PROT_READ | PROT_WRITE

const range = (page: number, pages: number, from = BASE): [bigint, number] => [BigInt(from + page * PAGE), pages * PAGE]

/** How a mapping of so many bytes is made, of each kind that there is. */
const KINDS: Record<string, (t: ExecutionContext, size: number, bitmap: boolean) => MmapRegion> = {
  anonymous: (_t, size, bitmap) => new MmapRegion(size, { bitmap }),
  'anonymous, reserved': (_t, size, bitmap) =>
    MmapRegion.build(null, size, READ_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, { bitmap }),
  'anonymous shared': (_t, size, bitmap) =>
    MmapRegion.build(null, size, READ_WRITE, MAP_ANONYMOUS | MAP_SHARED, { bitmap }),
  memfd: (t, size, bitmap) => MmapRegion.fromFile(memfd(t, size), size, { bitmap }),
  'memfd, private': (t, size, bitmap) =>
    MmapRegion.build(memfd(t, size), size, READ_WRITE, MAP_PRIVATE | MAP_NORESERVE, { bitmap }),
  'shared file': (t, size, bitmap) => MmapRegion.fromFile(file(t, size), size, { bitmap }),
  'private file': (t, size, bitmap) => MmapRegion.build(file(t, size), size, READ_WRITE, MAP_PRIVATE, { bitmap }),
}

function memfd(t: ExecutionContext, size: number): FileOffset {
  const fd = memfdCreate('write-tracker', size, { seal: false })
  t.teardown(() => fs.closeSync(fd))
  return new FileOffset(fd, 0)
}

function file(t: ExecutionContext, size: number): FileOffset {
  const fd = temporaryFile(t, Buffer.alloc(size, 0x5a))
  return new FileOffset(fd, 0)
}

/** Two regions that touch, and one above 4 GiB. The second has a bitmap. */
function newMemory(t: ExecutionContext, kind: (typeof KINDS)[string], pages = 8): GuestMemoryMmap {
  return GuestMemoryMmap.fromRegions([
    new GuestRegionMmap(kind(t, pages * PAGE, false), BASE),
    new GuestRegionMmap(kind(t, pages * PAGE, true), BASE + pages * PAGE),
    new GuestRegionMmap(kind(t, pages * PAGE, false), FAR),
  ])
}

/** Something to write from and to, and a thread. */
function meansOf(t: ExecutionContext, memory: GuestMemoryMmap): Means {
  const zeros = fs.openSync('/dev/zero', 'r')
  const sink = fs.openSync('/dev/null', 'w')
  const worker = new Worker(new URL('write-tracker/writer.mjs', import.meta.url), { workerData: memory.share() })
  t.teardown(async () => {
    for (const fd of [zeros, sink]) fs.closeSync(fd)
    await worker.terminate()
  })
  return {
    memory,
    zeros,
    sink,
    inWorker: async (addr, count) => {
      worker.postMessage([addr, count])
      await once(worker, 'message')
    },
  }
}

/** What a harvest is to be, as a set of pages. */
class Model {
  readonly #pages = new Set<number>()

  constructor(readonly starts: readonly number[]) {}

  write(addr: number, count: number): void {
    for (let page = Math.floor(addr / PAGE); page * PAGE < addr + count; page += 1) this.#pages.add(page)
  }

  harvest(): [bigint, number][] {
    const ranges: [bigint, number][] = []
    let end = -1
    for (const page of [...this.#pages].toSorted((a, b) => a - b)) {
      const last = ranges.at(-1)
      // Regions that touch are not joined.
      if (last !== undefined && page === end && !this.starts.includes(page * PAGE)) last[1] += PAGE
      else ranges.push([BigInt(page * PAGE), PAGE])
      end = page + 1
    }
    this.#pages.clear()
    return ranges
  }
}

const startsOf = (memory: GuestMemoryMmap): number[] => Array.from(memory, ({ startAddr }) => Number(startAddr))

for (const [name, kind] of Object.entries(KINDS)) {
  tracked(`every way to write is seen, and no way to read: ${name}`, async (t) => {
    const memory = newMemory(t, kind)
    // Half of it is in use, as memory of guests is.
    memory.fill(1, BASE, 4 * PAGE)
    memory.fill(1, FAR, 4 * PAGE)
    for (const { bitmap } of memory) bitmap?.reset()
    const means = meansOf(t, memory)
    const model = new Model(startsOf(memory))
    using tracker = memory.trackWrites()
    t.deepEqual(tracker.harvest(), [], 'clean')
    // Twice: once without, and once with fast paths.
    for (const round of [1, 2]) {
      for (const [way, read] of Object.entries(READS)) {
        for (const addr of [BASE + PAGE + 5, BASE + 6 * PAGE, BASE + 8 * PAGE - 8, FAR + 3]) await read(means, addr, 16)
        t.deepEqual(tracker.harvest(), [], `${way}, round ${round}`)
      }
      for (const [way, write] of Object.entries(WRITES)) {
        for (const [addr, count] of [
          [BASE + 5, 3],
          [BASE + 2 * PAGE - 2, 4],
          [BASE + 6 * PAGE + 100, 17],
          [BASE + 8 * PAGE - 5, 10],
          [FAR + 7 * PAGE, PAGE],
        ] as const) {
          await write(means, addr, count)
          model.write(addr, count)
        }
        t.deepEqual(tracker.harvest(), model.harvest(), `${way}, round ${round}`)
      }
    }
  })
}

/** Numbers that look random, the same ones each time. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

tracked('random programs of writes and reads are told exactly', async (t) => {
  t.timeout(120_000)
  const writes = Object.values(WRITES)
  const reads = Object.values(READS)
  let steps = 0
  let harvests = 0
  for (const [index, [name, kind]] of Object.entries(KINDS).entries()) {
    const memory = newMemory(t, kind, 32)
    const means = meansOf(t, memory)
    const model = new Model(startsOf(memory))
    const random = chance(index + 1)
    using tracker = memory.trackWrites()
    for (let step = 0; step < 300; step += 1) {
      steps += 1
      const isNear = random(3) > 0
      const offset = random((isNear ? 64 : 32) * PAGE - 1)
      const most = (isNear ? 64 : 32) * PAGE - offset
      const count = Math.max(1, Math.min(most, random(4) === 0 ? random(3 * PAGE) : random(40)))
      const addr = (isNear ? BASE : FAR) + offset
      const way = random(3) === 0 ? reads : writes
      await way[random(way.length)]?.(means, addr, count)
      if (way === writes) model.write(addr, count)
      if (random(6) > 0) continue
      harvests += 1
      t.deepEqual(tracker.harvest(), model.harvest(), `${name}, step ${step}`)
    }
    t.deepEqual(tracker.harvest(), model.harvest(), name)
  }
  t.log(`${steps} steps, ${harvests} harvests`)
})

tracked('a tracker begins clean, but with what is marked, and each harvest begins anew', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[BASE, 8 * PAGE]], { bitmap: true })
  memory.writeU8(1, BASE + PAGE)
  memory.markDirty(BASE + 5 * PAGE, 1)
  const tracker = memory.trackWrites()
  t.true(tracker instanceof WriteTracker)
  t.deepEqual(tracker.harvest(), [range(1, 1), range(5, 1)])
  t.deepEqual(memory.dirtyRanges(), [])
  t.deepEqual(tracker.harvest(), [])
  // Marks are there beside a tracker as without one, until it takes them.
  memory.writeU8(1, BASE)
  memory.views(BASE + PAGE, 1)[0]?.fill(1)
  t.deepEqual(memory.dirtyRanges(), [range(0, 1)])
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 1)])
  t.deepEqual(tracker.harvest(), [range(0, 2)])
  tracker.dispose()
})

tracked('a mapping has one tracker at a time, in whatever thread and map', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [BASE, PAGE],
    [FAR, PAGE],
  ])
  const [first] = [...memory] as [GuestRegionMmap]
  const tracker = memory.trackWrites()
  const refused = { name: 'Error', code: 'ERR_MOVED' }
  refuses(t, () => memory.trackWrites(), refused)
  const part = GuestMemoryMmap.fromRegions([first])
  refuses(t, () => part.trackWrites(), refused)
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { GuestMemoryMmap } = require(workerData.module)
    const memory = GuestMemoryMmap.fromShared(workerData.ticket)
    try { globalThis.kept = memory.trackWrites(); parentPort.postMessage('done') } catch ({ code }) { parentPort.postMessage(code) }
    setInterval(() => {}, 1000)`
  const module = new URL('../index.js', import.meta.url).pathname
  const inThread = async (): Promise<[Worker, unknown]> => {
    const worker = new Worker(script, { eval: true, workerData: { ticket: memory.share(), module } })
    t.teardown(() => worker.terminate())
    const [answer] = (await once(worker, 'message')) as [unknown]
    return [worker, answer]
  }
  const [worker, answer] = await inThread()
  t.is(answer, 'ERR_MOVED')
  await worker.terminate()
  // The mapping that was free was not claimed, and nothing of what is tracked was disturbed.
  first.writeU8(1, 0)
  t.deepEqual(tracker.harvest(), [range(0, 1)])
  tracker.dispose()
  tracker.dispose()
  part.trackWrites().dispose()
  // Ends with its thread.
  const [other, answers] = await inThread()
  t.is(answers, 'done')
  refuses(t, () => memory.trackWrites(), refused)
  await other.terminate()
  memory.trackWrites().dispose()
})

tracked('a tracker that was disposed of tells nothing', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[BASE, PAGE]])
  const tracker = memory.trackWrites()
  tracker[Symbol.dispose]()
  refuses(t, () => tracker.harvest(), { name: 'Error', code: 'ERR_DISPOSED' })
  t.is(tracker.dispose(), undefined)
  t.throws(() => new (WriteTracker as never as new () => unknown)(), { instanceOf: TypeError })
  t.throws(() => WriteTracker.prototype.harvest.call({} as never), { instanceOf: TypeError })
  const none = new GuestMemoryMmap().trackWrites()
  t.deepEqual(none.harvest(), [])
  none.dispose()
})

tracked('a tracker that was dropped lets others track', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[BASE, PAGE]])
  ;(() => memory.trackWrites().harvest())()
  for (let round = 0; ; round += 1) {
    globalThis.gc?.()
    await new Promise(setImmediate)
    try {
      memory.trackWrites().dispose()
      return t.pass()
    } catch (error) {
      if (round === 100) throw error
    }
  }
})

tracked('a tracker of a guard tracks its snapshot, whatever is plugged in or becomes of the guard', (t) => {
  const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[BASE, 2 * PAGE]]))
  const guard = atomic.memory()
  const tracker = guard.trackWrites()
  guard.dispose()
  atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(FAR, PAGE)))
  const memory = atomic.memory()
  memory.writeU8(1, BASE + PAGE)
  memory.writeU8(1, FAR)
  t.deepEqual(tracker.harvest(), [range(1, 1)])
  const [, region] = memory.removeRegion(BASE, 2 * PAGE)
  region.writeU8(1, 0)
  t.deepEqual(tracker.harvest(), [range(0, 1)])
  tracker.dispose()
})

tracked('memory that cannot be written is tracked beside the rest', (t) => {
  for (const prot of [PROT_READ, PROT_NONE]) {
    const readable = MmapRegion.build(memfd(t, PAGE), PAGE, prot, MAP_SHARED)
    const memory = GuestMemoryMmap.fromRegions([
      GuestRegionMmap.fromRange(BASE, PAGE),
      new GuestRegionMmap(readable, BASE + PAGE),
    ])
    const tracker = memory.trackWrites()
    memory.writeU8(1, BASE)
    t.deepEqual(tracker.harvest(), [range(0, 1)])
    tracker.dispose()
  }
})

tracked('a region that is no whole number of pages ends where it ends', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[BASE, 2 * PAGE + 5]])
  const tracker = memory.trackWrites()
  memory.writeU8(1, BASE + 2 * PAGE + 4)
  t.deepEqual(tracker.harvest(), [[BigInt(BASE + 2 * PAGE), 5]])
  tracker.dispose()
})

for (const [name, kind] of Object.entries(KINDS)) {
  tracked(`what is discarded is written, and tracked on: ${name}`, (t) => {
    const memory = newMemory(t, kind, 64)
    memory.fill(1, BASE, 64 * PAGE)
    using tracker = memory.trackWrites()
    t.deepEqual(tracker.harvest().slice(1), [])
    for (let round = 0; round < 2; round += 1) {
      memory.discard(BASE + 8 * PAGE, 16 * PAGE)
      memory.views(BASE + 40 * PAGE, 1)[0]?.fill(1)
      memory.views(BASE + 60 * PAGE, 1)[0]?.fill(1)
      t.deepEqual(tracker.harvest(), [range(8, 16), range(40, 1), range(60, 1)])
      t.deepEqual(tracker.harvest(), [])
      memory.views(BASE + 9 * PAGE, 1)[0]?.fill(1)
      t.deepEqual(tracker.harvest(), [range(9, 1)])
    }
  })
}

tracked('what was lost and healed is written, and tracked on', (t) => {
  const fd = memfdCreate('write-tracker-faults', 8 * PAGE, { seal: false })
  t.teardown(() => fs.closeSync(fd))
  const memory = GuestMemoryMmap.fromRanges([[BASE, 8 * PAGE, new FileOffset(fd, 0)]], { recoverFaults: true })
  const [view] = memory.views(BASE, 8 * PAGE) as [Uint8Array]
  view.fill(1)
  using tracker = memory.trackWrites()
  t.deepEqual(tracker.harvest(), [])
  fs.ftruncateSync(fd, 4 * PAGE)
  view[0] = 2
  view[5 * PAGE] = 2
  const lost = tracker.harvest()
  t.deepEqual(lost, [range(0, 1), range(4, 4)])
  view[6 * PAGE] = 2
  t.deepEqual(tracker.harvest(), [range(6, 1)])
  fs.ftruncateSync(fd, 8 * PAGE)
  for (const region of memory) region.healFaults()
  const pages = new Set(tracker.harvest().flatMap(([addr, count]) => [Number(addr), count]))
  t.true(pages.size > 0)
  t.deepEqual(tracker.harvest(), [])
  view[7 * PAGE] = 2
  t.deepEqual(tracker.harvest(), [range(7, 1)])
})

tracked('many ranges are told, as many as one asks for at a time', (t) => {
  const pages = 3 * 2048 * 2
  const memory = GuestMemoryMmap.fromRanges([[BASE, pages * PAGE]])
  const tracker = memory.trackWrites()
  for (const step of [2, 3, 1]) {
    const written: [bigint, number][] = []
    for (let page = 0; page < pages; page += step) {
      memory.writeU8(1, BASE + page * PAGE)
      written.push(range(page, 1))
    }
    const expected = step === 1 ? [range(0, pages)] : written
    const harvest = tracker.harvest()
    t.is(harvest.length, expected.length)
    t.deepEqual(harvest, expected)
    t.deepEqual(tracker.harvest(), [])
  }
  tracker.dispose()
})

tracked('no write is lost while a thread goes on writing through a view', async (t) => {
  const pages = 256
  const memory = GuestMemoryMmap.fromRanges([[BASE, pages * PAGE]])
  const tracker = memory.trackWrites()
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { GuestMemoryMmap } = require(workerData.module)
    const [view] = GuestMemoryMmap.fromShared(workerData.ticket).views(${BASE}, ${pages * PAGE})
    const words = new Uint32Array(view.buffer, view.byteOffset, view.length / 4)
    const stop = new Int32Array(workerData.stop)
    parentPort.postMessage('begun')
    let count = 0
    for (let page = 0; Atomics.load(stop, 0) === 0; page = (page * 5 + 1) % ${pages}) words[page * ${PAGE / 4}] = ++count
    parentPort.postMessage(count)`
  const stop = new SharedArrayBuffer(4)
  const module = new URL('../index.js', import.meta.url).pathname
  const worker = new Worker(script, { eval: true, workerData: { ticket: memory.share(), module, stop } })
  await once(worker, 'message')
  const copy = Buffer.alloc(pages * PAGE)
  const round = (): number => {
    const ranges = tracker.harvest()
    for (const [addr, count] of ranges) {
      const offset = Number(addr) - BASE
      memory.readSlice(copy.subarray(offset, offset + count), addr)
    }
    return ranges.length
  }
  memory.readSlice(copy, BASE)
  let rounds = 0
  for (const until = Date.now() + 1000; Date.now() < until; rounds += 1) round()
  Atomics.store(new Int32Array(stop), 0, 1)
  const [count] = (await once(worker, 'message')) as [number]
  round()
  const now = Buffer.alloc(pages * PAGE)
  memory.readSlice(now, BASE)
  t.true(count > 0)
  t.true(now.equals(copy))
  t.log(`${count} writes, ${rounds} rounds`)
  tracker.dispose()
  await worker.terminate()
})

tracked('nobody needs a privilege', (t) => {
  if (process.getuid?.() !== 0) return t.log('already without')
  const script = `
    process.setgid(65534); process.setuid(65534)
    require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(`
      const { GuestMemoryMmap } = require(process.env.MODULE)
      const memory = GuestMemoryMmap.fromRanges([[0, 65536]])
      const tracker = memory.trackWrites()
      memory.views(4096, 1)[0][0] = 1
      require('node:fs').readvSync(require('node:fs').openSync('/dev/zero'), memory.views(0, 1))
      console.log(process.getuid(), tracker.harvest().map(String).join())
    `)}], { stdio: 'inherit' })`
  const MODULE = new URL('../index.js', import.meta.url).pathname
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, MODULE },
  })
  if (/EACCES/.test(stderr)) return t.log('skipped: another user cannot read this folder')
  t.is(stdout.trim(), `65534 0,${2 * PAGE}`, stderr)
})

tracked('where memory has data, and what was written to it, is told as if it were not tracked', (t) => {
  for (const [name, kind] of Object.entries(KINDS)) {
    const [one, other] = [kind(t, 64 * PAGE, false), kind(t, 64 * PAGE, false)]
    const [memory, untracked] = [one, other].map((mapping) =>
      GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, BASE)]),
    ) as [GuestMemoryMmap, GuestMemoryMmap]
    const told = (each: GuestMemoryMmap): unknown => [
      each.dataRanges(),
      [...each].map(({ flags, fileOffset }) =>
        (flags & MAP_PRIVATE) !== 0 && fileOffset !== null ? each.changedRanges() : null,
      ),
    ]
    for (const each of [memory, untracked]) each.writeU8(1, BASE + 5 * PAGE)
    using tracker = memory.trackWrites()
    t.deepEqual(told(memory), told(untracked), name)
    for (const each of [memory, untracked]) each.writeU8(1, BASE + 9 * PAGE)
    t.deepEqual(told(memory), told(untracked), name)
    t.deepEqual(tracker.harvest(), [range(9, 1)], name)
    t.deepEqual(told(memory), told(untracked), name)
    for (const each of [memory, untracked]) each.writeU8(1, BASE + 40 * PAGE)
    t.deepEqual(told(memory), told(untracked), name)
    t.deepEqual(tracker.harvest(), [range(40, 1)], name)
  }
})
