// Threads that load the package and end in every way there is, at every moment.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { vm } from './surface.mjs'
import { complain, expectSame } from './verdict.mjs'

const BASE = 65536
const SIZE = 65536
const ROUNDS = 3
const packageEntry = fileURLToPath(new URL('../../index.js', import.meta.url))

const atomic = new vm.GuestMemoryAtomic(vm.GuestMemoryMmap.fromRanges([[BASE, SIZE]], { bitmap: true }))

/** What each thread does; `ready()` tells that it is in the middle of it. */
const lives = {
  'only loads the package': 'ready()',
  'holds everything': `
    const guard = atomic.memory()
    const region = guard.findRegion(${BASE})
    globalThis.kept = [guard, guard.clone(), region, region.buffer, guard.views(${BASE}, 8), region.getSlice(0, 8)]
    globalThis.kept.push(region.getAtomicRef('u32', 0), region.bitmap, atomic.share(), guard.share())
    ready()`,
  'reads and writes for ever': `
    ready()
    for (;;) {
      const guard = atomic.memory()
      guard.writeU32(guard.readU32(${BASE}) ^ 1, ${BASE})
      guard.dispose()
    }`,
  'calls back for ever': `
    ready()
    for (;;) atomic.memory().tryAccess(${SIZE}, ${BASE}, () => 1)`,
  'replaces for ever': `
    ready()
    for (;;) {
      try {
        atomic.lock({ timeout: 5 }).replace(atomic.memory().clone())
      } catch (error) {
        if (error.code !== 'ERR_LOCK_TIMEOUT') throw error
      }
    }`,
  'holds the lock': 'globalThis.kept = atomic.lock(); ready()',
  'ends within update': `
    atomic.update((map) => {
      ready()
      for (;;) map.readU8(${BASE})
    })`,
  'exits within update': 'ready(); atomic.update(() => process.exit(0))',
  'throws within update': `
    ready()
    atomic.update(() => {
      throw new Error('expected')
    })`,
  'exits within tryAccess': `ready(); atomic.memory().tryAccess(1, ${BASE}, () => process.exit(0))`,
  'throws within tryAccess': `
    ready()
    atomic.memory().tryAccess(1, ${BASE}, () => {
      throw new Error('expected')
    })`,
  'waits for a lock of its own': 'globalThis.kept = atomic.lock(); atomic.lockAsync(); ready()',
  'exits with a transfer under way': `
    const fd = fs.openSync('/dev/zero', 'r')
    for (let i = 0; i < 8; i += 1) atomic.memory().readExactVolatileFromAsync(${BASE}, fd, ${SIZE})
    ready()
    process.exit(0)`,
  'takes a ticket twice': `
    ready()
    const ticket = atomic.share()
    vm.GuestMemoryAtomic.fromShared(ticket)
    vm.GuestMemoryAtomic.fromShared(ticket)`,
}

/** Lives that go on until they are ended. */
const endless = /for ever|^holds|^ends|^waits|^only/

/** Lives that end by an error that nobody catches. */
const failing = /throws|twice/

function start(code) {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const fs = require('node:fs')
    const vm = require(${JSON.stringify(packageEntry)})
    const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
    const ready = () => parentPort.postMessage('ready')
    parentPort.on('message', () => {}) // keeps the thread until it is ended
    ${code}`
  return new Worker(source, { eval: true, workerData: atomic.share(), execArgv: [] })
}

/** Lets a thread live one of these lives, and waits for its end. */
async function outlive(life, code) {
  const worker = start(code)
  const failure = new Promise((resolve) => {
    worker.once('error', (error) => {
      if (!failing.test(life)) complain(`a thread that ${life}`, error)
      resolve()
    })
  })
  const exit = new Promise((resolve) => {
    worker.once('exit', resolve)
  })
  await Promise.race([new Promise((resolve) => worker.once('message', resolve)), failure])
  if (endless.test(life)) await worker.terminate()
  else if (failing.test(life)) await failure
  const exitCode = await exit
  if (!endless.test(life) && !failing.test(life)) expectSame(`the exit code of a thread that ${life}`, exitCode, 0)
}

for (let round = 0; round < ROUNDS; round += 1) {
  for (const [life, code] of Object.entries(lives)) {
    await outlive(life, code)
    // Whatever it held is free again, and the memory is as it was.
    const guard = atomic.tryLock()
    if (guard === null) complain(`the lock after a thread that ${life}`, 'is held')
    guard?.dispose()
    expectSame(`the regions after a thread that ${life}`, atomic.memory().numRegions, 1)
  }
}

// Many at once, some of them terminated while they start.
const crowd = Array.from({ length: 12 }, (_, i) => {
  const worker = start(lives[i % 2 ? 'reads and writes for ever' : 'replaces for ever'])
  worker.on('error', (error) => complain('a thread of the crowd', error))
  return worker
})
await Promise.all(
  crowd.map(async (worker, i) => {
    if (i % 3 > 0) await Promise.race([once(worker, 'message'), once(worker, 'exit')])
    await worker.terminate()
  }),
)
atomic.lock({ timeout: 1000 }).dispose()
atomic.memory().writeU8(1, BASE)
globalThis.gc()

// The process ends with threads running.
start(lives['reads and writes for ever']).on('message', () => process.exit())
