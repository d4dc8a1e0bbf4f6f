// Look-ups, derivation of maps, and snapshots.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import * as fc from 'fast-check'

import { count, index, offset, operation, size, where } from './arbitrary.js'
import type { Memory, Region } from './surface.js'
import { attempt, type World } from './world.js'

const lookUp = fc.record({ memory: index, addr: where })
const found = (world: World, region: Region | null): number | null =>
  region === null ? null : world.indexOfRegion(region)

/** What a callback of `tryAccess` says that it has used; after that it uses all. */
const used = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.nat({ max: 30 }) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** 40, Number.MAX_SAFE_INTEGER) },
  ),
  { maxLength: 3 },
)

export const lookUps = [
  operation('findRegion', lookUp, (world, { memory, addr }) =>
    found(world, world.memory(memory).findRegion(world.address(addr))),
  ),
  operation('toRegionAddr', lookUp, (world, { memory, addr }) => {
    const answer = world.memory(memory).toRegionAddr(world.address(addr))
    return answer === null ? null : [world.indexOfRegion(answer[0]), answer[1]]
  }),
  operation('addressInRange and checkAddress', lookUp, (world, { memory, addr }) => {
    const address = world.address(addr)
    return [world.memory(memory).addressInRange(address), world.memory(memory).checkAddress(address)]
  }),
  operation('checkRange', fc.record({ memory: index, base: where, len: count }), (world, { memory, base, len }) =>
    world.memory(memory).checkRange(world.address(base), len),
  ),
  operation('checkedOffset', fc.record({ memory: index, base: where, by: count }), (world, { memory, base, by }) =>
    world.memory(memory).checkedOffset(world.address(base), by),
  ),
  operation('getHostAddress', lookUp, (world, { memory, addr }) =>
    world.memory(memory).getHostAddress(world.address(addr)),
  ),
  operation('lastAddr and numRegions', index, (world, memory) => [
    world.memory(memory).lastAddr,
    world.memory(memory).numRegions,
  ]),
  operation(
    'look-ups in a region',
    fc.record({ region: index, at: offset, by: count }),
    (world, { region, at, by }) => {
      const { region: found, size } = world.knownRegion(region)
      const offset = world.offset(at, size)
      return [
        found.checkAddress(offset),
        found.addressInRange(offset),
        found.checkedOffset(offset, by),
        attempt(() => found.getHostAddress(offset)),
        found.lastAddr,
      ]
    },
  ),
  operation('toRegionAddr of a region', fc.record({ region: index, addr: where }), (world, { region, addr }) =>
    world.knownRegion(region).region.toRegionAddr(world.address(addr)),
  ),
  operation(
    'tryAccess',
    fc.record({ memory: index, count, addr: where, used, thrown: fc.option(fc.nat({ max: 3 })) }),
    (world, { memory, count, addr, used, thrown }) => {
      const calls: number[][] = []
      const outcome = attempt(() =>
        world.memory(memory).tryAccess(count, world.address(addr), (offset, len, regionAddr, region) => {
          calls.push([offset, len, regionAddr, world.indexOfRegion(region)])
          if (calls.length - 1 === thrown) throw 'thrown by the callback'
          return used[calls.length - 1] ?? len
        }),
      )
      return [outcome, calls]
    },
  ),
  operation('views', fc.record({ memory: index, addr: where, count }), (world, { memory, addr, count }) =>
    world
      .memory(memory)
      .views(world.address(addr), count)
      .map((view) => {
        const before = view.slice()
        view.fill(0xc3, 0, 3)
        return before
      }),
  ),
]

const regionList = fc.array(index, { maxLength: 5 })

const ranges = fc.array(
  fc.tuple(
    where,
    fc.oneof({ weight: 8, arbitrary: size.map(BigInt) }, { weight: 1, arbitrary: fc.constantFrom(0n, 1n << 60n) }),
  ),
  { maxLength: 3 },
)

/** Makes new memories, until there are many. */
const made = (world: World, make: () => Memory): number | string => {
  if (world.isFull) return 'full'
  return world.indexOfMemory(make())
}

export const derivation = [
  operation('fromRanges', ranges, (world, ranges) =>
    made(world, () =>
      world.implementation.fromRanges(
        ranges.map(([start, size]) => [world.address(start), size] as const),
        { bitmap: world.tracked },
      ),
    ),
  ),
  operation('fromRegions', regionList, (world, regions) =>
    made(world, () => world.implementation.fromRegions(regions.map((region) => world.knownRegion(region).region))),
  ),
  operation(
    'GuestRegionMmap.fromRange and insertRegion',
    fc.record({ memory: index, addr: where, size, bitmap: fc.boolean() }),
    (world, { memory, addr, size, bitmap }) =>
      made(world, () => {
        const region = world.implementation.region(world.address(addr), size, { bitmap })
        world.indexOfRegion(region)
        return world.memory(memory).insertRegion(region)
      }),
  ),
  operation('insertRegion', fc.record({ memory: index, region: index }), (world, { memory, region }) =>
    made(world, () => world.memory(memory).insertRegion(world.knownRegion(region).region)),
  ),
  operation(
    'removeRegion',
    fc.record({ memory: index, region: index, wrongBase: fc.boolean(), wrongSize: fc.boolean() }),
    (world, { memory, region, wrongBase, wrongSize }) => {
      const { start, size } = world.knownRegion(region)
      let removed = -1
      const remaining = made(world, () => {
        const [rest, region] = world
          .memory(memory)
          .removeRegion(wrongBase ? start ^ 1n : start, wrongSize ? size + 1 : size)
        removed = world.indexOfRegion(region)
        return rest
      })
      return [remaining, removed]
    },
  ),
  operation('an empty memory', fc.constant(null), (world) => made(world, () => world.implementation.empty())),
]

type Change = 'insert' | 'remove' | 'keep' | 'throw'

export const snapshots = [
  operation('memory of an atomic', fc.constant(null), (world) => made(world, () => world.atomic.memory())),
  operation('memory', index, (world, memory) => world.indexOfMemory(world.memory(memory).memory())),
  operation('clone of a guard', index, (world, index) => {
    const memory = world.memory(index)
    return world.isGuard(memory) ? made(world, () => memory.clone()) : 'no guard'
  }),
  operation('intoInner', index, (world, index) => {
    const memory = world.memory(index)
    return world.isGuard(memory) ? world.indexOfMemory(memory.intoInner()) : 'no guard'
  }),
  operation('dispose', index, (world, index) => {
    const memory = world.memory(index)
    if (world.isGuard(memory)) memory.dispose()
  }),
  operation('lock', fc.boolean(), (world, tries) => {
    const lock = tries ? world.atomic.tryLock() : world.atomic.lock()
    if (lock !== null) world.locks.push(lock)
    return lock === null
  }),
  operation('replace', index, (world, memory) => world.locks.at(-1)?.replace(world.memory(memory))),
  operation('dispose of the lock', fc.constant(null), (world) => world.locks.at(-1)?.dispose()),
  operation(
    'update',
    fc.record({ change: fc.constantFrom<Change>('insert', 'remove', 'keep', 'throw'), index }),
    (world, { change, index }) => {
      const current: number[] = []
      const outcome = attempt(() =>
        made(world, () =>
          world.atomic.update((memory) => {
            current.push(world.indexOfMemory(memory))
            const { region, start, size } = world.knownRegion(index)
            switch (change) {
              case 'insert':
                return memory.insertRegion(region)
              case 'remove':
                return memory.removeRegion(start, size)[0]
              case 'keep':
                return world.memory(index)
              case 'throw':
                throw 'thrown by the function'
            }
          }),
        ),
      )
      return [outcome, current]
    },
  ),
]
