// A thread that uses memory which another thread releases.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryMmap, Ordering, struct } from '../../index.js'
import { receivers, surprises } from './members.mjs'

const { ticket, task, signal } = workerData
const memory = GuestMemoryMmap.fromShared(ticket)
const state = new Int32Array(signal)
const region = [...memory.iter()].at(-1)
const base = Number(region.startAddr)

const say = (message) => parentPort.postMessage(message)
const isTold = () => Atomics.load(state, 0) !== 0

/** Runs code with one number after another until it throws; what that is, and the last number that was good. */
function untilThrown(work, first) {
  for (let round = first; ; round += 1) {
    try {
      work(round)
    } catch (error) {
      return { code: error.code ?? String(error), last: round - 1 }
    }
  }
}

const slice = region.getSlice(0, 64)
const other = region.getSlice(64, 64)
const pair = struct({ a: 'le32', b: 'le64' })
const ref = region.getRef('u32', 8)
const atomic = region.getAtomicRef('u32', 8)
const array = region.getArrayRef('u32', 0, 4)
const bytes = new Uint8Array(64).fill(1)
const long = new Uint8Array(region.size)
const word = { U32: 4 }

/** Accesses that are warm when the memory is released. Each reads or writes ones. */
const WAYS = {
  'readU32 of memory': () => memory.readU32(base),
  'readU32 of memory, bigint': () => memory.readU32(BigInt(base)),
  'writeU32 of memory': () => memory.writeU32(1, base),
  'writeU64 of memory': () => memory.writeU64(1n, base),
  'readU64 of a region': () => region.readU64(0),
  'writeU8 of a region': () => region.writeU8(1, word.U32),
  'load and store': () => region.store('u16', region.load('u16', 0, Ordering.Acquire), 0, Ordering.Release),
  'load of 32 bits': () => region.load('u32', 0, Ordering.Acquire),
  readSlice: () => memory.readSlice(bytes, base),
  writeSlice: () => memory.writeSlice(bytes, base),
  'write of all': () => memory.write(long, base),
  fill: () => memory.fill(1, base, 64),
  'readObj of an array': () => memory.readObj(['u32', 4], base),
  'readObj across an end': () => memory.readObj('u32', base - 2),
  'a struct': () => memory.readObj(pair, base),
  'writes of a struct': () => memory.writeObj(pair, { a: 1, b: 1n }, base),
  'slice to slice': () => slice.copyToVolatileSlice(other),
  'a slice': () => slice.readU32(0),
  'writes to a slice': () => slice.writeU32(1, 0),
  'a reference': () => ref.load(),
  'writes to a reference': () => ref.store(1),
  'an atomic reference': () => atomic.load(Ordering.Acquire),
  'an array reference': () => array.load(1),
  'making slices': () => region.getSlice(0, 16),
  'making slices of a slice': () => slice.subslice(0, 16),
  'making views': () => memory.views(base, 16),
}

/** Uses the memory in all ways that give no view of it away. */
function use() {
  for (const name in WAYS) if (name !== 'making views') WAYS[name]()
}

const tasks = {
  /** All members throw in a thread whose event loop has not turned since the release. */
  async members() {
    const objects = receivers(region)
    for (let round = 0; round < 4; round += 1) await surprises(objects, false)
    say('warm')
    while (!isTold());
    say(await surprises(objects, true))
  },
  /** Warm accesses throw, all of them, in a loop that does nothing else. */
  ways() {
    for (let round = 0; round < 20_000; round += 1)
      for (const name in WAYS) if (round < 20 || !/all|making/.test(name)) WAYS[name]()
    say('warm')
    while (!isTold());
    const answers = []
    for (const name in WAYS) {
      try {
        WAYS[name]()
        answers.push(name)
      } catch (error) {
        if (error.code !== 'ERR_DISPOSED') answers.push(`${name}: ${error}`)
      }
    }
    say(answers)
  },
  /** Writes numbers, one after another, until that is refused; the last one that was written. */
  count({ way }) {
    const whole = new Uint32Array(region.size / 4)
    const view = new Uint8Array(whole.buffer)
    const work = {
      scalar: (number) => memory.writeU32(number, base),
      slice: (number) => slice.writeU32(number, 0),
      atomic: (number) => region.store('u16', number & 0xffff, 0, Ordering.Release),
      copy: (number) => {
        whole.fill(number)
        memory.writeSlice(view, base)
      },
      fill: (number) => memory.fill(number & 0xff, base, region.size),
      native: (number) => {
        whole.fill(number)
        memory.writeSlice(new DataView(whole.buffer), base)
      },
    }[way]
    for (let round = 1; round <= 20; round += 1) work(round)
    say('warm')
    say(untilThrown(work, 21))
  },
  /** Uses the memory, and lets its event loop turn. */
  idle() {
    for (let round = 0; round < 10; round += 1) use()
    say('warm')
    setInterval(() => {}, 10)
  },
  /** Uses the memory, and sleeps until it is told. */
  sleep() {
    for (let round = 0; round < 10; round += 1) use()
    say('warm')
    Atomics.wait(state, 0, 0)
    say(untilThrown(() => memory.readU32(base), 1))
    setInterval(() => {}, 10)
  },
  /** Copies for ever. */
  copy() {
    say('warm')
    for (;;) memory.write(long, base)
  },
  /** Makes many views, drops them, and copies: what the collector has of this memory is let go of as well. */
  drop() {
    for (let round = 0; round < 100; round += 1)
      for (const map of [memory.clone(), memory.clone()]) for (let use = 0; use < 8; use += 1) map.readU32(base)
    say('warm')
    setInterval(() => {}, 10)
  },
}
await tasks[task](workerData)
