// What holds memory is not cloned into an empty object, where the runtime can be told.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import * as threads from 'node:worker_threads'
import test from 'ava'
import {
  AtomicBitmap,
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MmapRegion,
  MmapRegionBuilder,
  memfdCreate,
} from '../index.js'

const canBeTold = 'markAsUncloneable' in threads

function objects(): object[] {
  const map = GuestMemoryMmap.fromRanges([[0, 4096]], { bitmap: true })
  const [region] = [...map] as [GuestRegionMmap]
  const atomic = new GuestMemoryAtomic(map)
  const added = map.insertRegion(GuestRegionMmap.fromRange(8192, 4096))
  return [
    map,
    region,
    atomic,
    added,
    atomic.memory().intoInner(),
    new GuestMemoryMmap(),
    new MmapRegion(4096),
    new MmapRegionBuilder(4096),
    new AtomicBitmap(4096, 4096),
    new FileOffset(memfdCreate('cloned', 4096), 0),
  ]
}

test('objects that hold memory are refused by structuredClone and postMessage', (t) => {
  if (!canBeTold) {
    t.log('skipped: this runtime has no markAsUncloneable, which came with Node.js 22.10')
    return t.pass()
  }
  const { port1, port2 } = new MessageChannel()
  for (const object of objects()) {
    for (const value of [object, { object }, [object]]) {
      t.throws(() => structuredClone(value), { name: 'DataCloneError' }, object.constructor.name)
      t.throws(() => port1.postMessage(value), { name: 'DataCloneError' }, object.constructor.name)
    }
  }
  port1.close()
  port2.close()
})

test('tickets are cloned', (t) => {
  const map = GuestMemoryMmap.fromRanges([[0, 4096]])
  t.is(GuestMemoryMmap.fromShared(structuredClone(map.share())).numRegions, 1)
})

test('maps are disposed of as guards are, and live on', (t) => {
  const map = GuestMemoryMmap.fromRanges([[0, 4096]])
  map.dispose()
  map[Symbol.dispose]()
  map.memory().dispose()
  t.is(map.readU8(0), 0)
  t.throws(() => GuestMemoryMmap.prototype.dispose.call({}), { instanceOf: TypeError })
})
