// Asks for memory when there is none: the first argument names the case, the second is the limit of the address space in
// KiB, as `ulimit -v` was given it. Prints the code of the error, and what is left as it was.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import process from 'node:process'
import * as vm from '../index.js'

const [, , name, limit] = process.argv
const MIB = 2 ** 20
const LONG = 'x'.repeat(2 ** 29 - 100)

/** Takes all of the address space but so much, which no other thread gets meanwhile. */
function leave(bytes) {
  const size = Number(/VmSize:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
  const taken = Math.floor((Number(limit) * 1024 - size - bytes) / 4096) * 4096
  return vm.GuestMemoryMmap.fromRanges([[0, taken]])
}

/** A bitmap whose bits are 64 MiB. */
const bitmap = () => new vm.AtomicBitmap(8 * 64 * MIB, 1)
const memory = vm.GuestMemoryMmap.fromRanges([[0, 0x1000]])

/** Each returns what is to fail, and by how much memory there is then. */
const CASES = {
  'new AtomicBitmap': () => [bitmap, 32 * MIB],
  'AtomicBitmap.withLen': () => [() => vm.AtomicBitmap.withLen(4096 * 8 * 64 * MIB), 32 * MIB],
  clone() {
    const one = bitmap()
    return [() => one.clone(), 32 * MIB]
  },
  enlarge() {
    const one = bitmap()
    return [() => one.enlarge(8 * 64 * MIB), 32 * MIB]
  },
  'getAndReset without an array': () => resetting(32 * MIB),
  'getAndReset without bits': () => resetting(96 * MIB),
  'GuestMemoryAtomic.fromShared': () => [
    () => vm.GuestMemoryAtomic.fromShared({ type: 'GuestMemoryAtomic', id: LONG }),
    32 * MIB,
  ],
  'GuestMemoryMmap.fromShared': () => [() => vm.GuestMemoryMmap.fromShared({ type: LONG, id: LONG }), 32 * MIB],
  memfdCreate: () => [() => vm.memfdCreate(LONG, 4096), 32 * MIB],
  readObj: () => [() => memory.readObj(LONG, 0), 32 * MIB],
  load: () => [() => memory.load('u32', 0, LONG), 32 * MIB],
  'a number of a wrong type': () => [() => memory.readU8(LONG), 32 * MIB],
}

function resetting(left) {
  const one = bitmap()
  one.setBit(5)
  kept = () => one.isBitSet(5)
  return [() => one.getAndReset(), left]
}
let kept = () => true

const [call, left] = CASES[name]()
const filler = leave(left)
let answer = 'nothing'
try {
  call()
} catch ({ code, errno }) {
  answer = errno === undefined ? code : `${code} ${errno}`
}
process.stdout.write(`${answer}, ${kept() && filler.numRegions === 1 ? 'kept' : 'lost'}`)
