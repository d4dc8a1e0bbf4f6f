// `prefault`: pages that are there before they are needed. Linux, from 5.14 on.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../index.js'
import { file, kindsHere, memfd, raw } from './mapping-kinds.js'
import { rejection } from './refusal.js'

const PAGE = pageSize()
const READ_WRITE = PROT_READ | PROT_WRITE
/** What scripts require. */
const PACKAGE = JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))

type Refused = NodeJS.ErrnoException & { offset?: number; addr?: bigint; reason?: string }
const refused = async (promise: Promise<unknown>): Promise<Refused> => (await rejection(promise)) as Refused

test('pages are there, in mappings of every kind, and have what they had', async (t) => {
  for (const { name, page, map } of kindsHere(t)) {
    for (const threads of [1, 2, 1000, 2n]) {
      const { mapping } = map(t, 8)
      mapping.asUint8Array()[3 * page] = 7
      t.is(await mapping.prefault({ threads: Number(threads), write: true }), undefined)
      t.is(mapping.residentSize, 8 * page, name)
      t.is(mapping.asUint8Array()[3 * page], 7, name)
      t.is(mapping.asUint8Array()[4 * page], 0, name)
      t.false(mapping.bitmap?.dirtyAt(4 * page), name)
    }
  }
})

test('only what was asked for', async (t) => {
  const mapping = new MmapRegion(8 * PAGE)
  await mapping
    .prefault({ offset: 2 * PAGE, count: 3n })
    .then(() => t.fail())
    .catch((error: Refused) => t.is(error.code, 'ERR_OUT_OF_RANGE'))
  await mapping.prefault({ offset: 2 * PAGE, count: 3 * PAGE })
  t.is(mapping.residentSize, 3 * PAGE)
  await mapping.prefault({ offset: BigInt(6 * PAGE) })
  t.is(mapping.residentSize, 5 * PAGE)
  await mapping.prefault({ count: 0 })
  await mapping.prefault({ offset: 8 * PAGE })
  t.is(mapping.residentSize, 5 * PAGE)
  await mapping.prefault()
  t.is(mapping.residentSize, 8 * PAGE)
  const odd = new MmapRegion(2 * PAGE + 100)
  await odd.prefault({ offset: PAGE, count: PAGE + 100 })
  t.is(odd.residentSize, 2 * PAGE)
})

test('private mappings of files are read, unless it is said otherwise', async (t) => {
  for (const fd of [file(t, 8 * PAGE), memfd(t, 8 * PAGE)]) {
    fs.writeSync(fd, Buffer.alloc(8 * PAGE, 0x5a), 0, 8 * PAGE, 0)
    const mapping = MmapRegion.build(new FileOffset(fd, 0), 8 * PAGE, READ_WRITE, MAP_PRIVATE)
    const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, 0)])
    await mapping.prefault()
    await memory.prefault()
    t.deepEqual(memory.changedRanges(), [])
    await mapping.prefault({ offset: PAGE, count: PAGE, write: true })
    t.deepEqual(memory.changedRanges(), [[BigInt(PAGE), PAGE]])
    await memory.prefault({ addr: 3 * PAGE, count: PAGE, write: true })
    t.deepEqual(memory.changedRanges(), [
      [BigInt(PAGE), PAGE],
      [BigInt(3 * PAGE), PAGE],
    ])
    t.is(mapping.asUint8Array()[PAGE], 0x5a)
  }
})

test('memory across regions, holes left out', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0x1_0000, 4 * PAGE],
    [0x1_0000 + 4 * PAGE, 4 * PAGE, new FileOffset(memfd(t, 4 * PAGE), 0)],
    [0x100_0000, 4 * PAGE],
  ])
  const [first, second, third] = [...memory] as [GuestRegionMmap, GuestRegionMmap, GuestRegionMmap]
  const resident = (): number[] => [first, second, third].map((region) => region.residentSize / PAGE)
  const guard = new GuestMemoryAtomic(memory).memory()
  await guard.prefault({ addr: 0x1_0000 + 3 * PAGE, count: 2 * PAGE })
  t.deepEqual(resident(), [1, 1, 0])
  await guard.prefault({ addr: BigInt(0x1_0000 + 6 * PAGE), threads: 3 })
  t.deepEqual(resident(), [1, 3, 4])
  await guard.prefault()
  t.deepEqual(resident(), [4, 4, 4])
  guard.dispose()
  t.is((await refused(guard.prefault())).code, 'ERR_DISPOSED')
  const hole = { name: 'GuestMemoryError', code: 'ERR_INVALID_GUEST_ADDRESS' }
  t.like(await refused(memory.prefault({ addr: 0 })), { ...hole, addr: 0n })
  const end = BigInt(0x1_0000 + 8 * PAGE)
  t.like(await refused(memory.prefault({ addr: 0x1_0000, count: 9 * PAGE })), { ...hole, addr: end })
  await new GuestMemoryMmap().prefault()
})

test('arguments are checked, and nothing is done when they are wrong', async (t) => {
  const mapping = new MmapRegion(4 * PAGE)
  const region = GuestRegionMmap.fromRange(0, 4 * PAGE)
  const memory = GuestMemoryMmap.fromRegions([region])
  const wrong: [object, string][] = [
    [{ threads: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ threads: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ threads: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ threads: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ threads: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ threads: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ write: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ write: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: { aborted: true } }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: new EventTarget() }, 'ERR_INVALID_ARG_TYPE'],
    [{ count: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ count: '1' }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) {
    for (const target of [mapping, region, memory]) {
      const error = await refused(target.prefault(options))
      t.is(error.code, code, JSON.stringify(options))
      t.true(code === 'ERR_OUT_OF_RANGE' ? error instanceof RangeError : error instanceof TypeError)
    }
  }
  for (const offset of [1, PAGE + 1, -1, NaN, 2n ** 64n]) {
    t.is((await refused(mapping.prefault({ offset }))).code, 'ERR_OUT_OF_RANGE')
  }
  for (const options of [null, 1, 'x', () => {}]) {
    t.is((await refused(mapping.prefault(options as object))).code, 'ERR_INVALID_ARG_TYPE')
  }
  for (const [offset, count] of [
    [4 * PAGE, PAGE],
    [0, 5 * PAGE],
    [PAGE, 2 ** 53 - 1],
  ] as const) {
    t.is((await refused(mapping.prefault({ offset, count }))).name, 'VolatileMemoryError')
    const slice = t.throws(() => region.getSlice(offset, count)) as Refused
    const error = await refused(region.prefault({ offset, count }))
    t.deepEqual([error.name, error.code, error.message], [slice.name, slice.code, slice.message])
  }
  t.is(mapping.residentSize + region.residentSize, 0)
  const foreign = MmapRegion.prototype.prefault
  t.true((await refused(foreign.call({} as MmapRegion))) instanceof TypeError)
})

test('without the right to it there is nothing to be had', async (t) => {
  const protection = (prot: number): MmapRegion => MmapRegion.build(null, PAGE, prot, MAP_ANONYMOUS | MAP_PRIVATE)
  t.like(await refused(protection(PROT_READ).prefault()), { name: 'Error', code: 'ERR_PROTECTION' })
  await protection(PROT_READ).prefault({ write: false })
  for (const write of [true, false]) {
    const error = await refused(protection(PROT_NONE).prefault({ write }))
    t.like(error, { name: 'Error', code: 'ERR_PROTECTION' })
  }
  // Refused whole: the first region might be written.
  const first = GuestRegionMmap.fromRange(0, PAGE)
  const memory = GuestMemoryMmap.fromRegions([first, new GuestRegionMmap(protection(PROT_READ), PAGE)])
  t.is((await refused(memory.prefault())).code, 'ERR_PROTECTION')
  t.is(first.residentSize, 0)
})

test('what other code has mapped has pages, too', async (t) => {
  const mapping = new MmapRegion(4 * PAGE)
  await raw(mapping).prefault()
  t.is(mapping.residentSize, 4 * PAGE)
  const fd = memfd(t, 4 * PAGE)
  const copy = MmapRegion.build(new FileOffset(fd, 0), 4 * PAGE, READ_WRITE, MAP_PRIVATE)
  await raw(copy).prefault()
  t.deepEqual(GuestMemoryMmap.fromRegions([new GuestRegionMmap(copy, 0)]).changedRanges(), [])
})

test('beyond the end of a file there are no pages, and the process lives', async (t) => {
  for (const recoverFaults of [false, true]) {
    for (const flags of [MAP_SHARED, MAP_PRIVATE]) {
      for (const write of [undefined, false, true]) {
        const fd = memfd(t, 4 * PAGE, { seal: false })
        const mapping = MmapRegion.build(new FileOffset(fd, PAGE), 3 * PAGE, READ_WRITE, flags, { recoverFaults })
        const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, 0x1000_0000)])
        fs.ftruncateSync(fd, 2 * PAGE + 1)
        const fault = { name: 'Error', code: 'ERR_MEMORY_FAULT', offset: 2 * PAGE, reason: 'truncated' }
        t.like(await refused(mapping.prefault({ write })), fault)
        t.like(await refused(memory.prefault({ write, threads: 2 })), {
          ...fault,
          addr: BigInt(0x1000_0000 + 2 * PAGE),
        })
        await mapping.prefault({ count: 2 * PAGE, write })
        t.like(await refused(mapping.prefault({ offset: 2 * PAGE, write })), fault)
      }
    }
  }
})

test('what was lost before is no page', async (t) => {
  const fd = memfd(t, 4 * PAGE, { seal: false })
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), 4 * PAGE, { recoverFaults: true })
  fs.ftruncateSync(fd, PAGE)
  t.is(mapping.asUint8Array()[2 * PAGE], 0)
  t.like(await refused(mapping.prefault()), { code: 'ERR_MEMORY_FAULT', reason: 'truncated' })
  fs.ftruncateSync(fd, 4 * PAGE)
  mapping.healFaults()
  await mapping.prefault()
  t.is(mapping.residentSize, 4 * PAGE)
})

const LARGE = 2 ** 29

test('an abort rejects with its reason, and what is not there by then is left alone', async (t) => {
  const reason = { why: 'enough' }
  const none = new MmapRegion(LARGE)
  t.is(await rejection(none.prefault({ signal: AbortSignal.abort(reason) })), reason)
  t.is(none.residentSize, 0)
  t.is(((await rejection(none.prefault({ signal: AbortSignal.abort() }))) as Error).name, 'AbortError')
  // Arguments come first.
  t.is((await refused(none.prefault({ signal: AbortSignal.abort(), threads: 0 }))).code, 'ERR_OUT_OF_RANGE')

  const abort = new AbortController()
  const promise = none.prefault({ signal: abort.signal })
  await setImmediate()
  abort.abort(reason)
  t.is(await rejection(promise), reason)
  const then = none.residentSize
  t.true(then < LARGE)
  await setImmediate()
  t.is(none.residentSize, then)

  const late = new AbortController()
  const small = new MmapRegion(PAGE)
  await small.prefault({ signal: late.signal })
  late.abort(reason)
  t.is(small.residentSize, PAGE)
})

test('the event loop and the thread pool go on', async (t) => {
  const jobs = Array.from({ length: 6 }, () => new MmapRegion(LARGE / 8).prefault())
  let done = false
  const all = Promise.all(jobs).then(() => (done = true))
  await fs.promises.stat('/')
  t.false(done)
  await all
})

test('it lasts until it is done, whatever becomes of the objects', async (t) => {
  const promise = new MmapRegion(LARGE / 8).prefault()
  globalThis.gc?.()
  await promise
  t.pass()
})

/** The native threads that this process has for jobs. */
const jobThreads = (): number =>
  fs.readdirSync('/proc/self/task').filter((task) => {
    const name = `/proc/self/task/${task}/comm`
    return fs.existsSync(name) && fs.readFileSync(name, 'utf8') === 'vm-memory job\n'
  }).length

test.serial('a worker that ends takes its jobs with it', async (t) => {
  const worker = new Worker(
    `const { MmapRegion } = require(${PACKAGE})
    new MmapRegion(${LARGE}).prefault({ threads: 2 })
    require('node:worker_threads').parentPort.postMessage('begun')`,
    { eval: true },
  )
  t.teardown(() => worker.terminate())
  await once(worker, 'message')
  for (let turn = 0; turn < 1000 && jobThreads() === 0; turn += 1) await setImmediate()
  t.true(jobThreads() > 0)
  t.is(await worker.terminate(), 1)
  t.is(jobThreads(), 0)
})

test('the process may end meanwhile, and does not before', (t) => {
  const run = (code: string): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, ['-e', `const { MmapRegion } = require(${PACKAGE}); ${code}`], { encoding: 'utf8' })
  const exit = run(`new MmapRegion(${LARGE}).prefault({ threads: 2 }); setImmediate(() => process.exit(3))`)
  t.deepEqual([exit.status, exit.signal, exit.stderr], [3, null, ''])
  const wait = run(`const m = new MmapRegion(${LARGE / 8}); m.prefault().then(() => console.log(m.residentSize))`)
  t.deepEqual([wait.status, wait.stdout], [0, `${LARGE / 8}\n`])
})
