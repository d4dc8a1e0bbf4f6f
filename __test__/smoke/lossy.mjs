// Accesses to memory whose file was truncated, each in another way, and what came of them: a program of faults.mjs.
// `all` on memory that recovers, and once more in a worker; `one` on memory that does not, which is to be the end.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { FileOffset, GuestMemoryMmap, pageSize } from 'vm-memory'

const PAGE = pageSize()
const SIZE = 8 * PAGE
/** The file ends here. */
const END = 4 * PAGE
const FULL = 7

/** A file without a name: nobody is there to remove it in the end. */
function openFile() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-lossy-'))
  const fd = fs.openSync(path.join(folder, 'file'), 'w+')
  fs.rmSync(folder, { recursive: true })
  fs.writeSync(fd, new Uint8Array(SIZE).fill(FULL), 0, SIZE, 0)
  return fd
}
const source = openFile()

/** Bytes that are not 7: a loop that the engine compiles. */
function countOthers(bytes) {
  let others = 0
  for (let index = 0; index < bytes.length; index += 1) if (bytes[index] !== FULL) others += 1
  return others
}
// So often that it is compiled before anything is lost.
const whole = new Uint8Array(SIZE).fill(FULL)
for (let time = 0; time < 50; time += 1) countOthers(whole)

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex')
const zeros = new Uint8Array(SIZE - END)

/**
 * What is done, by name. Methods are to throw. A view goes on: then it answers whether what it has met is right. What a system call
 * meets is EFAULT, or the runtime reads into memory of its own and copies that.
 */
const WAYS = {
  coldMethods: ({ memory }) => memory.readU32(END),
  warmMethods: ({ memory }) => memory.readU32(END),
  warmStores: ({ memory }) => memory.writeU32(1, END),
  copies: ({ memory }) => memory.readSlice(new Uint8Array(64), END),
  transfers: ({ memory }) => memory.readVolatileFrom(END, source, 64),
  asyncTransfers: ({ memory }) => memory.readVolatileFromAsync(END, source, 64),
  loop: ({ bytes }) => countOthers(bytes) === SIZE - END,
  store: ({ bytes }) => {
    bytes[END] = 9
    return bytes[END] === 9
  },
  builtIns: ({ bytes }) => bytes.indexOf(0) === END && bytes.slice(END)[0] === 0 && bytes.fill(FULL, END)[END] === FULL,
  dataView: ({ region }) => new DataView(region.buffer).getUint32(END) === 0,
  buffer: ({ region }) => Buffer.from(region.buffer, END, 4).toString('hex') === '00000000',
  atomics: ({ bytes }) => Atomics.add(bytes, END, 5) === 0 && Atomics.load(bytes, END) === 5,
  natives: ({ bytes }) => hash(bytes.subarray(END)) === hash(zeros),
  readSync: ({ bytes }) => fs.readSync(source, bytes, END, PAGE, 0) === PAGE && bytes[END] === FULL,
  readvSync: ({ bytes }) => fs.readvSync(source, [bytes.subarray(END, END + PAGE)], 0) === PAGE && bytes[END] === FULL,
  read: async ({ bytes }) => {
    const read = promisify(fs.read)
    await read(source, bytes, END, PAGE, 0)
    return bytes[END] === FULL
  },
}

function truncated(isWarm, recoverFaults) {
  const fd = openFile()
  const memory = GuestMemoryMmap.fromRanges([[0, SIZE, new FileOffset(fd, 0)]], { recoverFaults })
  const region = memory.findRegion(0)
  if (isWarm) for (let time = 0; time < 2000; time += 1) memory.writeU32(memory.readU32(4 * (time % 1024)), END)
  const bytes = new Uint8Array(region.buffer)
  fs.ftruncateSync(fd, END)
  return { memory, region, bytes, fd }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

/** What came of an access: the code of an error, `goes on`, or what was wrong with it. */
async function outcomeOf(way) {
  const state = truncated(way !== 'coldMethods', true)
  const { memory, region, bytes, fd } = state
  let outcome
  try {
    const answer = await WAYS[way](state)
    outcome = answer === true ? 'goes on' : `is wrong: ${answer}`
  } catch (error) {
    outcome = error.code ?? String(error)
  }
  // The first bytes are as they were.
  if (countOthers(bytes.subarray(0, END)) !== 0) return 'has damaged other bytes'
  // After a system call alone nothing may be known to be lost. So that all is:
  bytes[END] = 1
  if (!same(region.faults, [{ offset: END, count: SIZE - END, reason: 'truncated' }])) return 'tells of other faults'
  fs.writeSync(fd, whole, 0, SIZE, 0)
  region.healFaults()
  return memory.readU32(END) === 0x07070707 ? outcome : 'is not healed'
}

async function runAll() {
  const outcomes = {}
  for (const way in WAYS) outcomes[way] = await outcomeOf(way)
  return outcomes
}

/** All of it once more in a worker: whether the same comes of it there, or else what does. */
function runInWorker(outcomes) {
  const worker = new Worker(new URL(import.meta.url))
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
    .then((there) => (same(there, outcomes) ? 'as in the main thread' : JSON.stringify(there)))
    .finally(() => worker.terminate())
}

async function main() {
  if (!isMainThread) return parentPort.postMessage(await runAll())
  if (process.argv[2] === 'one') return WAYS.loop(truncated(true, false))
  const outcomes = await runAll()
  console.log(JSON.stringify({ ...outcomes, workers: await runInWorker(outcomes) }))
}
await main()
