import {
  GuestMemoryMmap,
  MmapRegion,
  pageSize,
  type GuestMemoryAtomic,
  type GuestRegionMmap,
  type WriteTracker,
} from '../../index.js'
import { trackerOf } from '../write-tracking.js'
import type { Vm } from './vm.js'

/** Pages that were written to, by their numbers, as three witnesses tell. */
export interface DirtyPages {
  /** KVM's log: what processors have written. */
  readonly kvm: ReadonlySet<number>
  /** The bitmaps: what methods of the package have written, and what was marked after writes through views. */
  readonly bitmap: ReadonlySet<number>
  /** `trackWrites`: all of it. Null where the kernel has no such thing. */
  readonly tracked: ReadonlySet<number> | null
}

interface Slot {
  readonly number: number
  readonly region: GuestRegionMmap
  readonly memory: GuestMemoryMmap
  /** What KVM's log is written into. */
  readonly log: MmapRegion
  readonly tracker: WriteTracker | null
}

/** KVM's logs have a bit for each page, in words of 64. */
const WORD = 64

/** Keeps the slots of KVM in step with a map: a region that is published has one before `update` returns. */
export class MemorySlots {
  readonly #vm: Vm
  readonly #slots = new Map<GuestRegionMmap, Slot>()
  readonly #listening: Disposable
  /** How many regions have come and gone. */
  changes = 0

  constructor(vm: Vm, memory: GuestMemoryAtomic) {
    this.#vm = vm
    for (const region of memory.memory().intoInner()) this.#fill(region)
    this.#listening = memory.onChange(({ added, removed }) => {
      for (const region of removed) this.#clear(region)
      for (const region of added) this.#fill(region)
      this.changes += added.length + removed.length
    })
  }

  #fill(region: GuestRegionMmap): void {
    const used = new Set([...this.#slots.values()].map(({ number }) => number))
    let number = 0
    while (used.has(number)) number++
    const memory = GuestMemoryMmap.fromRegions([region])
    const log = new MmapRegion(Math.ceil(region.size / pageSize() / WORD) * 8)
    // What was written before is not to be told.
    memory.dirtyRanges({ reset: true })
    this.#slots.set(region, { number, region, memory, log, tracker: trackerOf(memory) })
    this.#vm.setSlot(number, region)
  }

  #clear(region: GuestRegionMmap): void {
    const slot = this.#slots.get(region)
    if (slot === undefined) throw new Error(`no slot has the region at 0x${region.startAddr.toString(16)}`)
    this.#slots.delete(region)
    this.#vm.clearSlot(slot.number)
    slot.tracker?.dispose()
    slot.log.release()
  }

  /** What was written since the last harvest; all three begin anew. Nobody may write meanwhile, or they would tell of different times. */
  harvest(): DirtyPages {
    const kvm = new Set<number>()
    const bitmap = new Set<number>()
    const tracked = new Set<number>()
    for (const { number, region, memory, log, tracker } of this.#slots.values()) {
      this.#vm.getDirtyLog(number, log.asPtr())
      addLogged(kvm, log.asUint8Array(), Number(region.startAddr) / pageSize())
      // Before the tracker is asked, which resets them.
      addRanges(bitmap, memory.dirtyRanges({ reset: true }))
      if (tracker !== null) addRanges(tracked, tracker.harvest())
    }
    const hasTrackers = [...this.#slots.values()].every(({ tracker }) => tracker !== null)
    return { kvm, bitmap, tracked: hasTrackers ? tracked : null }
  }

  close(): void {
    this.#listening[Symbol.dispose]()
    for (const region of this.#slots.keys()) this.#clear(region)
  }
}

function addLogged(pages: Set<number>, log: Uint8Array, first: number): void {
  for (const [index, byte] of log.entries()) {
    for (let bits = byte, bit = 0; bits !== 0; bits >>= 1, bit++) if (bits & 1) pages.add(first + 8 * index + bit)
  }
}

function addRanges(pages: Set<number>, ranges: readonly [addr: bigint, count: number][]): void {
  for (const [addr, count] of ranges) {
    const first = Number(addr) / pageSize()
    for (let page = 0; page < count / pageSize(); page++) pages.add(first + page)
  }
}
