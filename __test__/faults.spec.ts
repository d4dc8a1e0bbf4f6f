// Mappings that survive the loss of a page: what is lost, what throws, what goes on, and whose signals are left alone.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  FileOffset,
  GuestMemoryMmap,
  GuestRegionMmap,
  type MemoryFault,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  MmapRegionBuilder,
  PROT_READ,
  PROT_WRITE,
  checkFaults,
  memfdCreate,
  onMemoryFault,
  pageSize,
} from '../index.js'
import { Held } from './held.js'
import { freshName } from './named-memory.js'
import { eventually, isMapped, mappingsOf } from './process-resources.js'
import { type Refusal, refuses, refusesArgument } from './refusal.js'

const PAGE = pageSize()
const BASE = 65536
const READ_WRITE = PROT_READ | PROT_WRITE
const RECOVERING = { recoverFaults: true }

interface Run {
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Where these tests run with AddressSanitizer, it is not to report what is meant to happen. */
const env = { ...process.env, ASAN_OPTIONS: `${process.env['ASAN_OPTIONS'] ?? ''}:handle_sigbus=0` }

function run(script: string, ...args: string[]): Run {
  return spawnSync(process.execPath, [`faults/${script}`, ...args], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    env,
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
}

/** A memfd of whole pages, each full of its number and 1 more, that closes with the test. */
function file(t: ExecutionContext, pages: number, name = freshName()): number {
  const fd = memfdCreate(name, pages * PAGE, { seal: false })
  for (let page = 0; page < pages; page += 1) fs.writeSync(fd, Buffer.alloc(PAGE, page + 1), 0, PAGE, page * PAGE)
  t.teardown(() => fs.closeSync(fd))
  return fd
}

const mapped = (fd: number, pages: number, flags = MAP_SHARED): MmapRegion =>
  MmapRegion.build(new FileOffset(fd, 0), pages * PAGE, READ_WRITE, flags, RECOVERING)

const lost = (offset: number, reason: string, addr?: bigint): Refusal => ({
  name: 'Error',
  code: 'ERR_MEMORY_FAULT',
  offset,
  reason,
  ...(addr === undefined ? {} : { addr }),
})

if (process.platform === 'linux') {
  interface Outcome {
    readonly first?: unknown
    readonly second?: unknown
    readonly value?: number
    readonly expected?: number
    readonly faults: object[]
    readonly before: number
    readonly healed: number
    readonly left: object[]
  }
  const WHOLE = [{ offset: 4 * PAGE, count: 4 * PAGE, reason: 'truncated' }]
  const AT_END = { code: 'ERR_MEMORY_FAULT', offset: 4 * PAGE, reason: 'truncated' }

  for (const thread of ['all', 'worker']) {
    test(`beyond the end of a truncated file, ${thread === 'all' ? 'methods' : 'methods in a worker'} throw, and views go on`, (t) => {
      const { signal, stdout, stderr } = run('accesses.mjs', thread)
      t.is(signal, null, stderr)
      const { methods, views, calls } = JSON.parse(stdout) as Record<string, Record<string, Outcome>>
      for (const [way, outcome] of Object.entries(methods ?? {})) {
        const { first, second, faults, before, healed, left } = outcome
        t.like(first, AT_END, way)
        t.deepEqual(second, first, way)
        t.deepEqual({ faults, before, healed, left }, { faults: WHOLE, before: 0x07070707, healed: 0, left: [] }, way)
      }
      for (const [way, outcome] of Object.entries(views ?? {})) {
        const { value, expected, faults, before, healed, left } = outcome
        t.is(value, expected, way)
        t.deepEqual({ faults, before, healed, left }, { faults: WHOLE, before: 0x07070707, healed: 0, left: [] }, way)
      }
      // The kernel does not signal.
      for (const [way, { first, second, before }] of Object.entries(calls ?? {})) {
        t.like(first, AT_END, way)
        t.deepEqual(second, first, way)
        t.is(before, 0x07070707, way)
      }
    })
  }

  for (const way of [
    'readU32',
    'writeSlice',
    'load',
    'load of a reference',
    'a loop over a view',
    'a store through a view',
    'indexOf in a view',
    'Atomics.add',
  ]) {
    test(`without recoverFaults, ${way} ends the process`, (t) => {
      t.is(run('accesses.mjs', 'one', way).signal, 'SIGBUS')
    })
  }

  test('methods that touch none of the lost bytes answer as before', (t) => {
    const fd = file(t, 4)
    const memory = GuestMemoryMmap.fromRanges([[BASE, 4 * PAGE, new FileOffset(fd, 0)]], RECOVERING)
    fs.ftruncateSync(fd, 2 * PAGE)
    refuses(t, () => memory.readU8(BASE + 3 * PAGE), lost(3 * PAGE, 'truncated', BigInt(BASE + 3 * PAGE)))
    t.is(memory.readU8(BASE + 2 * PAGE - 1), 2)
    memory.writeU32(5, BASE)
    t.is(memory.readU32(BASE), 5)
    // Not the page that was touched alone: all from the new end of the file on.
    refuses(t, () => memory.readU8(BASE + 2 * PAGE), lost(2 * PAGE, 'truncated', BigInt(BASE + 2 * PAGE)))
    refuses(t, () => memory.readSlice(new Uint8Array(PAGE + 1), BASE + PAGE), {
      ...lost(2 * PAGE, 'truncated', BigInt(BASE + 2 * PAGE)),
    })
    t.notThrows(() => memory.readSlice(new Uint8Array(PAGE), BASE + PAGE))
  })

  test('a write to what was lost reaches nobody, and is an error', (t) => {
    const fd = file(t, 2)
    const region = mapped(fd, 2)
    fs.ftruncateSync(fd, PAGE)
    refuses(t, () => region.asVolatileSlice().writeU8(9, PAGE), lost(PAGE, 'truncated'))
    fs.ftruncateSync(fd, 2 * PAGE)
    // What was lost stays lost until somebody heals it, even though the file is whole again.
    refuses(t, () => region.asVolatileSlice().writeU8(9, PAGE), lost(PAGE, 'truncated'))
    region.healFaults()
    t.is(region.asVolatileSlice().readU8(PAGE), 0)
  })

  for (const isPrivate of [false, true]) {
    test(`what is asked of lost pages of a ${isPrivate ? 'private' : 'shared'} mapping is an error, and they are no zeros`, async (t) => {
      const fd = file(t, 4)
      const options = { ...RECOVERING, private: isPrivate }
      const memory = GuestMemoryMmap.fromRanges([[BASE, 4 * PAGE, new FileOffset(fd, 0)]], options)
      const region = memory.findRegion(BASE) as GuestRegionMmap
      const target = memfdCreate('snapshot', 0, { seal: false })
      t.teardown(() => fs.closeSync(target))
      fs.ftruncateSync(fd, 2 * PAGE)
      // A view has met the loss, and stored something in the last page but one.
      new Uint8Array(region.buffer)[2 * PAGE] = 1
      const addr = BigInt(BASE + 2 * PAGE)
      const before = fs.statSync(`/proc/self/fd/${fd}`).blocks
      for (const call of [
        () => memory.discard(BASE + 2 * PAGE, PAGE),
        () => memory.discard(BASE, 4 * PAGE),
        () => memory.dataRanges(),
        ...(isPrivate ? [() => memory.changedRanges()] : []),
      ]) {
        refuses(t, call, lost(2 * PAGE, 'truncated', addr))
      }
      refuses(t, () => region.discard(3 * PAGE, PAGE), lost(3 * PAGE, 'truncated'))
      refuses(t, () => region.dataRanges(), lost(2 * PAGE, 'truncated'))
      for (const call of [
        () => memory.save(target),
        () => memory.prefault({ write: false }),
        () => region.prefault({ offset: 3 * PAGE, write: false }),
        () => region.flush(),
      ]) {
        const error = await t.throwsAsync(call)
        t.like(error, { code: 'ERR_MEMORY_FAULT', reason: 'truncated' })
      }
      // Nothing was given back, and nothing healed.
      t.is(fs.statSync(`/proc/self/fd/${fd}`).blocks, before)
      t.deepEqual([region.readU8(0), region.readU8(PAGE)], [1, 2])
      t.deepEqual(region.faults, [{ offset: 2 * PAGE, count: 2 * PAGE, reason: 'truncated' }])
      // What was not lost is as before.
      region.discard(0, PAGE)
      t.is(region.readU8(0), 0)
      fs.ftruncateSync(fd, 4 * PAGE)
      region.healFaults()
      region.discard(2 * PAGE, PAGE)
      t.notThrows(() => memory.dataRanges())
    })
  }

  test('what nobody has met beyond the end of a file cannot be given back', (t) => {
    const fd = file(t, 4)
    const mapping = mapped(fd, 4)
    fs.ftruncateSync(fd, 2 * PAGE)
    refuses(t, () => mapping.discard(0, 3 * PAGE), lost(2 * PAGE, 'truncated'))
    t.is(mapping.asVolatileSlice().readU8(0), 1)
    mapping.discard(0, PAGE)
    t.is(mapping.asVolatileSlice().readU8(0), 0)
  })

  test('healFaults maps the file again, as soon as it is long enough', (t) => {
    const fd = file(t, 4)
    const region = GuestRegionMmap.fromRange(BASE, 4 * PAGE, new FileOffset(fd, 0), { ...RECOVERING, bitmap: true })
    const bytes = new Uint8Array(region.buffer)
    fs.ftruncateSync(fd, PAGE)
    bytes[2 * PAGE] = 9
    const faults = [{ offset: PAGE, count: 3 * PAGE, reason: 'truncated' }]
    t.deepEqual(region.faults, faults)
    refuses(t, () => region.healFaults(), { name: 'MmapRegionError', code: 'ERR_MAPPING_PAST_EOF' })
    t.deepEqual(region.faults, faults)
    fs.ftruncateSync(fd, 4 * PAGE)
    fs.writeSync(fd, Buffer.from([42]), 0, 1, 2 * PAGE)
    t.is(bytes[2 * PAGE], 9)
    region.bitmap?.reset()
    region.healFaults()
    t.deepEqual(region.faults, [])
    t.is(bytes[2 * PAGE], 42)
    t.is(region.readU8(2 * PAGE), 42)
    // A page that was mapped anew is as good as written.
    t.deepEqual(
      [0, 1, 2, 3].map((page) => region.bitmap?.isAddrSet(page * PAGE)),
      [false, true, true, true],
    )
    region.writeU8(43, 3 * PAGE)
    const written = Buffer.alloc(1)
    fs.readSync(fd, written, 0, 1, 3 * PAGE)
    t.is(written[0], 43)
    t.notThrows(() => region.healFaults())
  })

  test('a file that is truncated twice keeps what was stored in the first loss', (t) => {
    const fd = file(t, 6)
    const region = mapped(fd, 6)
    const bytes = new Uint8Array(region.buffer)
    fs.ftruncateSync(fd, 4 * PAGE)
    bytes[5 * PAGE] = 9
    fs.ftruncateSync(fd, 2 * PAGE)
    bytes[2 * PAGE] = 8
    t.deepEqual([bytes[2 * PAGE], bytes[5 * PAGE]], [8, 9])
    t.deepEqual(region.faults, [{ offset: 2 * PAGE, count: 4 * PAGE, reason: 'truncated' }])
  })

  test('a private mapping loses its own copies with the file, and says so', (t) => {
    const fd = file(t, 2)
    const region = mapped(fd, 2, MAP_PRIVATE)
    region.asVolatileSlice().writeU8(9, PAGE)
    fs.ftruncateSync(fd, PAGE)
    refuses(t, () => region.asVolatileSlice().readU8(PAGE), lost(PAGE, 'truncated'))
    fs.ftruncateSync(fd, 2 * PAGE)
    region.healFaults()
    t.is(region.asVolatileSlice().readU8(PAGE), 0)
  })

  test('the part of a page behind the end of its file is no loss', (t) => {
    const fd = file(t, 2)
    const region = GuestRegionMmap.fromRange(BASE, PAGE + 100, new FileOffset(fd, 0), RECOVERING)
    fs.ftruncateSync(fd, PAGE + 10)
    t.is(region.readU8(PAGE + 50), 0)
    t.deepEqual(region.faults, [])
    fs.ftruncateSync(fd, 10)
    refuses(t, () => region.readU8(PAGE + 50), lost(PAGE + 50, 'truncated'))
    t.deepEqual(region.faults, [{ offset: PAGE, count: 100, reason: 'truncated' }])
  })

  test('a mapping in the middle of a file counts offsets from its own start', (t) => {
    const fd = file(t, 6)
    const region = GuestRegionMmap.fromRange(BASE, 3 * PAGE, new FileOffset(fd, 2 * PAGE), RECOVERING)
    fs.ftruncateSync(fd, 4 * PAGE)
    refuses(t, () => region.readU16(2 * PAGE), lost(2 * PAGE, 'truncated'))
    t.is(region.readU8(PAGE), 4)
    fs.ftruncateSync(fd, PAGE)
    refuses(t, () => region.readU16(0), lost(0, 'truncated'))
    fs.ftruncateSync(fd, 6 * PAGE)
    fs.writeSync(fd, Buffer.from([77]), 0, 1, 3 * PAGE)
    region.healFaults()
    t.is(region.readU8(PAGE), 77)
  })

  test('a region that does not recover is no part of the promise, in one memory with one that does', (t) => {
    const fd = file(t, 2)
    const region = GuestRegionMmap.fromRange(BASE + PAGE, 2 * PAGE, new FileOffset(fd, 0), RECOVERING)
    const memory = GuestMemoryMmap.fromRegions([GuestRegionMmap.fromRange(BASE, PAGE), region])
    fs.ftruncateSync(fd, 0)
    const buffer = new Uint8Array(16)
    refuses(t, () => memory.readSlice(buffer, BASE + PAGE - 8), lost(0, 'truncated', BigInt(BASE + PAGE)))
    memory.writeU32(1, BASE)
    t.is(memory.readU32(BASE), 1)
    const [first] = memory
    t.deepEqual([first?.recoverFaults, first?.faults, region.recoverFaults], [false, [], true])
    t.notThrows(() => first?.healFaults())
  })

  test('checkFaults tells whether anything was lost meanwhile, and has the answer or the error as its cause', (t) => {
    const fd = file(t, 3)
    const region = mapped(fd, 3)
    const bytes = new Uint8Array(region.buffer)
    t.is(
      checkFaults(() => bytes[0]),
      1,
    )
    const own = new Error('own')
    t.is(
      t.throws(() =>
        checkFaults(() => {
          throw own
        }),
      ),
      own,
    )
    fs.ftruncateSync(fd, 2 * PAGE)
    const error = t.throws(() => checkFaults(() => bytes[2 * PAGE]))
    t.like(error, { ...lost(2 * PAGE, 'truncated'), cause: 0 })
    // Known by now.
    t.is(
      checkFaults(() => bytes[2 * PAGE]),
      0,
    )
    fs.ftruncateSync(fd, PAGE)
    const thrown = t.throws(
      () =>
        checkFaults(() => {
          bytes[PAGE] = 1
          throw own
        }),
      { code: 'ERR_MEMORY_FAULT' },
    )
    t.is(thrown?.cause, own)
    refusesArgument(t, () => checkFaults(1 as never), 'ERR_INVALID_ARG_TYPE')
  })

  test.serial('onMemoryFault tells each loss once, with the object of the mapping', async (t) => {
    const fd = file(t, 4)
    const other = file(t, 2)
    const told: [GuestRegionMmap | MmapRegion, MemoryFault][] = []
    const region = GuestRegionMmap.fromRange(BASE, 4 * PAGE, new FileOffset(fd, 0), RECOVERING)
    const mapping = mapped(other, 2)
    // Others in this process lose pages, too.
    const ours = (lossy: GuestRegionMmap | MmapRegion): boolean => lossy === region || lossy === mapping
    const listening = onMemoryFault((lossy, fault) => void (ours(lossy) && told.push([lossy, fault])))
    const again = onMemoryFault((lossy, fault) => void (ours(lossy) && told.push([lossy, fault])))
    again[Symbol.dispose]()
    again[Symbol.dispose]()
    fs.ftruncateSync(fd, 2 * PAGE)
    t.throws(() => region.readU8(3 * PAGE))
    t.deepEqual(told, [], 'not before the event loop turns')
    t.true(await eventually(() => told.length === 1))
    t.deepEqual(told[0]?.[1], { offset: 2 * PAGE, count: 2 * PAGE, reason: 'truncated' })
    t.is(told[0]?.[0], region)
    t.throws(() => region.readU8(3 * PAGE))
    fs.ftruncateSync(other, PAGE)
    new Uint8Array(mapping.buffer)[PAGE] = 1
    t.true(await eventually(() => told.length === 2))
    t.is(told[1]?.[0], mapping)
    // What was healed before the event loop turns is told as well.
    fs.ftruncateSync(fd, 4 * PAGE)
    region.healFaults()
    fs.ftruncateSync(fd, PAGE)
    t.throws(() => region.readU8(PAGE))
    fs.ftruncateSync(fd, 4 * PAGE)
    region.healFaults()
    t.true(await eventually(() => told.length === 3))
    t.deepEqual(told[2]?.[1], { offset: PAGE, count: 3 * PAGE, reason: 'truncated' })
    listening[Symbol.dispose]()
    fs.ftruncateSync(fd, 0)
    t.throws(() => region.readU8(0))
    t.false(await eventually(() => told.length > 3, 5))
    for (const wrong of [undefined, null, 1, {}]) {
      refusesArgument(t, () => onMemoryFault(wrong as never), 'ERR_INVALID_ARG_TYPE')
    }
  })

  test('a listener for faults does not keep the process alive, and hears of those in other threads', (t) => {
    const { signal, stdout, stderr } = run('listener.mjs')
    t.is(signal, null, stderr)
    t.deepEqual(JSON.parse(stdout), { main: 1, uncaught: 1, other: 1 })
  })

  test('all that makes mappings takes recoverFaults', (t) => {
    const fd = file(t, 1)
    const offset = new FileOffset(fd, 0)
    const made: (MmapRegion | GuestRegionMmap)[] = [
      new MmapRegion(PAGE, RECOVERING),
      MmapRegion.fromFile(offset, PAGE, RECOVERING),
      MmapRegion.build(null, PAGE, READ_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, RECOVERING),
      new MmapRegionBuilder(PAGE).withMmapProt(READ_WRITE).withRecoverFaults(true).build(),
      GuestRegionMmap.fromRange(0, PAGE, offset, RECOVERING),
      ...GuestMemoryMmap.fromRanges([[0, PAGE]], RECOVERING),
      ...GuestMemoryMmap.fromRangesWithFiles([[0, PAGE, offset]], { ...RECOVERING, bitmap: true }),
    ]
    for (const region of made) {
      t.true(region.recoverFaults)
      t.true(region.owned)
      t.deepEqual(region.faults, [])
      t.is(region.asVolatileSlice().readU8(0), region.fileOffset === null ? 0 : 1)
    }
    t.false(new MmapRegion(PAGE).recoverFaults)
    t.false(new MmapRegionBuilder(PAGE).withRecoverFaults(true).withRecoverFaults(false).build().recoverFaults)
  })

  test('what is no boolean is refused, and a raw mapping cannot recover', (t) => {
    for (const wrong of [1, 'yes', null, {}]) {
      refusesArgument(t, () => new MmapRegion(PAGE, { recoverFaults: wrong } as never), 'ERR_INVALID_ARG_TYPE')
      refusesArgument(t, () => new MmapRegionBuilder(PAGE).withRecoverFaults(wrong as never), 'ERR_INVALID_ARG_TYPE')
    }
    const raw = new MmapRegionBuilder(PAGE).withRawMmapPointer(BigInt(BASE)).withRecoverFaults(true)
    refuses(t, () => raw.build(), { name: 'Error', code: 'ERR_UNSUPPORTED' })
  })

  test('what upstream refuses to map is refused as without recoverFaults, and nothing stays mapped', (t) => {
    const name = freshName()
    const fd = file(t, 1, name)
    const attempts: ((options: object) => unknown)[] = [
      (options) => MmapRegion.fromFile(new FileOffset(fd, 0), 2 * PAGE, options),
      (options) => MmapRegion.fromFile(new FileOffset(fd, 1), PAGE - 1, options),
      (options) => MmapRegion.build(new FileOffset(fd, 0), PAGE, READ_WRITE, 0, options),
      (options) => MmapRegion.build(null, PAGE, READ_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | 0x10, options),
      (options) => new MmapRegion(0, options),
      (options) => new MmapRegion(2 ** 52, options),
      (options) => GuestRegionMmap.fromRange(2n ** 64n - 1n, PAGE, new FileOffset(fd, 0), options),
    ]
    for (const attempt of attempts) {
      const expected = t.throws(() => attempt({}))
      const error = t.throws(() => attempt(RECOVERING))
      t.deepEqual({ ...error, name: error?.name, message: error?.message }, {
        ...expected,
        name: expected?.name,
        message: expected?.message,
      } as never)
    }
    t.is(mappingsOf(name), 0)
  })

  test('a mapping that recovers is unmapped when nothing uses it, patched pages and all', async (t) => {
    const name = freshName()
    const fd = file(t, 4, name)
    const held = new Held(() => mapped(fd, 4))
    const start = held.use((region) => {
      fs.ftruncateSync(fd, 2 * PAGE)
      new Uint8Array(region.buffer)[3 * PAGE] = 1
      return region.asPtr()
    })
    t.is(mappingsOf(name), 1)
    t.true(isMapped(start, 4 * PAGE))
    held.letGo()
    t.true(await eventually(() => mappingsOf(name) === 0))
  })

  const ENDINGS: Readonly<Record<string, [signal: string | null, printed: string]>> = {
    'a fault of another mapping': ['SIGBUS', ''],
    'a signal that was sent': ['SIGBUS', ''],
    'a listener that was there before': [null, 'heard'],
    'a listener that comes afterwards': [null, 'heard'],
    'listeners that come and go': [null, 'recovers'],
    'a stack that overflows': [null, 'RangeError'],
    'a trap of WebAssembly': [null, 'RuntimeError'],
    'no mapping that recovers': [null, 'true'],
  }
  for (const [what, [signal, printed]] of Object.entries(ENDINGS)) {
    test(`${what} is answered as without the handler`, (t) => {
      const ended = run('signals.mjs', what)
      t.deepEqual([ended.signal, ended.stdout.trim()], [signal, printed], ended.stderr)
    })
  }

  /** Runs a script in a file system of its own, which has this size; null where that cannot be mounted. */
  function runInFolder(t: ExecutionContext, size: string, script: string): Run | null {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
    t.teardown(() => fs.rmSync(folder, { recursive: true }))
    const mount = ['-rm', 'sh', '-c', `mount -t tmpfs -o size=${size} none "$0" && exec "$@"`, folder]
    if (spawnSync('unshare', [...mount, 'true']).status !== 0) {
      t.log('not tested: no file system of its own can be mounted here')
      t.pass()
      return null
    }
    return spawnSync('unshare', [...mount, process.execPath, `faults/${script}`, folder], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      env,
    })
  }

  test('pages that a full file system has no room for are lost one by one', (t) => {
    const ended = runInFolder(t, '1m', 'full.mjs')
    if (ended === null) return
    const { good, refused, faults } = JSON.parse(ended.stdout) as { good: boolean; refused: unknown; faults: object[] }
    t.true(good, ended.stderr)
    t.deepEqual(refused, ['ERR_MEMORY_FAULT', 'no-space', 2 ** 23 - 1])
    t.deepEqual(faults, [{ offset: 2 ** 20, count: 7 * 2 ** 20, reason: 'no-space' }])
  })

  test('faults scattered beyond the limit of mappings are survived, and told', (t) => {
    const limit = Number(fs.readFileSync('/proc/sys/vm/max_map_count', 'utf8'))
    if (limit > 70_000) {
      t.log(`not tested: the limit is ${limit} mappings`)
      t.pass()
      return
    }
    const ended = runInFolder(t, '161m', 'scattered.mjs')
    if (ended === null) return
    t.is(ended.signal, null, ended.stderr)
    t.like(JSON.parse(ended.stdout), { wrong: 0 })
  })

  test('a file of huge pages that is truncated loses whole ones, and gets them back', (t) => {
    const facts = fs.readFileSync('/proc/meminfo', 'utf8')
    const size = Number(/^Hugepagesize: +(\d+)/m.exec(facts)?.[1] ?? 0) * 1024
    if (Number(/^HugePages_Free: +(\d+)$/m.exec(facts)?.[1] ?? 0) < 4) {
      t.log('not tested: there are not 4 huge pages in the pool of the host')
      t.pass()
      return
    }
    const fd = memfdCreate(freshName(), 4 * size, { hugetlb: true, seal: false })
    t.teardown(() => fs.closeSync(fd))
    const region = GuestRegionMmap.fromRange(BASE, 4 * size, new FileOffset(fd, 0), RECOVERING)
    t.teardown(() => region.release())
    const bytes = new Uint8Array(region.buffer)
    for (let page = 0; page < 4; page += 1) bytes[page * size] = page + 1
    fs.ftruncateSync(fd, 2 * size)
    refuses(t, () => region.readU8(3 * size + 5), lost(3 * size + 5, 'truncated'))
    t.deepEqual(region.faults, [{ offset: 2 * size, count: 2 * size, reason: 'truncated' }])
    bytes[2 * size] = 9
    t.deepEqual([bytes[0], bytes[size], bytes[2 * size], bytes[3 * size]], [1, 2, 9, 0])
    refuses(t, () => region.discard(2 * size, size), lost(2 * size, 'truncated'))
    fs.ftruncateSync(fd, 4 * size)
    region.healFaults()
    t.deepEqual([region.faults, region.readU8(0), region.readU8(2 * size)], [[], 1, 0])
  })

  test('huge pages that the host does not have are lost as such', (t) => {
    const facts = fs.readFileSync('/proc/meminfo', 'utf8')
    const [, total] = /^HugePages_Total: +(\d+)$/m.exec(facts) ?? []
    const size = Number(/^Hugepagesize: +(\d+)/m.exec(facts)?.[1] ?? 0) * 1024
    if (total !== '0' || size !== 2 ** 21) {
      t.log(`not tested: the host has ${total ?? 'no support for'} huge pages`)
      t.pass()
      return
    }
    const { signal, stdout, stderr } = run('full.mjs', '--huge')
    t.is(signal, null, stderr)
    t.deepEqual(JSON.parse(stdout), {
      good: true,
      refused: ['ERR_MEMORY_FAULT', 'no-space', 2 ** 23 - 1],
      faults: [{ offset: 0, count: 2 ** 23, reason: 'no-space' }],
    })
    const flags = MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE | MAP_HUGETLB
    const anonymous = MmapRegion.build(null, 2 * size, READ_WRITE, flags, RECOVERING)
    refuses(t, () => anonymous.asVolatileSlice().readU8(size), lost(size, 'no-space'))
    t.deepEqual(anonymous.faults, [{ offset: size, count: size, reason: 'no-space' }])
    anonymous.healFaults()
    t.deepEqual(anonymous.faults, [])
    refuses(t, () => anonymous.asVolatileSlice().readU8(size), lost(size, 'no-space'))
  })
} else {
  test('recoverFaults is refused where it is not supported', (t) => {
    refuses(t, () => new MmapRegion(PAGE, RECOVERING), { name: 'Error', code: 'ERR_UNSUPPORTED' })
    t.false(new MmapRegion(PAGE).recoverFaults)
  })
}
