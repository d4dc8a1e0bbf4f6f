// What a save tells while it is under way, what ends it, and what fails it. Linux only.
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
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MmapRegion,
  PROT_NONE,
  PROT_WRITE,
} from '../index.js'
import { memfd } from './mapping-kinds.js'
import { temporaryFifo } from './temporary-file.js'
import { rejection } from './refusal.js'
import { PAGE, bytesOf, contentOf, emptyFile, refused } from './snapshot-files.js'

/** What scripts require. */
const PACKAGE = JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))
const LARGE = 2 ** 28

function filled(size: number): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRanges([[0, size]])
  memory.fill(1, 0, size)
  return memory
}

test('progress is told on the event loop, ascending, and at the end', async (t) => {
  const memory = filled(LARGE)
  const { fd } = emptyFile(t)
  const told: [number, number][] = []
  let turns = 0
  const turning = setInterval(() => (turns += 1))
  const promise = memory.save(fd, { onProgress: (...progress) => told.push(progress) })
  t.deepEqual(told, [])
  await promise
  clearInterval(turning)
  t.true(turns > 0)
  t.deepEqual(told.at(-1), [LARGE, LARGE])
  t.true(told.every(([, total]) => total === LARGE))
  t.true(told.every(([done], index) => index === 0 || done > (told[index - 1] as [number, number])[0]))
  t.true(told.slice(0, -1).every(([done]) => done < LARGE))
})

test('the end is told of whatever is saved, holes included', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 8 * PAGE],
    [16 * PAGE, PAGE + 1],
  ])
  memory.writeU8(1, 0)
  const { fd } = emptyFile(t)
  const told: [number, number][] = []
  const onProgress = (...progress: [number, number]): number => told.push(progress)
  const { table } = await memory.save(fd, { onProgress })
  await memory.saveRanges(fd, table, [[0, 2 * PAGE]], { onProgress })
  await memory.saveRanges(fd, table, [], { onProgress })
  await new GuestMemoryMmap().save(fd, { onProgress })
  t.deepEqual(told, [
    [9 * PAGE + 1, 9 * PAGE + 1],
    [2 * PAGE, 2 * PAGE],
    [0, 0],
    [0, 0],
  ])
})

test('a listener that throws ends the save with what it threw', async (t) => {
  const memory = filled(16 * PAGE)
  const { fd } = emptyFile(t)
  for (const thrown of [new Error('enough'), undefined, null, 'enough']) {
    const onProgress = (): void => {
      throw thrown
    }
    t.is(await rejection(memory.save(fd, { onProgress })), thrown)
  }
  await memory.save(fd)
})

test('an abort rejects with its reason, and nothing is written afterwards', async (t) => {
  const memory = filled(LARGE)
  const { fd } = emptyFile(t)
  const reason = { why: 'enough' }
  t.is(await rejection(memory.save(fd, { signal: AbortSignal.abort(reason) })), reason)
  t.is(fs.fstatSync(fd).size, 0)
  // Arguments come first.
  t.is((await refused(memory.save(fd, { signal: AbortSignal.abort(), offset: 1 }))).code, 'ERR_OUT_OF_RANGE')

  let blocks = Infinity
  // On a busy machine, this thread may have its turn when all is written: then once more.
  for (let tries = 0; tries < 5 && blocks * 512 >= LARGE; tries += 1) {
    fs.ftruncateSync(fd, 0)
    const abort = new AbortController()
    let told = 0
    const promise = memory.save(fd, { signal: abort.signal, onProgress: () => (told += 1) })
    while (fs.fstatSync(fd).blocks === 0) await setImmediate()
    abort.abort(reason)
    const before = told
    t.is(await rejection(promise), reason)
    t.is(told, before)
    blocks = fs.fstatSync(fd).blocks
  }
  t.true(blocks * 512 < LARGE)
  for (let turn = 0; turn < 20; turn += 1) await setImmediate()
  t.is(fs.fstatSync(fd).blocks, blocks)
  // The rest may be saved another time.
  await memory.save(fd)
  t.is(Buffer.compare(contentOf(fd), bytesOf(memory)), 0)

  const late = new AbortController()
  const { table } = await memory.save(fd, { signal: late.signal })
  late.abort(reason)
  t.is(await rejection(memory.saveRanges(fd, table, [[0, PAGE]], { signal: late.signal })), reason)
  const timeout = await refused(memory.save(fd, { signal: AbortSignal.timeout(0) }))
  t.is(timeout.name, 'TimeoutError')
})

test('the thread pool goes on, and objects may go', async (t) => {
  const saves = Array.from({ length: 6 }, () => filled(LARGE / 16).save(emptyFile(t).fd))
  let done = false
  const all = Promise.all(saves).then(() => (done = true))
  globalThis.gc?.()
  await fs.promises.stat('/')
  t.false(done)
  await all
})

test('the descriptor may be closed, and the cursor stays', async (t) => {
  const { fd, name } = emptyFile(t)
  fs.writeSync(fd, 'twelve bytes')
  const memory = filled(4 * PAGE)
  const handle = await fs.promises.open(name, 'r+')
  const saving = memory.save(handle)
  await handle.close()
  await saving
  await memory.save(fd)
  fs.writeSync(fd, '!')
  t.is(contentOf(fd).subarray(11, 14).toString('latin1'), '\x01!\x01')
})

test('a worker that ends in the middle writes nothing afterwards', async (t) => {
  const { fd, name } = emptyFile(t)
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    const { GuestMemoryMmap } = require(${PACKAGE})
    const memory = GuestMemoryMmap.fromShared(workerData.ticket)
    memory.save(require('node:fs').openSync(workerData.name, 'r+'))
    parentPort.postMessage('begun')`,
    { eval: true, workerData: { ticket: filled(LARGE).share(), name } },
  )
  t.teardown(() => worker.terminate())
  await once(worker, 'message')
  await worker.terminate()
  const { blocks } = fs.fstatSync(fd)
  for (let turn = 0; turn < 20; turn += 1) await setImmediate()
  t.is(fs.fstatSync(fd).blocks, blocks)
})

const BEGIN = `const fs = require('node:fs'), { GuestMemoryMmap } = require(${PACKAGE})
  const memory = GuestMemoryMmap.fromRanges([[0, ${LARGE}]])
  memory.fill(1, 0, ${LARGE})
  const save = () => memory.save(fs.openSync(process.argv[1], 'r+'))`

test('the process may end meanwhile, and does not before', (t) => {
  const { fd, name } = emptyFile(t)
  const run = (code: string): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, ['-e', `${BEGIN}\n${code}`, name], { encoding: 'utf8' })
  const exit = run('save(); setImmediate(() => process.exit(3))')
  t.deepEqual([exit.status, exit.signal, exit.stderr], [3, null, ''])
  t.true(fs.fstatSync(fd).blocks * 512 < LARGE)
  const wait = run('save()')
  t.deepEqual([wait.status, wait.stderr], [0, ''])
  t.is(fs.fstatSync(fd).blocks * 512, LARGE)
})

// ------------------------------------------------------------------------------------------------ errors

const ERROR =
  'catch ({ name, code, errno, completed }) { console.log(JSON.stringify({ name, code, errno, completed })) }'

test('beyond the limit of the size of files there is an error and no signal', (t) => {
  const { name } = emptyFile(t)
  for (const [argument, size] of [
    ['', 0],
    // Where it is long enough already, the write itself is refused.
    ['grown', LARGE],
  ] as const) {
    fs.truncateSync(name, size)
    const script = `${BEGIN}
      // Whoever has put the signal back.
      process.on('SIGXFSZ', () => {}); process.removeAllListeners('SIGXFSZ')
      void (async () => { try { await save() } ${ERROR} })()`
    const limited = ['-c', 'ulimit -f 1024; exec "$@"', 'sh', process.execPath, '-e', script, name, argument]
    const { status, signal, stdout, stderr } = spawnSync('sh', limited, { encoding: 'utf8' })
    t.deepEqual([status, signal, stderr], [0, null, ''])
    const error = JSON.parse(stdout) as Record<string, unknown>
    t.like(error, { name: 'GuestMemoryError', code: 'ERR_IO', errno: 27 })
  }
})

test('a full file system is an error', async (t) => {
  const full = fs.openSync('/dev/full', 'r+')
  t.teardown(() => fs.closeSync(full))
  const error = await refused(filled(PAGE).save(full))
  t.like(error, { name: 'GuestMemoryError', code: 'ERR_IO', errno: 28 })

  if (process.getuid?.() !== 0) return t.log('not tested: only root can make a small file system')
  const script = `${BEGIN}
    void (async () => { try { await save() } ${ERROR} })()`
  const mounted = [
    '-m',
    'sh',
    '-c',
    'mount -t tmpfs -o size=1m none /mnt && : > /mnt/snapshot && exec "$@"',
    'sh',
    process.execPath,
    '-e',
    script,
    '/mnt/snapshot',
  ]
  const { status, stdout, stderr } = spawnSync('unshare', mounted, { encoding: 'utf8' })
  if (status !== 0) return t.log(`not tested: there are no namespaces of mounts here: ${stderr}`)
  t.deepEqual(JSON.parse(stdout), { name: 'GuestMemoryError', code: 'ERR_IO', errno: 28, completed: 2 ** 20 })
})

test('what has no places cannot hold a snapshot', async (t) => {
  const ESPIPE = { name: 'GuestMemoryError', code: 'ERR_IO', errno: 29 }
  t.like(await refused(filled(PAGE).save(temporaryFifo(t))), ESPIPE)
  const sealed = memfd(t, PAGE)
  t.like(await refused(filled(2 * PAGE).save(sealed)), { code: 'ERR_IO', errno: 1 })
  t.is((await filled(PAGE).save(sealed)).written, PAGE)
})

test('memory that may not be read is refused before the file is touched', async (t) => {
  const { fd } = emptyFile(t)
  for (const prot of [PROT_NONE, PROT_WRITE]) {
    const closed = MmapRegion.build(null, PAGE, prot, MAP_ANONYMOUS | MAP_PRIVATE)
    const memory = GuestMemoryMmap.fromRegions([GuestRegionMmap.fromRange(0, PAGE), new GuestRegionMmap(closed, PAGE)])
    memory.writeU8(1, 0)
    t.like(await refused(memory.save(fd)), { name: 'Error', code: 'ERR_PROTECTION' })
    t.is(fs.fstatSync(fd).size, 0)
  }
})

test('memory that was lost is an error, and not zeros', async (t) => {
  for (const recoverFaults of [true, false]) {
    for (const hasSeen of recoverFaults ? [true, false] : [false]) {
      const fd = memfd(t, 4 * PAGE, { seal: false })
      const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), 4 * PAGE, { recoverFaults })
      mapping.asUint8Array().fill(1)
      const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, 0x10_0000)])
      const target = emptyFile(t).fd
      const { table } = await memory.save(target)
      fs.ftruncateSync(fd, 2 * PAGE)
      if (hasSeen) t.is(mapping.asUint8Array()[3 * PAGE], 0)
      const fault = { name: 'Error', code: 'ERR_MEMORY_FAULT', reason: 'truncated', offset: 2 * PAGE }
      const before = contentOf(target)
      t.like(await refused(memory.save(target)), { ...fault, addr: BigInt(0x10_0000 + 2 * PAGE) })
      t.like(await refused(memory.saveRanges(target, table, [[0x10_0000 + 2 * PAGE, PAGE]])), fault)
      t.deepEqual(contentOf(target), before)
      // The rest of it is there.
      t.is((await memory.saveRanges(target, table, [[0x10_0000, 2 * PAGE]])).written, 2 * PAGE)
      fs.ftruncateSync(fd, 4 * PAGE)
      if (recoverFaults) mapping.healFaults()
      t.is((await memory.save(target)).written, 2 * PAGE)
    }
  }
})

test('memory that is lost in the middle is no silence either', async (t) => {
  const fd = memfd(t, LARGE, { seal: false })
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), LARGE, { recoverFaults: true })
  mapping.asUint8Array().fill(1)
  const memory = GuestMemoryMmap.fromRegions([new GuestRegionMmap(mapping, 0)])
  const target = emptyFile(t).fd
  const promise = memory.save(target)
  while (fs.fstatSync(target).blocks === 0) await setImmediate()
  fs.ftruncateSync(fd, PAGE)
  t.is((await refused(promise)).code, 'ERR_MEMORY_FAULT')
})
