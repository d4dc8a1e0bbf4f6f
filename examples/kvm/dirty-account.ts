import { CPUS } from './machine-layout.js'
import type { DirtyPages } from './memory-slots.js'

/**
 * Compares, at each stop of a machine, what the three witnesses tell. Processors are KVM's to tell of, disk and monitor the bitmaps';
 * `trackWrites` has to have the pages of both, and no others but early ones: when a processor is stopped, the host may have made a page
 * ready for it to be written. The store itself is done when the processor goes on, and KVM's log has it at the next stop.
 */
export class DirtyAccount {
  stops = 0
  /** Pages, summed up over all stops. */
  kvm = 0
  bitmap = 0
  /** What KVM's log or the bitmap had. */
  either = 0
  /** Null where the kernel cannot track writes. */
  tracked: number | null = 0
  early = 0
  /** Stops at which the witnesses agreed. */
  agreed = 0
  #early: number[] = []

  /** Takes in what was told at a stop, and returns whether the witnesses agree. `has` tells whether a page is still there. */
  add({ kvm, bitmap, tracked }: DirtyPages, has: (page: number) => boolean): boolean {
    const either = new Set([...kvm, ...bitmap])
    const early = tracked === null ? [] : [...tracked].filter((page) => !either.has(page))
    const agree =
      (tracked === null || [...either].every((page) => tracked.has(page))) &&
      // Each processor can have been stopped once.
      early.length <= CPUS &&
      this.#early.every((page) => kvm.has(page) || !has(page))
    this.#early = early
    this.stops++
    this.kvm += kvm.size
    this.bitmap += bitmap.size
    this.either += either.size
    this.tracked = tracked === null || this.tracked === null ? null : this.tracked + tracked.size
    this.early += early.length
    if (agree) this.agreed++
    return agree
  }
}
