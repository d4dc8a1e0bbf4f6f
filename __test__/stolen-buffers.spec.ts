// Buffers that somebody takes away: the memory stays, for the thief and for everybody else.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { MessageChannel } from 'node:worker_threads'
import test from 'ava'
import { Ordering } from '../index.js'
import { Held } from './held.js'
import { BASE, MARK, SIZE, freshName, isGone, namedMemory, regionOf } from './named-memory.js'
import { eventually, mappingsOf, settle } from './process-resources.js'

/** A reader of byte streams takes the buffer of the view that it is given, at once, and gives another in its place. */
async function readInto(buffer: ArrayBuffer): Promise<ArrayBuffer> {
  const stream = new ReadableStream({
    type: 'bytes',
    pull: ({ byobRequest }) => byobRequest?.respond(byobRequest.view?.byteLength ?? 0),
  })
  const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(buffer))
  if (value === undefined) throw new Error('nothing was read')
  return value.buffer
}

const THIEVES: [how: string, steal: (buffer: ArrayBuffer) => Promise<ArrayBuffer>][] = [
  ['a reader of byte streams', readInto],
]
const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer }
if (transfer !== undefined) {
  THIEVES.push(['ArrayBuffer.prototype.transfer', (buffer) => Promise.resolve(transfer.call(buffer))])
}

for (const [how, steal] of THIEVES) {
  test.serial(`a buffer stolen by ${how} leaves the region as it was`, async (t) => {
    const memory = namedMemory(freshName())
    const region = regionOf(memory)
    const before = region.buffer
    t.is(memory.readU8(BASE), MARK) // whatever tables fast paths have are filled now
    const stealing = steal(before)
    t.is(before.byteLength, 0)

    t.is(memory.readU8(BASE), MARK)
    t.is(region.readU8(0), MARK)
    memory.writeU32(0x01020304, BASE + 4)
    t.is(region.readU32(4), 0x01020304)
    t.is(memory.load('u32', BASE + 4, Ordering.SeqCst), 0x01020304)
    t.deepEqual([...(memory.views(BASE + 4, 1)[0] as Uint8Array)], [4])
    t.deepEqual([...region.asUint8Array(4, 4)], [4, 3, 2, 1])
    const bytes = new Uint8Array(4)
    memory.readSlice(bytes, BASE + 4)
    t.deepEqual([...bytes], [4, 3, 2, 1])

    const { buffer } = region
    t.not(buffer, before)
    t.is(buffer, region.buffer)
    t.is(buffer.byteLength, SIZE)
    new Uint8Array(await stealing)[9] = 0x77
    t.is(new Uint8Array(buffer)[9], 0x77)
    t.is(memory.readU8(BASE + 9), 0x77)
  })

  test.serial(`a buffer stolen by ${how} keeps the memory mapped, and lets go of it`, async (t) => {
    const name = freshName()
    const held = await Held.of(() => steal(regionOf(namedMemory(name)).buffer))
    await settle()
    t.is(mappingsOf(name), 1)
    t.is(
      held.use((stolen) => new Uint8Array(stolen)[0]),
      MARK,
    )
    held.letGo()
    t.true(await eventually(isGone(name)))
  })
}

test.serial('a buffer cannot be posted away: it is copied or refused, whichever the runtime does', async (t) => {
  const name = freshName()
  ;(() => {
    const region = regionOf(namedMemory(name))
    const { buffer } = region
    const { port1, port2 } = new MessageChannel()
    for (const post of [
      () => structuredClone(buffer, { transfer: [buffer] }),
      () => port1.postMessage(buffer, [buffer]),
    ]) {
      try {
        post()
      } catch (error) {
        t.like(error, { name: 'DataCloneError' })
      }
      t.is(buffer.byteLength, SIZE)
      t.is(region.buffer, buffer)
      t.is(region.readU8(0), MARK)
    }
    port1.close()
    port2.close()
  })()
  t.true(await eventually(isGone(name)))
})
