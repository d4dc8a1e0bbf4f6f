// The asynchronous transfers: that they do what the synchronous ones do, whatever becomes of all that they were given.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import test, { type ExecutionContext } from 'ava'

import { FileOffset, type FileLike, GuestMemoryAtomic, GuestMemoryMmap, memfdCreate, pageSize } from '../index.js'
import { bytesOf } from './memory.js'
import { descriptorsOf, eventually, mappingsOf, settle } from './process-resources.js'
import { CLOSED_FD, temporaryFifo, temporaryFile } from './temporary-file.js'

const packageEntry = fileURLToPath(new URL('../index.js', import.meta.url))

const READS = ['readVolatileFrom', 'readExactVolatileFrom'] as const
const WRITES = ['writeVolatileTo', 'writeAllVolatileTo'] as const
const METHODS = [...READS, ...WRITES] as const
type Method = (typeof METHODS)[number]

const PAGE = pageSize()
const BASE = 0x10000
const SIZE = 4 * PAGE
const END = BASE + SIZE

/** Two regions that touch, tracked and full of what can be told apart from zeros. */
function filledMemory(): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRanges(
    [
      [BASE, 2 * PAGE],
      [BASE + 2 * PAGE, 2 * PAGE],
    ],
    { bitmap: true },
  )
  memory.writeSlice(
    Uint8Array.from({ length: SIZE }, (_, index) => 1 + (index % 251)),
    BASE,
  )
  dirtyPages(memory)
  return memory
}

/** The pages that were written since they were last asked for. */
function dirtyPages(memory: GuestMemoryMmap): (bigint | undefined)[] {
  return Array.from(memory, (region) => region.bitmap?.getAndReset()[0])
}

/** How many of the next bytes there are at the cursor. */
const nextBytes = (fd: number): number => fs.readSync(fd, new Uint8Array(100))

const someBytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => 255 - (index % 250))

/** Whatever an error is, for comparison. The operation is named as the synchronous one, which has another name. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const fields: Record<string, unknown> = { ...error }
  if (typeof fields.operation === 'string') fields.operation = fields.operation.replace(/Async$/, '')
  return { ...fields, class: error.constructor, name: error.name, message: error.message }
}

type Outcome = { returned: unknown } | { thrown: unknown }

function attempt(call: () => unknown): Outcome {
  try {
    return { returned: call() }
  } catch (error) {
    return { thrown: describe(error) }
  }
}

/** The same for a promise; that the call itself throws is an outcome of no synchronous call. */
async function attemptAsync(call: () => Promise<unknown>): Promise<Outcome | { escaped: unknown }> {
  let promise: Promise<unknown>
  try {
    promise = call()
  } catch (error) {
    return { escaped: error }
  }
  if (!(promise instanceof Promise)) return { escaped: promise }
  return promise.then(
    (returned) => ({ returned }),
    (error: unknown) => ({ thrown: describe(error) }),
  )
}

const transfer = (
  memory: GuestMemoryMmap,
  method: Method,
  addr: number | bigint,
  file: FileLike,
  count: number | bigint,
) => memory[`${method}Async`](addr, file, count)

// ------------------------------------------------------------------------------------------------ as the others

interface Case {
  what: string
  addr: number | bigint
  count: number | bigint
  /** Bytes in the file. */
  length?: number
}

const CASES: Case[] = [
  { what: 'within a region', addr: BASE + 5, count: 100 },
  { what: 'across regions', addr: BASE + 2 * PAGE - 3, count: 10 },
  { what: 'all of memory', addr: BASE, count: SIZE, length: SIZE },
  { what: 'more than the file has', addr: BASE + PAGE - 8, count: 100, length: 20 },
  { what: 'an empty file', addr: BASE, count: 1, length: 0 },
  { what: 'more than memory has', addr: END - 3, count: 50 },
  { what: 'more than anything has', addr: END - 3, count: 2n ** 64n - 1n },
  { what: 'nothing', addr: BASE, count: 0 },
  { what: 'nothing, at no address', addr: END, count: 0 },
  { what: 'no such address', addr: END, count: 1 },
  { what: 'the last address of all', addr: 2n ** 64n - 1n, count: 1 },
]

for (const method of METHODS) {
  for (const { what, addr, count, length = 200 } of CASES) {
    test(`${method}Async does what ${method} does: ${what}`, async (t) => {
      const [memory, expectedMemory] = [filledMemory(), filledMemory()]
      const [file, expectedFile] = [temporaryFile(t, someBytes(length)), temporaryFile(t, someBytes(length))]
      const expected = attempt(() => expectedMemory[method](addr, expectedFile, count))
      t.deepEqual(await attemptAsync(() => transfer(memory, method, addr, file, count)), expected)
      t.deepEqual(dirtyPages(memory), dirtyPages(expectedMemory))
      t.deepEqual(bytesOf(memory, BASE, SIZE), bytesOf(expectedMemory, BASE, SIZE))
      t.deepEqual(fs.readFileSync(`/proc/self/fd/${file}`), fs.readFileSync(`/proc/self/fd/${expectedFile}`))
      // The cursor is the caller's too.
      t.is(nextBytes(file), nextBytes(expectedFile))
    })
  }

  test(`${method}Async answers a descriptor that is of no use as ${method} does`, async (t) => {
    const memory = filledMemory()
    const readOnly = fs.openSync('/dev/null', 'r')
    const writeOnly = fs.openSync('/dev/null', 'w')
    t.teardown(() => {
      fs.closeSync(readOnly)
      fs.closeSync(writeOnly)
    })
    const wrongWay = method.startsWith('read') ? writeOnly : readOnly
    for (const fd of [CLOSED_FD, wrongWay]) {
      for (const addr of [BASE, END]) {
        const expected = attempt(() => memory[method](addr, fd, 10))
        t.deepEqual(await attemptAsync(() => transfer(memory, method, addr, fd, 10)), expected)
      }
    }
  })

  test(`${method}Async takes whatever has a descriptor`, async (t) => {
    const memory = filledMemory()
    const fd = temporaryFile(t, someBytes(40))
    await transfer(memory, method, BASE, { fd }, 10)
    await transfer(memory, method, BASE, new FileOffset(fd, 0), 10)
    const handle = await fs.promises.open(`/proc/self/fd/${fd}`, 'r+')
    await transfer(memory, method, BASE, handle, 10)
    await handle.close()
    t.is(nextBytes(fd), 20)
  })
}

// ------------------------------------------------------------------------------------------------ refusals

for (const method of METHODS) {
  test(`${method}Async rejects bad arguments as ${method} refuses them, and never throws`, async (t) => {
    const memory = filledMemory()
    const fd = temporaryFile(t, someBytes(100))
    const bad: unknown[][] = [
      [],
      [BASE],
      [BASE, fd],
      ['0', fd, 1],
      [null, fd, 1],
      [-1, fd, 1],
      [0.5, fd, 1],
      [Number.NaN, fd, 1],
      [2 ** 53, fd, 1],
      [2n ** 64n, fd, 1],
      [-1n, fd, 1],
      [BASE, fd, -1],
      [BASE, fd, '1'],
      [BASE, fd, 2n ** 64n],
      [BASE, fd, Number.POSITIVE_INFINITY],
      [BASE, -1, 1],
      [BASE, 2 ** 31, 1],
      [BASE, 1.5, 1],
      [BASE, `${fd}`, 1],
      [BASE, null, 1],
      [BASE, undefined, 1],
      [BASE, {}, 1],
      [BASE, { fd: '1' }, 1],
      [BASE, { fd: -1 }, 1],
      [Symbol('address'), fd, 1],
    ]
    for (const args of bad) {
      const expected = attempt(() => Reflect.apply(memory[method], memory, args))
      t.like(expected, { thrown: { code: /^ERR_(?:INVALID_ARG_TYPE|OUT_OF_RANGE)$/.exec(codeOf(expected))?.[0] } })
      const promised = await attemptAsync(() => Reflect.apply(memory[`${method}Async`], memory, args))
      t.deepEqual(promised, expected)
    }
    t.deepEqual(bytesOf(memory, BASE, SIZE), bytesOf(filledMemory(), BASE, SIZE))
  })

  test(`${method}Async takes files only`, async (t) => {
    const memory = filledMemory()
    const file = new Uint8Array(10) as unknown as FileLike
    await t.throwsAsync(transfer(memory, method, BASE, file, 1), {
      instanceOf: TypeError,
      code: 'ERR_INVALID_ARG_TYPE',
    })
  })

  test(`${method}Async rejects with what a getter of the descriptor throws`, async (t) => {
    const memory = filledMemory()
    const reason = new Error('no descriptor today')
    const file = {
      get fd(): number {
        throw reason
      },
    }
    t.is(await t.throwsAsync(transfer(memory, method, BASE, file, 1)), reason)
  })

  test(`${method}Async of a guard that was disposed of rejects`, async (t) => {
    const guard = new GuestMemoryAtomic(filledMemory()).memory()
    guard.dispose()
    await t.throwsAsync(transfer(guard, method, BASE, temporaryFile(t, someBytes(10)), 1), { code: 'ERR_DISPOSED' })
  })
}

function codeOf(outcome: Outcome): string {
  if (!('thrown' in outcome)) return 'nothing was thrown'
  return String((outcome.thrown as { code?: unknown }).code)
}

// ------------------------------------------------------------------------------------------------ while they wait

/** Something that a transfer waits at, until `release` lets it go on. */
interface Gate {
  fd: number
  release: () => void
}

/** A pipe with nothing in it for reads, one with no room in it for writes. */
function closedGate(t: ExecutionContext, method: Method, count: number): Gate {
  const fd = temporaryFifo(t)
  if (method.startsWith('read')) return { fd, release: () => fs.writeSync(fd, someBytes(count)) }
  const other = fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
  t.teardown(() => fs.closeSync(other))
  untilItWouldBlock(() => fs.writeSync(other, new Uint8Array(PAGE)))
  return { fd, release: () => untilItWouldBlock(() => fs.readSync(other, new Uint8Array(PAGE))) }
}

function untilItWouldBlock(call: () => number): void {
  try {
    while (call() > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}

/** Whether a promise has settled, after everybody has had the time to. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const later = Symbol('later')
  return (await Promise.race([promise, setTimeout(20, later)])) === later
}

let names = 0
const freshName = (): string => `async-transfer-${process.pid}-${(names += 1)}`

/** The start of a file to map; only the `FileOffset` has it open. */
function namedMemory(name: string): GuestMemoryMmap {
  const fd = memfdCreate(name, SIZE)
  try {
    return GuestMemoryMmap.fromRanges([[BASE, SIZE, new FileOffset(fd, 0)]], { bitmap: true })
  } finally {
    fs.closeSync(fd)
  }
}

for (const method of METHODS) {
  const returned = method === 'readVolatileFrom' || method === 'writeVolatileTo' ? 8 : undefined

  test.serial(`${method}Async goes on after its guard was disposed of and its map replaced`, async (t) => {
    const memory = filledMemory()
    const atomic = new GuestMemoryAtomic(memory)
    const gate = closedGate(t, method, 8)
    const guard = atomic.memory()
    const pending = transfer(guard, method, BASE + 4, gate.fd, 8)
    guard.dispose()
    atomic.lock().replace(new GuestMemoryMmap())
    t.true(await isPending(pending))
    gate.release()
    t.is(await pending, returned)
    t.deepEqual(
      bytesOf(memory, BASE + 4, 8),
      method.startsWith('read') ? [...someBytes(8)] : bytesOf(filledMemory(), BASE + 4, 8),
    )
    t.is(atomic.memory().numRegions, 0)
  })

  test.serial(`${method}Async holds its memory until it settles, when nobody else does`, async (t) => {
    const name = freshName()
    const gate = closedGate(t, method, 8)
    // In a function of its own: whatever an async function had in its hands may stay in its frame.
    const pending = (() => {
      const atomic = new GuestMemoryAtomic(namedMemory(name))
      const guard = atomic.memory()
      const pending = transfer(guard, method, BASE, gate.fd, 8)
      guard.dispose()
      return pending
    })()
    await settle()
    t.is(mappingsOf(name), 1)
    t.true(await isPending(pending))
    gate.release()
    t.is(await pending, returned)
    t.true(await eventually(() => mappingsOf(name) === 0 && descriptorsOf(name) === 0))
  })

  test.serial(`${method}Async goes on after its descriptor was closed`, async (t) => {
    const memory = filledMemory()
    const gate = closedGate(t, method, 8)
    const fd = fs.openSync(`/proc/self/fd/${gate.fd}`, 'r+')
    const pending = transfer(memory, method, BASE, fd, 8)
    fs.closeSync(fd)
    // The number is given to another file, which must not be touched.
    const other = temporaryFile(t, someBytes(16))
    t.true(await isPending(pending))
    gate.release()
    t.is(await pending, returned)
    t.is(nextBytes(other), 16)
  })

  test.serial(`${method}Async closes its own descriptor`, async (t) => {
    const name = freshName()
    const fd = memfdCreate(name, SIZE)
    const memory = filledMemory()
    await transfer(memory, method, BASE, fd, 8)
    await t.throwsAsync(transfer(memory, method, END, fd, 8), { code: 'ERR_INVALID_GUEST_ADDRESS' })
    await t.throwsAsync(transfer(memory, method, BASE, fd, -1), { code: 'ERR_OUT_OF_RANGE' })
    t.is(descriptorsOf(name), 1)
    fs.closeSync(fd)
    t.is(descriptorsOf(name), 0)
  })
}

test.serial('transfers overlap, and each does its own', async (t) => {
  const memory = filledMemory()
  const files = Array.from({ length: 48 }, (_, index) => temporaryFile(t, new Uint8Array(64).fill(index)))
  const counts = await Promise.all(files.map((fd, index) => memory.readVolatileFromAsync(BASE + index * 64, fd, 64)))
  t.deepEqual(
    counts,
    files.map(() => 64),
  )
  t.deepEqual(
    bytesOf(memory, BASE, 48 * 64),
    files.flatMap((_, index) => Array.from({ length: 64 }, () => index)),
  )
})

test.serial('an asynchronous read marks the pages that it filled, a write none', async (t) => {
  const memory = filledMemory()
  const fd = temporaryFile(t, someBytes(PAGE + 2))
  const reading = memory.readVolatileFromAsync(BASE + PAGE + PAGE - 1, fd, SIZE)
  t.is(await reading, PAGE + 2)
  t.deepEqual(dirtyPages(memory), [0b10n, 0b11n])
  await memory.writeAllVolatileToAsync(BASE, fd, SIZE)
  t.deepEqual(dirtyPages(memory), [0n, 0n])
})

// ------------------------------------------------------------------------------------------------ threads

/** What a worker does that has the package as `vm` and a map that was shared with it as `memory`. */
function startWorker(code: string, workerData: unknown): Worker {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const vm = require(${JSON.stringify(packageEntry)})
    const memory = vm.GuestMemoryMmap.fromShared(workerData.ticket)
    ${code}`
  return new Worker(source, { eval: true, workerData, execArgv: [], trackUnmanagedFds: false })
}

/** In a function of its own, so that the memory is not in the hands of the test. */
async function terminateWhileWaiting(t: ExecutionContext, method: Method, name: string): Promise<void> {
  const gate = closedGate(t, method, 8)
  const memory = namedMemory(name)
  const worker = startWorker(
    `memory.${method}Async(${BASE}, workerData.fd, 8).finally(() => parentPort.postMessage('settled'))
     parentPort.postMessage('started')`,
    { ticket: memory.share(), fd: gate.fd },
  )
  const messages: unknown[] = []
  worker.on('message', (message) => messages.push(message))
  await once(worker, 'message')
  await setTimeout(20) // until it is in the system call
  const ended = worker.terminate()
  gate.release()
  t.is(await ended, 1)
  t.deepEqual(messages, ['started'])
  // It has been done all the same, to memory that was still there.
  if (method.startsWith('read')) t.deepEqual(bytesOf(memory, BASE, 8), [...someBytes(8)])
}

for (const method of METHODS) {
  test.serial(`a thread can be terminated while its ${method}Async waits`, async (t) => {
    const name = freshName()
    for (let round = 0; round < 3; round += 1) await terminateWhileWaiting(t, method, name)
    t.true(await eventually(() => mappingsOf(name) === 0 && descriptorsOf(name) === 0))
  })
}

test.serial('a thread that ends by itself waits for its transfers', async (t) => {
  const memory = namedMemory(freshName())
  const gate = closedGate(t, 'readExactVolatileFrom', 8)
  const worker = startWorker(
    `memory.readExactVolatileFromAsync(${BASE}, workerData.fd, 8).then(() => parentPort.postMessage('settled'))
     parentPort.postMessage('started')`,
    { ticket: memory.share(), fd: gate.fd },
  )
  const messages: unknown[] = []
  worker.on('message', (message) => messages.push(message))
  await once(worker, 'message')
  gate.release()
  t.deepEqual(await once(worker, 'exit'), [0])
  t.deepEqual(messages, ['started', 'settled'])
})

// ------------------------------------------------------------------------------------------------ timers

/** Runs something while an interval ticks; tells how often it did. */
async function ticksDuring(work: () => unknown): Promise<number> {
  let ticks = 0
  const interval = setInterval(() => (ticks += 1), 5)
  try {
    await setTimeout(10) // the interval is under way
    ticks = 0
    await work()
    return ticks
  } finally {
    clearInterval(interval)
  }
}

test.serial('timers go on during an asynchronous transfer', async (t) => {
  const GIBIBYTE = 2 ** 30
  const first = memfdCreate('sparse', GIBIBYTE)
  const second = fs.openSync(`/proc/self/fd/${first}`, 'r') // with a cursor of its own
  t.teardown(() => {
    fs.closeSync(first)
    fs.closeSync(second)
  })
  const memory = GuestMemoryMmap.fromRanges([[0, GIBIBYTE]])
  const asynchronous = await ticksDuring(() => memory.readExactVolatileFromAsync(0, first, GIBIBYTE))
  // The same once more, in this thread.
  const synchronous = await ticksDuring(() => memory.readExactVolatileFrom(0, second, GIBIBYTE))
  t.log({ asynchronous, synchronous })
  t.is(synchronous, 0)
  t.true(asynchronous >= 5, `${asynchronous} ticks`)
  t.is(memory.readU8(GIBIBYTE - 1), 0)
})
