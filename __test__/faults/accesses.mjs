// Accesses beyond the end of a truncated file, and what comes of them. `all`: each on a mapping that recovers; `worker`: the same
// in a worker; `one WAY`: on a mapping that does not.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { createRequire } from 'node:module'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'

const vm = createRequire(import.meta.url)('../../index.js')

const PAGE = vm.pageSize()
const BASE = 65536
const PAGES = 8
/** The file ends here. */
const END = 4 * PAGE
const { SeqCst } = vm.Ordering

/** Memory whose file has lost its second half, with a worker's ticket to it. */
function truncated(recoverFaults) {
  const fd = vm.memfdCreate('faults', PAGES * PAGE, { seal: false })
  fs.writeSync(fd, Buffer.alloc(PAGES * PAGE, 7))
  const memory = vm.GuestMemoryMmap.fromRanges([[BASE, PAGES * PAGE, new vm.FileOffset(fd, 0)]], { recoverFaults })
  const region = memory.findRegion(BASE)
  // Fast paths and their views are there before anything is lost.
  for (let count = 0; count < 100; count += 1) {
    memory.readU32(BASE)
    region.readU32(0)
  }
  const bytes = new Uint8Array(region.buffer)
  fs.ftruncateSync(fd, END)
  return { memory, region, bytes, fd }
}

/** How many bytes are not zero: a loop that the engine compiles. */
function sum(bytes) {
  let total = 0
  for (let index = 0; index < bytes.length; index += 1) total += bytes[index]
  return total
}

const LOST = BASE + END
const scratch = () => new Uint8Array(64)
const scratchFile = () => vm.memfdCreate('scratch', PAGE, { seal: false })

/** Methods, which throw; by name, each an access to the first lost bytes. */
const METHODS = {
  readU8: ({ memory }) => memory.readU8(LOST),
  readU32: ({ memory }) => memory.readU32(LOST),
  readI64: ({ memory }) => memory.readI64(LOST),
  writeU8: ({ memory }) => memory.writeU8(1, LOST),
  writeU64: ({ memory }) => memory.writeU64(1n, LOST),
  readObj: ({ memory }) => memory.readObj('u16', LOST),
  'readObj of an array': ({ memory }) => memory.readObj(['u32', 8], LOST),
  writeObj: ({ memory }) => memory.writeObj('u16', 1, LOST),
  'writeObj of an array': ({ memory }) => memory.writeObj(['u32', 4], [1, 2, 3, 4], LOST),
  read: ({ memory }) => memory.read(scratch(), LOST),
  readSlice: ({ memory }) => memory.readSlice(scratch(), LOST),
  'readSlice across the end': ({ memory }) => memory.readSlice(scratch(), LOST - 32),
  write: ({ memory }) => memory.write(scratch(), LOST),
  writeSlice: ({ memory }) => memory.writeSlice(scratch(), LOST),
  fill: ({ memory }) => memory.fill(1, LOST, 64),
  load: ({ memory }) => memory.load('u32', LOST, SeqCst),
  store: ({ memory }) => memory.store('u32', 1, LOST, SeqCst),
  readVolatileFrom: ({ memory }) => memory.readVolatileFrom(LOST, scratch(), 64),
  readExactVolatileFrom: ({ memory }) => memory.readExactVolatileFrom(LOST, scratch(), 64),
  writeVolatileTo: ({ memory }) => memory.writeVolatileTo(LOST, scratch(), 64),
  writeAllVolatileTo: ({ memory }) => memory.writeAllVolatileTo(LOST, scratch(), 64),
  'readU16 of a region': ({ region }) => region.readU16(END),
  'writeSlice of a region': ({ region }) => region.writeSlice(scratch(), END),
  'readU16 of a slice': ({ memory }) => memory.getSlice(LOST - 64, 128).readU16(64),
  'copyTo of a slice': ({ memory }) => memory.getSlice(LOST, 64).copyTo(scratch()),
  'copyFrom of a slice': ({ memory }) => memory.getSlice(LOST, 64).copyFrom(scratch()),
  'copyToVolatileSlice, from lost memory': ({ memory }) =>
    memory.getSlice(LOST, 64).copyToVolatileSlice(memory.getSlice(BASE, 64)),
  'copyToVolatileSlice, to lost memory': ({ memory }) =>
    memory.getSlice(BASE, 64).copyToVolatileSlice(memory.getSlice(LOST, 64)),
  'load of a reference': ({ region }) => region.getRef('u32', END).load(),
  'store of a reference': ({ region }) => region.getRef('u32', END).store(1),
  'load of an array of references': ({ region }) => region.getArrayRef('u32', END, 4).load(0),
  'load of an atomic reference': ({ region }) => region.getAtomicRef('u32', END).load(SeqCst),
  'store of an atomic reference': ({ region }) => region.getAtomicRef('u32', END).store(1, SeqCst),
  'readU8 of a mapping that was moved into a region': ({ region }) => region.asVolatileSlice().readU8(END),
  'writeSlice from a view of lost memory': ({ memory, bytes }) =>
    memory.writeSlice(bytes.subarray(END, END + 64), BASE),
  'readSlice into a view of lost memory': ({ memory, bytes }) => memory.readSlice(bytes.subarray(END, END + 64), BASE),
  'a method of a guard': ({ memory }) => new vm.GuestMemoryAtomic(memory).memory().readU32(LOST),
}

/** Accesses that go on with zeros, and are known by `faults` alone. */
const VIEWS = {
  'a loop over a view': ({ bytes }) => [sum(bytes), 7 * END],
  'a store through a view': ({ bytes }) => {
    bytes[END] = 9
    return [bytes[END], 9]
  },
  'slice of a view': ({ bytes }) => [sum(bytes.slice(END)), 0],
  'indexOf in a view': ({ bytes }) => [bytes.indexOf(0), END],
  'fill of a view': ({ bytes }) => [bytes.fill(3, END)[END], 3],
  'toString of a buffer': ({ bytes }) => [Buffer.from(bytes.buffer, END, 4).toString('hex'), '00000000'],
  'Atomics.add': ({ bytes }) => [Atomics.add(bytes, END, 5) + Atomics.load(bytes, END), 5],
  'a DataView': ({ region }) => [new DataView(region.buffer).getUint32(END), 0],
}

/** Transfers that the kernel refuses: it does not signal. */
const CALLS = {
  'readVolatileFrom a file': ({ memory }) => memory.readVolatileFrom(LOST, fs.openSync('/dev/zero', 'r'), 64),
  'writeVolatileTo a file': ({ memory }) => memory.writeVolatileTo(LOST, scratchFile(), 64),
  'readVolatile of a slice': ({ memory }) => memory.getSlice(LOST, 64).readVolatile(fs.openSync('/dev/zero', 'r')),
  'readVolatileFromAsync a file': ({ memory }) => memory.readVolatileFromAsync(LOST, fs.openSync('/dev/zero', 'r'), 64),
  'writeAllVolatileToAsync, across the end': ({ memory }) =>
    memory.writeAllVolatileToAsync(LOST - PAGE, scratchFile(), 2 * PAGE),
}

const told = ({ code, offset, reason, addr }) => ({
  code,
  offset,
  reason,
  addr: addr === undefined ? null : Number(addr),
})

async function run(way, recovers) {
  const state = truncated(recovers)
  const result = {}
  const access = METHODS[way] ?? CALLS[way]
  if (access === undefined) {
    ;[result.value, result.expected] = VIEWS[way](state)
  } else {
    for (const time of ['first', 'second']) {
      try {
        const value = await access(state)
        result[time] = typeof value === 'bigint' ? Number(value) : (value ?? null)
      } catch (error) {
        result[time] = told(error)
      }
    }
  }
  result.faults = state.region.faults
  // What lies before the end is as it was.
  result.before = state.memory.readU32(LOST - 4)
  fs.ftruncateSync(state.fd, PAGES * PAGE)
  state.region.healFaults()
  result.healed = state.memory.readU32(LOST)
  result.left = state.region.faults
  return result
}

/** All ways, one after the other, each on memory of its own. */
async function runAll() {
  const results = { methods: {}, views: {}, calls: {} }
  for (const way of Object.keys(METHODS)) results.methods[way] = await run(way, true)
  for (const way of Object.keys(VIEWS)) results.views[way] = await run(way, true)
  for (const way of Object.keys(CALLS)) results.calls[way] = await run(way, true)
  return results
}

const [, , what, way] = process.argv
if (!isMainThread) parentPort.postMessage(await runAll())
else if (what === 'all') console.log(JSON.stringify(await runAll()))
else if (what === 'worker') {
  new Worker(new URL(import.meta.url)).on('message', (results) => console.log(JSON.stringify(results)))
} else await run(way, false)
