// Takes snapshots, looks at everything in them, and lets them go in one way or another.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { GuestMemoryMmap } from '../../index.js'
import { PAGE, slotAddress } from './layout.mjs'
import { atomic, board, live, random } from './life.mjs'
import { readManifest, verifyPage } from './maps.mjs'

const copy = new Uint32Array(PAGE / 4)
const wordsOf = (bytes) => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)

/** Ways to look at a page. */
const looks = [
  (memory, address) => {
    memory.readSlice(copy, address)
    return copy
  },
  (memory, address) => wordsOf(memory.views(address, PAGE)[0]),
  (memory, address) => wordsOf(memory.getSlice(address, PAGE).asUint8Array()),
  (memory, address) => {
    const [region, offset] = memory.toRegionAddr(address)
    return new Uint32Array(region.buffer, offset, PAGE / 4)
  },
  (memory, address) => {
    const [region, offset] = memory.toRegionAddr(address)
    region.getSlice(offset, PAGE).copyTo(copy)
    return copy
  },
]

function verify(memory) {
  const { generation, entries } = readManifest(memory)
  for (const entry of entries) {
    if (random(3) > 0) continue
    for (let index = 0; index < entry.pages; index += 1) {
      const look = looks[random(looks.length)]
      verifyPage(look(memory, slotAddress(entry.slot) + index * PAGE), entry, index)
      board.count('pages')
    }
  }
  return generation
}

let last = 0n
/** Snapshots that are looked at again after others have come. */
const kept = []

function verifyNew(memory) {
  const generation = verify(memory)
  if (generation < last) throw new Error(`generation ${generation} came after ${last}`)
  last = generation
}

void live(() => {
  const guard = atomic.memory()
  board.count('snapshots')
  switch (random(8)) {
    case 0: {
      const second = guard.clone()
      guard.dispose()
      verifyNew(second)
      return second.dispose()
    }
    case 1:
      return verifyNew(guard.intoInner())
    case 2:
      kept.push(guard)
      verifyNew(guard)
      if (kept.length > 3) {
        const oldest = kept.shift()
        verify(oldest)
        oldest.dispose()
      }
      return
    case 3:
      // A collection has to let go of this one.
      return verifyNew(guard)
    case 4: {
      const ticket = guard.share()
      guard.dispose()
      // Or else it is dropped when this thread ends.
      if (random(8) > 0) verifyNew(GuestMemoryMmap.fromShared(ticket))
      return
    }
    default:
      verifyNew(guard)
      return guard.dispose()
  }
})
