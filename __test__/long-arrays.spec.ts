// Arrays of many elements that pass one by one.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test, { type ExecutionContext } from 'ava'
import { type ByteValued, GuestMemoryMmap } from '../index.js'

const MANY = 2 ** 20

/** Bytes on the heap that are in use. */
function used(): number {
  if (globalThis.gc === undefined) throw new Error('run node with --expose-gc')
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

/** Writes elements that are made when they are asked for, and returns how much of them is kept until the last one. */
function keptWhileWriting(t: ExecutionContext, type: ByteValued): number {
  const memory = GuestMemoryMmap.fromRanges([[0, 16 * MANY]])
  let [before, after] = [0, 0]
  const elements = new Proxy([], {
    get(_, name) {
      if (name === 'length') return MANY
      const index = Number(name)
      if (index === 0) before = used()
      if (index === MANY - 1) after = used()
      return 2n ** 63n + BigInt(index)
    },
  })
  memory.writeObj(type, elements, 0)
  t.is(memory.readU64(0), 2n ** 63n)
  return after - before
}

for (const type of ['u64', 'u128'] as const) {
  test.serial(`elements of ${type} are not kept until all are written`, (t) => {
    const kept = keptWhileWriting(t, [type, MANY])
    t.true(kept < 4 * MANY, `${kept} bytes for ${MANY} elements`)
  })
}

test.serial('every element of a long array is where it belongs', (t) => {
  const length = 3 * 4096 + 5
  const values = Array.from({ length }, (_, index) => (BigInt(index) << 64n) | 7n)
  const memory = GuestMemoryMmap.fromRanges([[0, 16 * 2 ** 14]])
  memory.writeObj(['u128', length], values, 16)
  t.deepEqual(memory.readObj(['u128', length], 16) as unknown, values)
  t.is(memory.readU64(0), 0n)
  t.is(memory.readU64(16 + 16 * length), 0n)
})
