// Memory that is released while other threads use it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { FileOffset, GuestMemoryMmap, GuestRegionMmap, memfdCreate } from '../../index.js'
import { freshName } from '../named-memory.js'
import { descriptorsOf, isMapped, mappingsOf } from '../process-resources.js'
import { makeRegion, SIZE } from '../release/members.mjs'

const PAGE = 4096
const BASE = 65536

interface Other {
  readonly worker: Worker
  /** What it says next. */
  said(): Promise<unknown>
  tell(): void
}

/** Starts a thread that does a task on memory, and waits until it has used it. */
async function start(t: ExecutionContext, memory: GuestMemoryMmap, task: string, more: object = {}): Promise<Other> {
  const signal = new SharedArrayBuffer(4)
  const state = new Int32Array(signal)
  const worker = new Worker(new URL('../release/worker.mjs', import.meta.url), {
    workerData: { ticket: memory.share(), task, signal, ...more },
    execArgv: [],
  })
  t.teardown(() => worker.terminate())
  worker.on('error', (error) => t.fail(String(error)))
  const said = async (): Promise<unknown> => ((await once(worker, 'message')) as [unknown])[0]
  const tell = (): void => {
    Atomics.store(state, 0, 1)
    Atomics.notify(state, 0)
  }
  t.is(await said(), 'warm')
  return { worker, said, tell }
}

/** Two regions side by side, of which the second one is released. */
function pair(options?: { bitmap?: boolean }): { memory: GuestMemoryMmap; region: GuestRegionMmap } {
  const memory = GuestMemoryMmap.fromRanges(
    [
      [BASE - PAGE, PAGE],
      [BASE, SIZE],
    ],
    options,
  )
  return { memory, region: memory.findRegion(BASE) as GuestRegionMmap }
}

async function within(condition: () => boolean, ms = 10_000): Promise<boolean> {
  for (const until = Date.now() + ms; Date.now() < until; await setTimeout(5)) if (condition()) return true
  return condition()
}

for (const bitmap of [false, true]) {
  const tracked = bitmap ? ', with a bitmap' : ''
  test(`all that touches it throws in a thread whose event loop has not turned${tracked}`, async (t) => {
    const region = makeRegion({ bitmap })
    const other = await start(t, GuestMemoryMmap.fromRegions([region]), 'members')
    region.release()
    other.tell()
    t.deepEqual(await other.said(), [])
  })

  test(`warm accesses throw at once in such a thread${tracked}`, async (t) => {
    const { memory, region } = pair({ bitmap })
    const other = await start(t, memory, 'ways')
    region.release()
    other.tell()
    t.deepEqual(await other.said(), [])
    t.is(memory.readU32(BASE - PAGE), 0)
  })
}

if (process.platform === 'linux') {
  for (const way of ['scalar', 'slice', 'atomic', 'copy', 'fill', 'native']) {
    test(`what a thread has written without an error is in the file, all of it: ${way}`, async (t) => {
      for (let attempt = 0; attempt < 4; attempt += 1) {
        const size = way === 'scalar' || way === 'slice' || way === 'atomic' ? PAGE : 2 ** 20
        const fd = memfdCreate('release', size)
        t.teardown(() => fs.closeSync(fd))
        const region = GuestRegionMmap.fromRange(BASE, size, new FileOffset(fd, 0))
        const other = await start(t, GuestMemoryMmap.fromRegions([region]), 'count', { way })
        await setTimeout(Math.random() * 20)
        region.release()
        const { code, last } = (await other.said()) as { code: string; last: number }
        t.is(code, 'ERR_DISPOSED')
        const bytes = Buffer.alloc(size)
        fs.readSync(fd, bytes, 0, size, 0)
        const found = way === 'fill' ? bytes[0] : way === 'atomic' ? bytes.readUInt16LE(0) : bytes.readUInt32LE(0)
        const wanted = way === 'fill' ? last & 0xff : way === 'atomic' ? last & 0xffff : last
        // One that was refused may have come in time.
        const mask = way === 'fill' ? 0xff : way === 'atomic' ? 0xffff : 0xffffffff
        t.true(found === wanted || found === ((last + 1) & mask), `${found} for ${wanted}`)
        if (size > PAGE) {
          const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size / 4)
          t.true(words.every((word) => word === words[0]))
        }
        await other.worker.terminate()
      }
    })
  }

  // What waits for addresses to go runs alone, since other tests would map something else there meanwhile.

  for (const task of ['idle', 'drop']) {
    test.serial(`addresses go when the event loops of all threads turn: ${task}`, async (t) => {
      const { memory, region } = pair()
      const others = [await start(t, memory, task), await start(t, memory, task)]
      for (let use = 0; use < 8; use += 1) memory.writeU32(1, BASE)
      const address = region.getHostAddress(0)
      region.release()
      t.true(await within(() => !isMapped(address, SIZE)))
      t.is(others.length, 2)
    })
  }

  test.serial('a thread that sleeps keeps the addresses, and nothing else, until it turns', async (t) => {
    const size = 64 * PAGE
    const name = freshName()
    const fd = memfdCreate(name, size)
    const file = new FileOffset(fd, 0)
    fs.closeSync(fd)
    const memory = GuestMemoryMmap.fromRanges([
      [BASE - PAGE, PAGE],
      [BASE, size, file],
    ])
    file.dispose()
    const region = memory.findRegion(BASE) as GuestRegionMmap
    const other = await start(t, memory, 'sleep')
    memory.fill(1, BASE, size)
    const address = region.getHostAddress(0)
    region.release()
    await setTimeout(50)
    // Without the fast paths, it has no views of its own.
    const keepsAddresses = process.env['VM_MEMORY_FAST_PATHS'] !== '0'
    t.is(isMapped(address, size), keepsAddresses)
    t.is(mappingsOf(name), 0)
    t.is(descriptorsOf(name), 0)
    other.tell()
    t.is(((await other.said()) as { code: string }).code, 'ERR_DISPOSED')
    t.true(await within(() => !isMapped(address, size)))
  })

  test.serial('a thread that has ended keeps nothing, whatever it was doing', async (t) => {
    for (const task of ['idle', 'sleep', 'copy']) {
      const { memory, region } = pair()
      const other = await start(t, memory, task)
      const address = region.getHostAddress(0)
      await setTimeout(Math.random() * 10)
      const ended = other.worker.terminate()
      region.release()
      await ended
      t.true(await within(() => !isMapped(address, SIZE)), task)
    }
  })

  test('mappings, descriptors and addresses are bounded while a map is changed again and again, without a collector', (t) => {
    const script = fileURLToPath(new URL('../release/map-changes.mjs', import.meta.url))
    const output = execFileSync(process.execPath, [script, '800'], { encoding: 'utf8', timeout: 100_000 })
    const lines = output.trimEnd().split('\n')
    const counts = lines.map((line) => JSON.parse(line) as Record<string, number>)
    t.is(counts.length, 9)
    for (const { mappings, descriptors } of counts) t.deepEqual([mappings, descriptors], [4, 4])
    // 800 regions of 1 MiB have gone.
    const mebibytes = counts.map((count) => count['mebibytes'] ?? NaN)
    t.true(Math.max(...mebibytes) - (mebibytes[0] ?? NaN) < 400, mebibytes.join())
  })

  test.serial('twice does nothing while another thread has windows', async (t) => {
    const { memory, region } = pair()
    const address = region.getHostAddress(0)
    await start(t, memory, 'idle')
    region.release()
    region.release()
    t.true(await within(() => !isMapped(address, SIZE)))
  })
}
