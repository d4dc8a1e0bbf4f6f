// Writes of arrays that become longer meanwhile, since another thread enlarges the shared memory they lie in.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { GuestMemoryMmap } from '../../index.js'

// Of a later edition of the language than the declarations are for.
type Growable = SharedArrayBuffer & { grow(length: number): void }
const Growable = SharedArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => Growable

const FIRST = 64
const LAST = 60_000
const SIZE = 65_536
const UNTOUCHED = 0xee

/** Makes it longer by a byte, again and again. */
const GROWER = `
  const { workerData: shared } = require('node:worker_threads')
  for (let length = shared.byteLength + 1; length <= ${LAST}; length += 1) {
    shared.grow(length)
    for (let wait = 0; wait < 300; wait += 1) Atomics.load(new Uint8Array(shared, 0, 1), 0)
  }
`

/**
 * Has arrays written while they grow. What writes one says how many bytes of memory may have changed, from address 0 on: all behind
 * are looked at.
 */
async function whileGrowing(t: ExecutionContext, write: (memory: GuestMemoryMmap, array: Uint8Array) => number) {
  const memory = GuestMemoryMmap.fromRanges([[0, SIZE]])
  const shared = new Growable(FIRST, { maxByteLength: LAST })
  const grower = new Worker(GROWER, { eval: true, workerData: shared })
  let writes = 0
  let longer = 0
  try {
    while (shared.byteLength < LAST) {
      // As long as all that is behind its begin, whatever that is by then. A turn of the event loop now and then is for the thread.
      if (writes % 4096 === 0) await new Promise((resolve) => setImmediate(resolve))
      const array = new Uint8Array(shared, shared.byteLength - 24)
      memory.fill(UNTOUCHED, 0, 256)
      const before = array.length
      const most = write(memory, array)
      if (array.length !== before) longer += 1
      writes += 1
      const behind = memory.readObj(['u8', 256], 0).subarray(most)
      const changed = behind.findIndex((byte) => byte !== UNTOUCHED)
      if (changed !== -1) return t.fail(`write ${writes} changed a byte at ${most + changed}, of ${most}`)
    }
  } finally {
    await grower.terminate()
  }
  t.log(`${writes} writes, ${longer} of arrays that grew meanwhile`)
  t.true(longer > 0)
}

test.serial('write says how many bytes it has written', (t) =>
  whileGrowing(t, (memory, array) => memory.write(array, 0)),
)

test.serial('writeSlice writes no more than the array has', (t) =>
  whileGrowing(t, (memory, array) => {
    memory.writeSlice(array, 0)
    return array.length
  }),
)

test.serial('readVolatileFrom writes no more than it was told to', (t) =>
  whileGrowing(t, (memory, array) => {
    const count = array.length
    return memory.readVolatileFrom(0, array, count)
  }),
)

test.serial('a slice ends where it ends', (t) =>
  whileGrowing(t, (memory, array) => {
    memory.getSlice(0, 24).write(array, 0)
    return 24
  }),
)

test.serial('a slice that copies an array ends where it ends', (t) =>
  whileGrowing(t, (memory, array) => {
    memory.getSlice(0, 24).copyFrom(array)
    return 24
  }),
)

test.serial('writeObj writes all of an array of its length, or refuses it', (t) => {
  const type = ['u8', 24] as const
  return whileGrowing(t, (memory, array) => {
    try {
      memory.writeObj(type, array, 0)
      return 24
    } catch (error) {
      t.is((error as NodeJS.ErrnoException).code, 'ERR_OUT_OF_RANGE')
      return 0
    }
  })
})
