// `markDirty`, `dirtyRanges` and `withViews`: marks by guest address, on all regions at once.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import {
  AtomicBitmap,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegionBuilder,
  memfdCreate,
  pageSize,
  PROT_READ,
  PROT_WRITE,
} from '../index.js'
import { refuses, refusesArgument, rejection } from './refusal.js'

const PAGE = pageSize()
const BASE = 16 * PAGE
/** Above 4 GiB. */
const FAR = 2 ** 33

type Ranges = [bigint, number][]

/** Two regions that touch, one without a bitmap behind a hole, and one far away. */
function newMemory(): GuestMemoryMmap {
  return GuestMemoryMmap.fromRegions([
    GuestRegionMmap.fromRange(BASE, 4 * PAGE, null, { bitmap: true }),
    GuestRegionMmap.fromRange(BASE + 4 * PAGE, 4 * PAGE, null, { bitmap: true }),
    GuestRegionMmap.fromRange(BASE + 16 * PAGE, 4 * PAGE),
    GuestRegionMmap.fromRange(FAR, 4 * PAGE, null, { bitmap: true }),
  ])
}

const range = (page: number, pages: number, from = BASE): [bigint, number] => [BigInt(from + page * PAGE), pages * PAGE]

/** On a map, and on a guard, whose methods are others. */
function onBoth(title: string, run: (t: ExecutionContext, memory: GuestMemoryMmap) => void): void {
  test(`${title}, on a map`, (t) => run(t, newMemory()))
  test(`${title}, on a guard`, (t) => run(t, new GuestMemoryAtomic(newMemory()).memory()))
}

onBoth('what is marked is told as whole pages, ascending, and joined within a region', (t, memory) => {
  t.deepEqual(memory.dirtyRanges(), [])
  memory.markDirty(FAR + PAGE + 5, 1)
  memory.markDirty(BASE + 2 * PAGE - 1, 2)
  memory.markDirty(BigInt(BASE), 1n)
  const expected: Ranges = [range(0, 3), range(1, 1, FAR)]
  t.deepEqual(memory.dirtyRanges(), expected)
  t.deepEqual(memory.dirtyRanges({}), expected)
  t.deepEqual(memory.dirtyRanges({ reset: false }), expected)
  t.deepEqual(memory.dirtyRanges({ reset: undefined }), expected)
  t.deepEqual(memory.dirtyRanges({ reset: true }), expected)
  t.deepEqual(memory.dirtyRanges(), [])
})

onBoth('a mark may cross regions, which are not joined', (t, memory) => {
  memory.markDirty(BASE + 3 * PAGE, 2 * PAGE)
  t.deepEqual(memory.dirtyRanges(), [range(3, 1), range(4, 1)])
  memory.markDirty(BASE, 8 * PAGE)
  t.deepEqual(memory.dirtyRanges(), [range(0, 4), range(4, 4)])
})

onBoth('a region without a bitmap takes marks, and has none', (t, memory) => {
  memory.markDirty(BASE + 16 * PAGE, PAGE)
  t.deepEqual(memory.dirtyRanges(), [])
})

onBoth('a hole is refused, with the first address that is none, before anything is marked', (t, memory) => {
  const name = 'GuestMemoryError'
  const code = 'ERR_INVALID_GUEST_ADDRESS'
  for (const [addr, count, hole] of [
    [BASE, 9 * PAGE, BASE + 8 * PAGE],
    [BASE + 7 * PAGE, PAGE + 1, BASE + 8 * PAGE],
    [BASE + 8 * PAGE, 1, BASE + 8 * PAGE],
    [0, 0, 0],
    [FAR, 2 ** 52, FAR + 4 * PAGE],
  ] as const) {
    refuses(t, () => memory.markDirty(addr, count), { name, code, addr: BigInt(hole) })
  }
  t.deepEqual(memory.dirtyRanges(), [])
  memory.markDirty(BASE + 5, 0)
  t.deepEqual(memory.dirtyRanges(), [])
})

onBoth('wrong arguments are refused before anything is touched', (t, memory) => {
  for (const wrong of [
    -1,
    0.5,
    NaN,
    Infinity,
    2 ** 53,
    -1n,
    2n ** 64n,
    '4',
    null,
    undefined,
    true,
    [4],
    {},
  ] as never[]) {
    refusesArgument(t, () => memory.markDirty(wrong, 1))
    refusesArgument(t, () => memory.markDirty(BASE, wrong))
    refusesArgument(t, () => memory.withViews(wrong, 1, () => t.fail()))
    refusesArgument(t, () => memory.withViews(BASE, wrong, () => t.fail()))
  }
  memory.markDirty(BASE, 1)
  for (const wrong of [null, 1, 'reset', true, () => 1, 1n] as never[]) {
    refusesArgument(t, () => memory.dirtyRanges(wrong))
    if (wrong !== true) refusesArgument(t, () => memory.dirtyRanges({ reset: wrong }))
    refusesArgument(t, () => memory.withViews(BASE, 1, { wrong } as never))
  }
  const unreadable = {
    get reset(): boolean {
      throw new Error('as it came')
    },
  }
  t.throws(() => memory.dirtyRanges(unreadable), { message: 'as it came' })
  t.deepEqual(memory.dirtyRanges(), [range(0, 1)])
})

onBoth('every write by a method is told', (t, memory) => {
  for (let use = 0; use < 64; use += 1) memory.writeU8(1, BASE + 5 * PAGE)
  memory.writeObj('u64', 7n, BASE + PAGE - 4)
  memory.fill(3, FAR + 3 * PAGE, PAGE)
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 2), range(5, 1), range(3, 1, FAR)])
})

test('pages of a bitmap that are not those of the host are widened to them, and end with the region', (t) => {
  const build = (size: number, bitmap: AtomicBitmap): GuestMemoryMmap => {
    const builder = MmapRegionBuilder.newWithBitmap(size, bitmap).withMmapProt(PROT_READ | PROT_WRITE)
    return GuestMemoryMmap.fromRegions([new GuestRegionMmap(builder.build(), BASE)])
  }
  const fine = build(4 * PAGE, new AtomicBitmap(4 * PAGE, 16))
  fine.writeU8(1, BASE + PAGE + 40)
  fine.writeU8(1, BASE + 3 * PAGE)
  t.deepEqual(fine.dirtyRanges(), [range(1, 1), range(3, 1)])
  const coarse = build(5 * PAGE, new AtomicBitmap(5 * PAGE, 2 * PAGE))
  coarse.writeU8(1, BASE + 4 * PAGE)
  t.deepEqual(coarse.dirtyRanges(), [range(4, 1)])
  const odd = build(2 * PAGE + 5, new AtomicBitmap(8 * PAGE, PAGE))
  odd.writeU8(1, BASE + 2 * PAGE + 4)
  odd.findRegion(BASE)?.bitmap?.setBit(7)
  t.deepEqual(odd.dirtyRanges(), [[BigInt(BASE + 2 * PAGE), 5]])
  const short = build(4 * PAGE, new AtomicBitmap(PAGE, PAGE))
  short.markDirty(BASE, 4 * PAGE)
  t.deepEqual(short.dirtyRanges({ reset: true }), [range(0, 1)])
})

test('all pages, every second one, and the borders of words are told as they are', (t) => {
  const pages = 64 * 5 + 3
  const memory = GuestMemoryMmap.fromRanges([[BASE, pages * PAGE]], { bitmap: true })
  const { bitmap } = [...memory][0] as GuestRegionMmap
  for (const at of [[0], [63], [64], [63, 64], [0, 63, 65], [127, 128, 129, 200], [pages - 1]]) {
    for (const page of at) bitmap?.setBit(page)
    const expected: Ranges = []
    for (const page of at) {
      const last = expected.at(-1)
      if (last !== undefined && last[0] + BigInt(last[1]) === BigInt(BASE + page * PAGE)) last[1] += PAGE
      else expected.push(range(page, 1))
    }
    t.deepEqual(memory.dirtyRanges({ reset: true }), expected)
  }
  memory.markDirty(BASE, pages * PAGE)
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, pages)])
  for (let page = 0; page < pages; page += 2) bitmap?.setBit(page)
  t.deepEqual(
    memory.dirtyRanges({ reset: true }),
    Array.from({ length: Math.ceil(pages / 2) }, (_, index) => range(2 * index, 1)),
  )
})

test('a reset takes each mark exactly once, whoever marks meanwhile', async (t) => {
  const pages = 512
  const memory = GuestMemoryMmap.fromRanges([[BASE, pages * PAGE]], { bitmap: true })
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { GuestMemoryMmap } = require(workerData.module)
    const memory = GuestMemoryMmap.fromShared(workerData.ticket)
    for (let page = 0; page < ${pages}; page += 1) memory.markDirty(${BASE} + page * ${PAGE}, 1)
    parentPort.postMessage('done')`
  const workerData = { ticket: memory.share(), module: new URL('../index.js', import.meta.url).pathname }
  const worker = new Worker(script, { eval: true, workerData })
  const state = { isDone: false }
  const done = once(worker, 'message').then(() => (state.isDone = true))
  const times = Array<number>(pages).fill(0)
  const take = (): void => {
    for (const [addr, count] of memory.dirtyRanges({ reset: true })) {
      const first = (Number(addr) - BASE) / PAGE
      for (let page = first; page < first + count / PAGE; page += 1) times[page] = (times[page] as number) + 1
    }
  }
  while (!state.isDone) {
    take()
    await new Promise(setImmediate)
  }
  await done
  take()
  await worker.terminate()
  t.deepEqual(times, Array<number>(pages).fill(1))
})

onBoth('withViews marks when the function has returned, and not before', (t, memory) => {
  const result = memory.withViews(BASE + 3 * PAGE + 1, 2 * PAGE, (views) => {
    t.deepEqual(
      views.map(({ length }) => length),
      [PAGE - 1, PAGE + 1],
    )
    for (const view of views) view.fill(9)
    t.deepEqual(memory.dirtyRanges(), [])
    return views.length
  })
  t.is(result, 2)
  t.deepEqual(memory.dirtyRanges(), [range(3, 1), range(4, 2)])
  t.is(memory.readU8(BASE + 3 * PAGE + 1), 9)
})

onBoth('withViews marks when the function throws, and throws that', (t, memory) => {
  for (const thrown of [new Error('mine'), undefined, 7]) {
    let caught: unknown = 'nothing'
    try {
      memory.withViews(BASE, 1, () => {
        throw thrown
      })
    } catch (error) {
      caught = error
    }
    t.is(caught, thrown)
    t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 1)])
  }
})

test('withViews marks when the promise has settled, and settles the same way afterwards', async (t) => {
  const memory = newMemory()
  const fd = memfdCreate('with-views', 2 * PAGE)
  fs.writeSync(fd, Buffer.alloc(2 * PAGE, 0x5a))
  let settle: (value: string) => void = t.fail
  const promise = memory.withViews(BASE, 2 * PAGE, (views) => {
    fs.readv(fd, views, 0, () => settle('done'))
    return new Promise<string>((resolve) => (settle = resolve))
  })
  t.true(promise instanceof Promise)
  t.deepEqual(memory.dirtyRanges(), [])
  t.is(await promise, 'done')
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 2)])
  t.is(memory.readU8(BASE + PAGE), 0x5a)
  fs.closeSync(fd)

  const reason = new Error('mine')
  const failing = memory.withViews(FAR, 1, () => Promise.reject(reason))
  t.is(await rejection(failing), reason)
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 1, FAR)])

  // oxlint-disable-next-line unicorn/no-thenable -- that is what it is about
  const thenable = memory.withViews(BASE, 1, () => ({ then: (done: (value: number) => void) => setImmediate(done, 5) }))
  t.deepEqual(memory.dirtyRanges(), [])
  t.is(await thenable, 5 as never)
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 1)])
})

test('a rejection that nobody handles is not swallowed', async (t) => {
  const script = `
    const { GuestMemoryMmap } = require(process.argv[1])
    const memory = GuestMemoryMmap.fromRanges([[0, 65536]], { bitmap: true })
    memory.withViews(0, 1, async () => { throw new Error('not handled') })`
  const { spawnSync } = await import('node:child_process')
  const module = new URL('../index.js', import.meta.url).pathname
  const { status, stderr } = spawnSync(process.execPath, ['-e', script, module], { encoding: 'utf8' })
  t.is(status, 1)
  t.regex(stderr, /not handled/)
})

test('withViews marks when the guard is disposed of meanwhile, and when the thread is ended', async (t) => {
  const memory = newMemory()
  const guard = new GuestMemoryAtomic(memory).memory()
  guard.withViews(BASE, 1, () => guard.dispose())
  t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 1)])
  for (const body of ['for (;;);', 'return new Promise(() => setInterval(() => {}, 1000))']) {
    const script = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { GuestMemoryMmap } = require(workerData.module)
      const memory = GuestMemoryMmap.fromShared(workerData.ticket)
      globalThis.kept = memory.withViews(${BASE}, 1, (views) => {
        views[0][0] = 1
        parentPort.postMessage('written')
        ${body}
      })`
    const workerData = { ticket: memory.share(), module: new URL('../index.js', import.meta.url).pathname }
    const worker = new Worker(script, { eval: true, workerData })
    await once(worker, 'message')
    await worker.terminate()
    t.deepEqual(memory.dirtyRanges({ reset: true }), [range(0, 1)], body)
  }
})

onBoth('withViews refuses what views refuses, and calls nobody', (t, memory) => {
  const call = (): void => t.fail()
  for (const [addr, count] of [
    [BASE + 8 * PAGE, 1],
    [BASE, 9 * PAGE],
    [0, 0],
  ] as const) {
    const error = t.throws(() => memory.views(addr, count)) as Error & { code: string }
    refuses(t, () => memory.withViews(addr, count, call), {
      name: error.name,
      code: error.code,
      message: error.message,
    })
  }
  t.deepEqual(memory.dirtyRanges(), [])
  const empty = memory.withViews(BASE, 0, (views) => views)
  t.deepEqual(empty, memory.views(BASE, 0))
  t.deepEqual(memory.dirtyRanges(), [])
})

test('a guard that was disposed of tells and marks nothing', (t) => {
  const memory = newMemory()
  const guard = new GuestMemoryAtomic(memory).memory()
  guard.dispose()
  for (const call of [
    () => guard.markDirty(BASE, 1),
    () => guard.dirtyRanges({ reset: true }),
    () => guard.withViews(BASE, 1, () => t.fail()),
  ]) {
    t.throws(call, { code: 'ERR_DISPOSED' })
  }
  t.deepEqual(memory.dirtyRanges(), [])
})
