// What holds memory is not cloned into an empty object, where the runtime can be told.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'
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
  onMemoryFault,
  struct,
} from '../index.js'

const canBeTold = 'markAsUncloneable' in threads

/** Guards of the update lock, in all the ways to get one. Some are plain objects where `lib/fast/` is in. */
async function exclusiveGuards(map: GuestMemoryMmap): Promise<object[]> {
  const atomics = Array.from({ length: 5 }, () => new GuestMemoryAtomic(map))
  const [first, second, third, fourth, fifth] = atomics as [
    GuestMemoryAtomic,
    GuestMemoryAtomic,
    GuestMemoryAtomic,
    GuestMemoryAtomic,
    GuestMemoryAtomic,
  ]
  // Used before, as a seat that is taken again.
  for (let round = 0; round < 4; round += 1) fifth.lock().dispose()
  const disposed = fifth.lock()
  disposed.dispose()
  return [
    first.lock(),
    second.lock({ timeout: 0 }),
    third.tryLock() as object,
    await fourth.lockAsync(),
    fifth.lock(),
    disposed,
  ]
}

async function objects(): Promise<object[]> {
  const map = GuestMemoryMmap.fromRanges([[0, 4096]], { bitmap: true })
  const [region] = [...map] as [GuestRegionMmap]
  const atomic = new GuestMemoryAtomic(map)
  const file = new FileOffset(memfdCreate('cloned', 4096), 0)
  const inner = struct({ len: 'le32' })
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
    file,
    GuestRegionMmap.fromRange(0, 4096, file).fileOffset as FileOffset,
    MmapRegionBuilder.newWithBitmap(4096, new AtomicBitmap(4096, 4096)),
    AtomicBitmap.withLen(4096),
    (region.bitmap as AtomicBitmap).clone(),
    atomic.clone(),
    GuestMemoryAtomic.fromShared(atomic.share()),
    GuestMemoryMmap.fromShared(map.share()),
    ...(await exclusiveGuards(map)),
    atomic.onChange(() => {}),
    onMemoryFault(() => {}),
    inner,
    struct({ inner, array: ['u8', 4] }),
    struct({ inner: [inner, 2] }, { packed: true }),
  ]
}

test('objects that hold memory are refused by structuredClone and postMessage', async (t) => {
  if (!canBeTold) {
    t.log('skipped: this runtime has no markAsUncloneable, which came with Node.js 22.10')
    return t.pass()
  }
  const { port1, port2 } = new MessageChannel()
  const isRefused = (clone: () => void): boolean => {
    try {
      clone()
      return false
    } catch (error) {
      return (error as Error).name === 'DataCloneError'
    }
  }
  const cloned: string[] = []
  for (const [index, object] of (await objects()).entries()) {
    for (const value of [object, { object }, [object]]) {
      if (isRefused(() => structuredClone(value)) && isRefused(() => port1.postMessage(value))) continue
      cloned.push(`${index}, ${inspect(object)}`)
      break
    }
  }
  t.deepEqual(cloned, [])
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
