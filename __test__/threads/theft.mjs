// A thread takes bytes of this package away from their buffer, posts them to another thread and ends: `node theft.mjs`
// with JSON of what is stolen, how, by which route the bytes go, how the thread ends. Prints what the other thread reads.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { once } from 'node:events'
import { closeSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MessageChannel, Worker, isMainThread, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'

const MARK = 0x5a
const SIZE = 65536
const REPLACEMENTS = 3

// Without `lib/`, which takes the door away: windows and cells are asked for as `lib/` does.
const { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, MmapRegion, door, memfdCreate } = createRequire(
  import.meta.url,
)('../../dist/load.js').load()

function namedFile(name) {
  const fd = memfdCreate(name, SIZE)
  const file = new FileOffset(fd, 0)
  closeSync(fd)
  return file
}

function namedMemory(name) {
  const memory = GuestMemoryMmap.fromRangesWithFiles([[0, SIZE, namedFile(name)]])
  memory.writeU8(MARK, 0)
  return memory
}

/** What buffers there are. */
const BYTES = {
  region: (name) => namedMemory(name).findRegion(0).buffer,
  view: (name) => namedMemory(name).views(0, 8)[0].buffer,
  mapping: (name) => {
    const mapping = MmapRegion.fromFile(namedFile(name), SIZE)
    mapping.asVolatileSlice().writeU8(MARK, 0)
    return mapping.buffer
  },
  window: (name) => door.openWindow(namedMemory(name), 0, 0, SIZE),
  generation: () => {
    const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
    for (let i = 0; i < REPLACEMENTS; i += 1) atomic.lock().replace(new GuestMemoryMmap())
    return door.generationCell(atomic)
  },
}

/** A reader of byte streams takes the buffer of the view that it is given. */
async function readInto(buffer) {
  const stream = new ReadableStream({
    type: 'bytes',
    pull: ({ byobRequest }) => byobRequest.respond(byobRequest.view.byteLength),
  })
  const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(buffer))
  return value.buffer
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

async function collect() {
  for (let round = 0; round < 4; round += 1) {
    collectGarbage()
    await setImmediate()
  }
}

/** How bytes are taken away from their buffer. */
const THIEVES = {
  'a reader of byte streams': readInto,
  'two readers, one after the other': async (buffer) => readInto(await readInto(buffer)),
  'a reader, and a collection of the first buffer': async (buffer) => {
    const stolen = await readInto(buffer)
    await collect()
    return stolen
  },
  'ArrayBuffer.prototype.transfer': (buffer) => buffer.transfer(),
  'transfer and structuredClone': (buffer) => {
    const stolen = buffer.transfer()
    return structuredClone(stolen, { transfer: [stolen] })
  },
  'nobody, but its buffer is collected': () => collect(),
}

/** What a thread does at its end. */
const ENDINGS = {
  returns: () => {},
  exits: () => process.exit(),
  'is terminated': () => setInterval(() => {}, 1000),
  // Nothing that was collected has been freed yet.
  'collects and returns': (makeOther) => collectJustNow(makeOther),
  'collects and exits': (makeOther) => {
    collectJustNow(makeOther)
    process.exit()
  },
}

/** Collects the first buffer, if it is stolen, and some that are not. */
function collectJustNow(makeOther) {
  for (let i = 0; i < 20; i += 1) makeOther()
  collectGarbage()
}

/** In the thread that steals. */
async function steal({ bytes, thief, ending, name, port }) {
  // Those before and after it go with their thread.
  const makeOther = () => namedMemory(`${name}-other`).findRegion(0).buffer
  globalThis.others = [makeOther(), BYTES[bytes](name), makeOther()]
  const stolen = await THIEVES[thief](globalThis.others.splice(1, 1)[0])
  port.postMessage(stolen, stolen === undefined ? [] : [stolen])
  port.unref()
  parentPort.postMessage('posted')
  ENDINGS[ending](makeOther)
}

/** What a thread reads of what it was posted. */
const firstByte = (buffer) => new Uint8Array(buffer)[0]

/** In the thread that reads, where it is not the main one. */
async function read({ port }) {
  const [stolen] = await once(port, 'message')
  parentPort.postMessage('received')
  await once(parentPort, 'message')
  parentPort.postMessage(firstByte(stolen))
  port.close()
}

function start(task, { port, ...options }) {
  const workerData = { task, port, ...options }
  return new Worker(fileURLToPath(import.meta.url), { workerData, transferList: [port], trackUnmanagedFds: false })
}

/** By which route bytes reach the one who reads them: each gives a function that reads, for when the thief has ended. */
const ROUTES = {
  'to the main thread': async (port) => {
    const [stolen] = await once(port, 'message')
    port.close()
    return () => firstByte(stolen)
  },
  'in a message that nobody has received yet': async (port) => () => {
    const { message } = receiveMessageOnPort(port)
    port.close()
    return firstByte(message)
  },
  nowhere: () => () => null,
  'to a third thread': async (port) => {
    const reader = start('read', { port })
    await once(reader, 'message')
    return async () => {
      reader.postMessage('read')
      const [byte] = await once(reader, 'message')
      return byte
    }
  },
}

/** What was let go of is somebody else's at once. */
async function takeFreeMemory() {
  const other = new Worker(fileURLToPath(import.meta.url), { workerData: { task: 'take' } })
  await once(other, 'exit')
}

const mappingsOf = (name) => readFileSync('/proc/self/maps', 'utf8').split(`/memfd:${name} `).length - 1

async function main(options) {
  const { port1, port2 } = new MessageChannel()
  const thief = start('steal', { ...options, port: port1 })
  const ended = once(thief, 'exit')
  const [readStolen] = await Promise.all([ROUTES[options.route](port2), once(thief, 'message')])
  if (options.ending === 'is terminated') await thief.terminate()
  await ended
  await takeFreeMemory()
  const byte = await readStolen()
  console.log(JSON.stringify({ byte, mappings: mappingsOf(options.name), others: mappingsOf(`${options.name}-other`) }))
}

const tasks = {
  steal,
  read,
  take: () => Array.from({ length: 2000 }, () => new GuestMemoryAtomic(new GuestMemoryMmap())),
}

if (isMainThread) await main(JSON.parse(process.argv[2]))
else await tasks[workerData.task](workerData)
