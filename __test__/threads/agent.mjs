// A thread that does what it is told, one task after another, and answers. It shares an atomic with the one that started it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { closeSync, readlinkSync } from 'node:fs'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { setImmediate } from 'node:timers/promises'
import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, memfdCreate } from '../../index.js'

let atomic = workerData.ticket ? GuestMemoryAtomic.fromShared(workerData.ticket) : null
let lock = null
let snapshots = []
/** How many regions there were when a listener was told last. */
let heard = 0

/** Waits, blocking, for a moment in which other threads run. */
const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** A region of one page at that page. */
const regionAt = (page) => GuestRegionMmap.fromRange(page * 65536, 4096)

const tasks = {
  // ---- tickets
  take: (ticket) => {
    atomic = GuestMemoryAtomic.fromShared(ticket)
    return true
  },
  share: () => atomic.share(),
  /** Tickets for memory that nothing but they hold. */
  issue: (file) => {
    const fd = memfdCreate(file, 4096)
    const memory = GuestMemoryMmap.fromRangesWithFiles([[0, 4096, new FileOffset(fd, 0)]])
    closeSync(fd)
    memory.writeU32(0x600d, 0)
    return [memory.share(), new GuestMemoryAtomic(memory).share()]
  },
  readMap: ({ ticket, address }) => GuestMemoryMmap.fromShared(ticket).readU32(address),
  /** Passes the ticket on to a thread of its own, in its `workerData`. */
  readNested: async ({ ticket, address }) => {
    const worker = new Worker(new URL('agent.mjs', import.meta.url), { workerData: { ticket }, execArgv: [] })
    const answer = new Promise((resolve, reject) => {
      worker.on('message', (message) => 'result' in message && resolve(message.result))
      worker.on('error', reject)
    })
    worker.postMessage({ id: 0, task: 'read', argument: address })
    const result = await answer
    await worker.terminate()
    return result
  },

  // ---- memory
  read: (address) => {
    const guard = atomic.memory()
    const value = guard.readU32(address)
    guard.dispose()
    return value
  },
  write: ({ address, value }) => {
    const guard = atomic.memory()
    guard.writeU32(value, address)
    guard.dispose()
  },
  /** Makes so many buffers in one call that it can be terminated in the midst of that. */
  makeBuffers: ({ file, count }) => {
    const fd = memfdCreate(file, 4096)
    const start = new FileOffset(fd, 0)
    closeSync(fd)
    const ranges = Array.from({ length: count }, (_, i) => [4096 * i, 4096, start])
    const memory = GuestMemoryMmap.fromRangesWithFiles(ranges)
    parentPort.postMessage({ inside: true })
    memory.views(0, 4096 * count)
    for (;;);
  },
  /** Looks again and again, in a loop that does nothing else, until a byte has some value; how often that was. */
  poll: ({ address, value }) => {
    parentPort.postMessage({ inside: true })
    for (let looks = 1; ; looks += 1) {
      const guard = atomic.memory()
      const found = guard.readU8(address)
      guard.dispose()
      if (found === value) return looks
    }
  },
  snapshot: (address) => {
    const guard = atomic.memory()
    snapshots.push(guard)
    return address === undefined ? guard.numRegions : guard.readU32(address)
  },
  /** Listens to changes from now on. */
  listen: () => {
    atomic.onChange(({ current }) => {
      heard = current.numRegions
    })
    return heard
  },
  heard: () => heard,
  disposeSnapshots: () => {
    for (const each of snapshots) each.dispose()
    snapshots = []
  },
  dropSnapshots: () => {
    snapshots = []
  },
  collect: async () => {
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc()
      await setImmediate()
    }
  },

  // ---- the lock
  lock: (options) => {
    lock = atomic.lock(options)
    return 'locked'
  },
  /** Notes in guest memory that the lock was had. */
  lockAndSign: (name) => {
    const guard = atomic.lock()
    sign(name)
    guard.dispose()
  },
  lockAsyncAndSign: async (name) => {
    const guard = await atomic.lockAsync()
    sign(name)
    guard.dispose()
  },
  updateAndSign: (name) => {
    atomic.update((map) => {
      sign(name)
      return map
    })
  },
  /** What is granted meanwhile is never delivered. */
  lockAsyncAndSpin: () => {
    void atomic.lockAsync()
    parentPort.postMessage({ inside: true })
    for (;;);
  },
  tryLock: () => {
    lock = atomic.tryLock()
    return lock !== null
  },
  lockAsync: async (options) => {
    lock = await atomic.lockAsync(options)
    return 'locked'
  },
  unlock: () => {
    lock.dispose()
    lock = null
  },
  loseLock: () => {
    lock = null
  },
  replace: (page) => {
    lock.replace(GuestMemoryMmap.fromRegions([regionAt(page)]))
  },
  update: () => atomic.update((map) => map).numRegions,
  updateForEver: () => {
    atomic.update((map) => {
      parentPort.postMessage({ inside: true })
      for (;;) map.clone()
    })
  },
  /** Takes the lock whenever it is free, and gives it back or publishes a map, without an end. */
  cycleLocks: () => {
    parentPort.postMessage({ inside: true })
    const map = atomic.memory().intoInner()
    for (let cycle = 0; ; cycle += 1) {
      const guard = atomic.tryLock()
      if (guard === null) continue
      if (cycle % 4 === 0) guard.replace(map)
      else guard.dispose()
    }
  },
  updateAndThrow: () => {
    atomic.update((map) => {
      map.insertRegion(regionAt(7))
      throw new Error('from within')
    })
  },
  updateAndExit: () => {
    atomic.update((map) => {
      map.insertRegion(regionAt(7))
      process.exit(0)
    })
  },
  throwUncaught: () => {
    process.nextTick(() => {
      throw new Error('uncaught')
    })
  },
  exit: () => process.exit(0),
  close: () => parentPort.close(),

  // ---- reading, modifying, writing
  insertByUpdate: ({ first, count }) => {
    for (let page = first; page < first + count; page += 1) {
      atomic.update((map) => {
        pause(1)
        return map.insertRegion(regionAt(page))
      })
    }
  },
  insertByReadingFirst: ({ first, count }) => {
    for (let page = first; page < first + count; page += 1) {
      const map = atomic.memory().intoInner()
      pause(1)
      atomic.lock().replace(map.insertRegion(regionAt(page)))
    }
  },

  // ---- shared buffers
  waitFor: ({ buffer, index, value }) => Atomics.wait(new Int32Array(buffer), index, value, 30_000),
  add: ({ buffer, index, times }) => {
    const words = new Int32Array(buffer)
    for (let i = 0; i < times; i += 1) Atomics.add(words, index, 1)
  },
}

/** Appends a name to the list at the start of the memory: its length, then the names. Only with the lock held. */
function sign(name) {
  const guard = atomic.memory()
  const length = guard.readU32(0)
  guard.writeU32(name, 4 + 4 * length)
  guard.writeU32(length + 1, 0)
  guard.dispose()
}

async function answer({ id, task, argument }) {
  parentPort.postMessage({ id, started: true })
  try {
    parentPort.postMessage({ id, result: await tasks[task](argument) })
  } catch (error) {
    const { name, code, message } = error
    parentPort.postMessage({ id, error: { name, code, message } })
  }
}

parentPort.on('message', (message) => void answer(message))
// The kernel's number of this thread, where it has one to tell.
parentPort.postMessage({
  thread: process.platform === 'linux' ? readlinkSync('/proc/thread-self').split('/').at(-1) : null,
})
