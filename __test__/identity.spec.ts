// The same thing is the same object, as pointers are equal upstream.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'
import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, MmapRegion, MmapRegionBuilder } from '../index.js'
import { BASE, SIZE, freshName, namedMemory, regionOf } from './named-memory.js'
import { settle } from './process-resources.js'

test.serial('the same region is the same object wherever it is met', (t) => {
  const memory = namedMemory(freshName())
  const other = GuestRegionMmap.fromRange(2 * BASE, SIZE)
  const region = regionOf(memory)
  const larger = memory.insertRegion(other)
  const atomic = new GuestMemoryAtomic(larger)
  const guard = atomic.memory()
  const seen: (GuestRegionMmap | null | undefined)[] = [
    ...memory.iter(),
    ...memory,
    memory.findRegion(BASE + 1),
    memory.toRegionAddr(BASE + SIZE - 1)?.[0],
    memory.removeRegion(BASE, SIZE)[1],
    memory.clone().findRegion(BASE),
    memory.memory().findRegion(BASE),
    larger.findRegion(BASE),
    larger.removeRegion(2 * BASE, SIZE)[0].findRegion(BASE),
    larger.removeRegion(BASE, SIZE)[1],
    GuestMemoryMmap.fromRegions([region, other]).findRegion(BASE),
    GuestMemoryMmap.fromShared(memory.share()).findRegion(BASE),
    GuestMemoryAtomic.fromShared(atomic.share()).memory().findRegion(BASE),
    atomic.clone().memory().findRegion(BASE),
    guard.findRegion(BASE),
    guard.clone().findRegion(BASE),
    guard.toRegionAddr(BASE)?.[0],
    [...guard][0],
    [...guard.iter()][0],
    guard.memory().findRegion(BASE),
    guard.clone().intoInner().findRegion(BASE),
  ]
  memory.tryAccess(1, BASE, (_offset, len, _regionAddr, each) => {
    seen.push(each)
    return len
  })
  guard.tryAccess(1, BASE, (_offset, len, _regionAddr, each) => {
    seen.push(each)
    return len
  })
  atomic.update((current) => {
    seen.push(current.findRegion(BASE))
    return current.removeRegion(2 * BASE, SIZE)[0]
  })
  seen.push(atomic.memory().findRegion(BASE))
  for (const [index, each] of seen.entries()) t.is(each, region, `number ${index}`)
  t.not(other, region)
  t.is(larger.findRegion(2 * BASE), other)
})

test.serial('a region stays the same object through collections as long as anyone has it', async (t) => {
  const memory = namedMemory(freshName())
  const region = Object.assign(regionOf(memory), { label: 'mine' })
  const { buffer } = region
  await settle()
  t.is(regionOf(memory), region)
  t.is((regionOf(memory) as typeof region).label, 'mine')
  t.is(region.buffer, buffer)
})

test.serial('a guard gives back the very map that was published', (t) => {
  const first = namedMemory(freshName())
  const second = new GuestMemoryMmap()
  const third = namedMemory(freshName())
  const atomic = new GuestMemoryAtomic(first)
  t.is(first.memory(), first)
  t.is(atomic.memory().intoInner(), first)
  t.is(atomic.clone().memory().clone().intoInner(), first)
  atomic.lock().replace(second)
  t.is(atomic.memory().intoInner(), second)
  t.is(
    atomic.update((current) => {
      t.is(current, second)
      return third
    }),
    third,
  )
  t.is(atomic.memory().intoInner(), third)
})

test.serial('a map that many atomics have published is one object, also when it is met again later', async (t) => {
  const map = namedMemory(freshName())
  const first = new GuestMemoryAtomic(map)
  // More than the table of objects has before it is searched for dead ones, which is done while there are both.
  const atomics = Array.from({ length: 200 }, () => new GuestMemoryAtomic(new GuestMemoryMmap()))
  for (const atomic of atomics) {
    // What a guard has is an older one of the pointers that stand for the map.
    atomic.lock().replace(first.memory())
    first.update((current) => current)
    first.update(() => GuestMemoryMmap.fromRanges([[0, 4096]]))
    first.update(() => map)
  }
  await settle()
  for (const atomic of [...atomics, first]) t.is(atomic.memory().intoInner(), map)
  t.is(first.clone().memory().memory(), map)
  for (const atomic of atomics) atomic.update(() => new GuestMemoryMmap())
  await settle()
  t.is(first.memory().intoInner(), map)
})

test.serial('a published map whose object is gone gets one new object', async (t) => {
  const atomics = [1, 2].map(() => new GuestMemoryAtomic(new GuestMemoryMmap()))
  for (let round = 0; round < 100; round += 1) {
    for (const atomic of atomics) atomic.update(() => GuestMemoryMmap.fromRanges([[BASE, 4096]]))
  }
  await settle()
  for (const atomic of atomics) {
    const map = atomic.memory().intoInner()
    t.is(map.numRegions, 1)
    t.is(atomic.memory().memory(), map)
    t.is(
      atomic.update((current) => current),
      map,
    )
    t.is(atomic.memory().intoInner(), map)
  }
})

test.serial('a mapping and its region have one buffer', (t) => {
  const mapping = new MmapRegion(SIZE)
  const early = mapping.buffer
  const region = new GuestRegionMmap(mapping, BASE)
  t.is(region.buffer, early)
  t.is(mapping.buffer, early)
  t.is(GuestMemoryMmap.fromRegions([region]).findRegion(BASE)?.buffer, early)
})

test('objects are deeply equal to themselves and to no other, even one that shows the same', (t) => {
  const memory = (): GuestMemoryMmap => GuestMemoryMmap.fromRanges([[0, SIZE]], { bitmap: true })
  const region = (): GuestRegionMmap => GuestRegionMmap.fromRange(0, SIZE, null, { bitmap: true })
  const makers: Record<string, () => object> = {
    memory,
    region,
    bitmap: () => region().bitmap ?? t.fail(),
    'bitmap of a slice': () => memory().getSlice(0, 8).bitmap ?? t.fail(),
    mapping: () => new MmapRegion(SIZE),
    builder: () => new MmapRegionBuilder(SIZE),
    atomic: () => new GuestMemoryAtomic(memory()),
    'load guard': () => new GuestMemoryAtomic(memory()).memory(),
    lock: () => new GuestMemoryAtomic(memory()).lock(),
    slice: () => memory().getSlice(0, 8),
    reference: () => memory().getSlice(0, 8).getRef('u8', 0),
  }
  for (const [what, make] of Object.entries(makers)) {
    const [one, other] = [make(), make()]
    t.is(inspect(one), inspect(other), what)
    t.true(isDeepStrictEqual(one, one), what)
    t.false(isDeepStrictEqual(one, other), what)
    t.true(isDeepStrictEqual({ deep: [one] }, { deep: [one] }), what)
    t.throws(() => assert.deepStrictEqual([one], [other]), { code: 'ERR_ASSERTION' }, what)
    t.notThrows(() => assert.deepStrictEqual(new Map([[1, one]]), new Map([[1, one]])), what)
  }
  const map = memory()
  t.true(isDeepStrictEqual([...map], [map.findRegion(0)]))
  t.false(isDeepStrictEqual(map, map.clone()))
})
