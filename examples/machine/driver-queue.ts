import { fence, Ordering, type GuestMemoryAtomic } from '../../index.js'
import * as virtq from '../virtio/virtq.js'

/** A piece of guest memory, as the driver names it in one descriptor. */
export interface DriverBuffer {
  readonly addr: number
  readonly len: number
}

/** A buffer that the device has given back: the head of its chain, and the bytes that the device says it wrote. */
export interface UsedBuffer {
  readonly head: number
  readonly len: number
}

/**
 * The driver's half of a split virtqueue (2.7.13). It alone writes the descriptor table and the available ring. What it
 * must know of a chain in flight it keeps for itself, for a device could scribble over the table.
 */
export class DriverQueue {
  readonly #memory: GuestMemoryAtomic
  readonly #layout: virtq.VirtqLayout
  /** Links the free descriptors, and those of each chain in flight. */
  readonly #next: Uint16Array
  /** Descriptors in the chain in flight that starts here, else 0. */
  readonly #chainLength: Uint16Array
  #firstFree = 0
  #free: number
  #availIdx = 0
  #lastUsedIdx = 0

  constructor(memory: GuestMemoryAtomic, layout: virtq.VirtqLayout) {
    this.#memory = memory
    this.#layout = layout
    this.#next = Uint16Array.from({ length: layout.size }, (_, index) => index + 1)
    this.#chainLength = new Uint16Array(layout.size)
    this.#free = layout.size
    using guest = memory.memory()
    const { desc, avail, used, size } = layout
    for (const [base, length] of [
      [desc, virtq.VirtqDesc.size * size],
      [avail, virtq.VIRTQ_AVAIL_RING + 2 * size + 2],
      [used, virtq.VIRTQ_USED_RING + virtq.VirtqUsedElem.size * size + 2],
    ] as const) {
      guest.writeSlice(new Uint8Array(length), base)
    }
  }

  /** The index in the used ring of the next buffer to take. */
  get lastUsedIdx(): number {
    return this.#lastUsedIdx
  }

  /** Descriptors that are in no chain. */
  get free(): number {
    return this.#free
  }

  /**
   * Puts a chain into the table and its head into the available ring (2.7.13.1 and 2.7.13.2), still unseen by the
   * device. Returns the head, or null when there are too few free descriptors.
   */
  add(readable: readonly DriverBuffer[], writable: readonly DriverBuffer[]): number | null {
    const count = readable.length + writable.length
    if (count === 0 || count > this.#free) return null
    using guest = this.#memory.memory()
    const head = this.#firstFree
    let index = head
    let left = count
    // 2.7.4.2: what the device reads comes before what it writes.
    for (const [buffers, write] of [
      [readable, 0],
      [writable, virtq.VIRTQ_DESC_F_WRITE],
    ] as const) {
      for (const { addr, len } of buffers) {
        left--
        const next = this.#next[index] as number
        const descriptor = {
          addr,
          len,
          flags: write | (left > 0 ? virtq.VIRTQ_DESC_F_NEXT : 0),
          next: left > 0 ? next : 0,
        }
        guest.writeObj(virtq.VirtqDesc, descriptor, this.#layout.desc + virtq.VirtqDesc.size * index)
        index = next
      }
    }
    this.#firstFree = index
    this.#free -= count
    this.#chainLength[head] = count
    const slot = this.#availIdx % this.#layout.size
    guest.writeU16(head, this.#layout.avail + virtq.VIRTQ_AVAIL_RING + 2 * slot)
    this.#availIdx = virtq.nextIndex(this.#availIdx)
    return head
  }

  /** Shows the device all that was added (2.7.13.3); true when it wants to be notified of that. */
  publish(): boolean {
    using guest = this.#memory.memory()
    // 2.7.13.3.1: the descriptors and the ring are to be visible before the index that covers them.
    guest.store('u16', this.#availIdx, this.#layout.avail + virtq.VIRTQ_AVAIL_IDX, Ordering.Release)
    // 2.7.13.4.1: and the index before the flags are read, or a notification could be lost.
    fence(Ordering.SeqCst)
    return (guest.readU16(this.#layout.used + virtq.VIRTQ_USED_FLAGS) & virtq.VIRTQ_USED_F_NO_NOTIFY) === 0
  }

  /** The next buffer that the device has used, its descriptors free again (2.7.14); null when there is none. */
  take(): UsedBuffer | null {
    using guest = this.#memory.memory()
    // Acquire: what the device wrote before it moved the index is to be seen from here on.
    const usedIdx = guest.load('u16', this.#layout.used + virtq.VIRTQ_USED_IDX, Ordering.Acquire)
    if (usedIdx === this.#lastUsedIdx) return null
    const slot = this.#lastUsedIdx % this.#layout.size
    const element = this.#layout.used + virtq.VIRTQ_USED_RING + virtq.VirtqUsedElem.size * slot
    const { id: head, len } = guest.readObj(virtq.VirtqUsedElem, element)
    const count = this.#chainLength[head] ?? 0
    if (count === 0) throw new Error(`the device gave back descriptor ${head}, which heads no chain in flight`)
    this.#lastUsedIdx = virtq.nextIndex(this.#lastUsedIdx)
    this.#release(head, count)
    return { head, len }
  }

  #release(head: number, count: number): void {
    let last = head
    for (let left = count - 1; left > 0; left--) last = this.#next[last] as number
    this.#next[last] = this.#firstFree
    this.#firstFree = head
    this.#free += count
    this.#chainLength[head] = 0
  }
}
