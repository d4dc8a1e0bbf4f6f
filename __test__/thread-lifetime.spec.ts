// What threads hold, and that they let go of it: idle, at a collection, and however they end.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap } from '../index.js'
import { BASE, MARK, SIZE, freshName, isGone, namedMemory } from './named-memory.js'
import { eventually, mappingsOf } from './process-resources.js'

const packageEntry = fileURLToPath(new URL('../index.js', import.meta.url))

/** A thread that has the package as `vm` and runs this code. */
function startWorker(code: string, workerData: unknown): Worker {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const fs = require('node:fs')
    const vm = require(${JSON.stringify(packageEntry)})
    ${code}`
  return new Worker(source, { eval: true, workerData, execArgv: [], trackUnmanagedFds: false })
}

function tell(worker: Worker, message: string): void {
  worker.postMessage(message, [])
}

test.serial('an idle thread that only took and disposed guards holds nothing, without any collection', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const worker = startWorker(
    `const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
     for (let i = 0; i < 10; i += 1) atomic.memory().dispose()
     parentPort.on('message', () => parentPort.close())
     parentPort.postMessage('idle')`,
    atomic.share(),
  )
  await once(worker, 'message')
  atomic.lock().replace(new GuestMemoryMmap())
  t.true(await eventually(isGone(name)))
  tell(worker, 'end')
  t.deepEqual(await once(worker, 'exit'), [0])
})

test.serial('a thread that also read through a guard lets go at its next collection', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const worker = startWorker(
    `const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
     for (let i = 0; i < 10; i += 1) {
       const guard = atomic.memory()
       if (guard.readU8(${BASE}) !== ${MARK}) throw new Error('wrong byte')
       guard.dispose()
     }
     parentPort.on('message', async (message) => {
       if (message === 'end') return parentPort.close()
       for (let round = 0; round < 5; round += 1) {
         gc()
         await new Promise(setImmediate)
       }
     })
     parentPort.postMessage('idle')`,
    atomic.share(),
  )
  await once(worker, 'message')
  atomic.lock().replace(new GuestMemoryMmap())
  tell(worker, 'collect')
  t.true(await eventually(isGone(name), 200))
  tell(worker, 'end')
  t.deepEqual(await once(worker, 'exit'), [0])
})

const ENDINGS: [how: string, code: string][] = [
  ['returns', ''],
  ['exits', 'process.exit(0)'],
  ['is terminated', "parentPort.on('message', () => {}); parentPort.postMessage('ready')"],
]

for (const [how, code] of ENDINGS) {
  test.serial(`a thread that ${how} lets go of all that it made`, async (t) => {
    const name = freshName()
    const worker = startWorker(
      `const fd = vm.memfdCreate(workerData, ${SIZE})
       const file = new vm.FileOffset(fd, 0)
       fs.closeSync(fd)
       const memory = vm.GuestMemoryMmap.fromRangesWithFiles([[${BASE}, ${SIZE}, file]], { bitmap: true })
       const atomic = new vm.GuestMemoryAtomic(memory)
       globalThis.kept = [
         file,
         memory,
         atomic,
         atomic.memory(),
         atomic.lock(),
         memory.findRegion(${BASE}),
         memory.findRegion(${BASE}).buffer,
         memory.views(${BASE}, 8),
         memory.getSlice(${BASE}, 8).getAtomicRef('u8', 0),
         memory.share(), // tickets that nobody takes
         atomic.share(),
       ]
       ${code}`,
      name,
    )
    if (how === 'is terminated') {
      await once(worker, 'message')
      t.true(mappingsOf(name) > 0)
      await worker.terminate()
    } else {
      t.deepEqual(await once(worker, 'exit'), [0])
    }
    t.true(await eventually(isGone(name)))
  })
}

test.serial('memory shared with a thread that ended is still there, and its lock is free', async (t) => {
  const name = freshName()
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const worker = startWorker(
    `const atomic = vm.GuestMemoryAtomic.fromShared(workerData)
     globalThis.kept = [atomic.lock(), atomic.memory(), atomic.memory().findRegion(${BASE}).buffer]
     process.exit(0)`,
    atomic.share(),
  )
  t.deepEqual(await once(worker, 'exit'), [0])
  const guard = atomic.tryLock()
  t.truthy(guard)
  guard?.dispose()
  t.is(atomic.memory().readU8(BASE), MARK)
})

test.serial('process.exit with everything alive ends quietly', (t) => {
  const code = `
    const vm = require(${JSON.stringify(packageEntry)})
    const memory = vm.GuestMemoryMmap.fromRanges([[0, 65536]], { bitmap: true })
    const atomic = new vm.GuestMemoryAtomic(memory)
    globalThis.kept = [memory, atomic.memory(), atomic.lock(), memory.findRegion(0).buffer, atomic.share()]
    atomic.lockAsync()
    process.exit(0)`
  t.is(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8', stdio: 'pipe' }), '')
})
