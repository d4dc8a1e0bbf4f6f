// What every member of every class that has memory says of a mapping, before and after it was released.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { instanceMembers, rightArguments, vm } from '../hostile/surface.mjs'

const BASE = 65536
const OFFSET = 4096
export const SIZE = 16384

/** What asks, and touches no memory: it answers as before. */
const ASKING = {
  map: `memory share clone dispose intoInner insertRegion removeRegion numRegions iter findRegion toRegionAddr addressInRange
    checkAddress checkRange checkedOffset lastAddr diff markDirty dirtyRanges trackWrites`,
  mapping: `size len isEmpty prot flags owned fileOffset isHugetlbfs bitmap recoverFaults faults fdsOverlap pageSize
    residentSize release isReleased setHugetlbfs startAddr lastAddr checkAddress addressInRange checkedOffset toRegionAddr`,
  part: 'len isEmpty type elementSize',
}
const OF_CLASSES = {
  GuestMemoryMmap: ASKING.map,
  GuestMemoryLoadGuard: ASKING.map,
  GuestRegionMmap: ASKING.mapping,
  MmapRegion: ASKING.mapping,
  VolatileSlice: ASKING.part,
  VolatileRef: ASKING.part,
  VolatileArrayRef: ASKING.part,
  AtomicRef: ASKING.part,
}

/** What cannot be called again and again, or not on this memory; releases are what the tests are about. */
const NOT_CALLED = new Set(['dispose', 'intoInner', 'release', 'changedRanges', 'trackWrites'])

/** An object of each class on one mapping, which tests release by `region`. */
export function receivers(region) {
  const memory = vm.GuestMemoryMmap.fromRegions([region])
  return {
    GuestMemoryMmap: memory,
    GuestMemoryLoadGuard: new vm.GuestMemoryAtomic(memory).memory(),
    GuestRegionMmap: region,
    VolatileSlice: region.asVolatileSlice(),
    VolatileRef: region.getRef('u32', OFFSET),
    VolatileArrayRef: region.getArrayRef('u32', OFFSET, 4),
    AtomicRef: region.getAtomicRef('u32', OFFSET),
  }
}

export const makeRegion = (options) => vm.GuestRegionMmap.fromRange(BASE, SIZE, null, options)

/** Calls of all members on these objects, and whether each of them only asks. */
export function* calls(objects) {
  for (const [owner, receiver] of Object.entries(objects)) {
    const asking = new Set(OF_CLASSES[owner].split(/\s+/))
    for (const { name, kind, key } of instanceMembers(owner)) {
      if (NOT_CALLED.has(name) || (typeof key === 'symbol' && !name.includes('iterator') && !name.includes('inspect')))
        continue
      yield {
        title: `${owner}.${name}`,
        asks: asking.has(name) || typeof key === 'symbol',
        call: () => (kind === 'getter' ? receiver[key] : receiver[key](...rightArguments(owner, name))),
      }
    }
  }
}

/** How a call ends: `answers`, or the code of its error. */
export async function outcome(call) {
  try {
    await call()
    return 'answers'
  } catch (error) {
    return error.code ?? String(error)
  }
}

/** What is not as it must be, of calls on a mapping that was released or was not. */
export async function surprises(objects, isReleased) {
  const found = []
  for (const { title, asks, call } of calls(objects)) {
    const met = await outcome(call)
    const wanted = isReleased && !asks ? 'ERR_DISPOSED' : 'answers'
    if (met !== wanted && met !== 'ERR_UNSUPPORTED') found.push(`${title}: ${met}`)
  }
  return found
}
