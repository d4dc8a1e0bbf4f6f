import { GuestRegionMmap, type GuestMemoryAtomic } from '../../index.js'
import { BufferPool } from './buffer-pool.js'
import { KIB, MIB } from './memory-layout.js'
import type { SeededRandom } from './seeded-random.js'

/** A memory block of Linux on x86, the least that it takes in or gives up. */
export const DIMM_SIZE = 128 * MIB
export const DIMM_SLOTS = 4
/** The driver's buffers are at the end of a DIMM, where they can run on into the next. */
const POOL_SIZE = 256 * KIB

interface Dimm {
  readonly base: number
  readonly pool: BufferPool
  plugged: boolean
}

/**
 * Slots for memory that comes and goes while the machine runs. What is plugged is published at once, as a new map that
 * shares all other regions with the old one. What is to go is closed by the guest first and taken out when no request
 * in flight uses it; whoever still holds a guard on the old map keeps the region alive until then.
 */
export class HotPlug {
  readonly #memory: GuestMemoryAtomic
  readonly #random: SeededRandom
  readonly #dimms: readonly Dimm[]
  #leaving: Dimm | null = null
  added = 0
  removed = 0
  addingMs = 0
  removingMs = 0

  constructor(memory: GuestMemoryAtomic, base: number, random: SeededRandom) {
    this.#memory = memory
    this.#random = random
    this.#dimms = Array.from({ length: DIMM_SLOTS }, (_, slot) => {
      const end = base + (slot + 1) * DIMM_SIZE
      return { base: end - DIMM_SIZE, pool: new BufferPool(end - POOL_SIZE, end, false), plugged: false }
    })
    for (const [slot, { pool }] of this.#dimms.entries()) pool.next = this.#dimms[slot + 1]?.pool ?? null
  }

  /** The pools of the slots; those without memory are closed. */
  get pools(): readonly BufferPool[] {
    return this.#dimms.map(({ pool }) => pool)
  }

  /** The user presses a button: a DIMM comes, or one is asked to go. */
  event(): void {
    if (this.#leaving !== null) return
    const plugged = this.#dimms.filter((dimm) => dimm.plugged)
    // Requests to a slot without memory have to come back before it gets some.
    const empty = this.#dimms.filter((dimm) => !dimm.plugged && dimm.pool.idle)
    const coming = this.#pick(empty)
    const going = this.#pick(plugged)
    if (coming !== null && (going === null || this.#random.below(2) === 0)) this.#plug(coming)
    else if (going !== null) {
      going.pool.open = false
      this.#leaving = going
    }
  }

  /** Takes out the DIMM that is to go, if the guest has let go of it; returns its pool then. */
  settle(): BufferPool | null {
    const dimm = this.#leaving
    if (dimm === null || !dimm.pool.idle) return null
    const begun = performance.now()
    this.#memory.update((current) => current.removeRegion(dimm.base, DIMM_SIZE)[0])
    this.removingMs += performance.now() - begun
    dimm.plugged = false
    this.#leaving = null
    this.removed++
    return dimm.pool
  }

  #plug(dimm: Dimm): void {
    const begun = performance.now()
    const region = GuestRegionMmap.fromRange(dimm.base, DIMM_SIZE)
    // The lock before the current map is read: otherwise another writer's change could be lost.
    using lock = this.#memory.lock()
    using current = this.#memory.memory()
    lock.replace(current.insertRegion(region))
    this.addingMs += performance.now() - begun
    dimm.plugged = true
    dimm.pool.open = true
    this.added++
  }

  #pick(dimms: readonly Dimm[]): Dimm | null {
    return dimms[this.#random.below(Math.max(1, dimms.length))] ?? null
  }
}
