import { fence, Ordering, type GuestMemoryMmap } from '../../index.js'
import * as virtq from './virtq.js'

/** A piece of guest memory as the guest named it: nothing about it has been checked. */
export interface ChainBuffer {
  readonly addr: bigint
  readonly len: number
}

/** A request: what the device is to read, then what it is to write. */
export interface DescriptorChain {
  readonly head: number
  readonly readable: readonly ChainBuffer[]
  readonly writable: readonly ChainBuffer[]
}

/** Where a queue goes on: the next available index, and the next used one. */
export interface QueuePosition {
  readonly nextAvail: number
  readonly usedIdx: number
}

/** What was negotiated for the queue, and where it goes on when it is not new. */
export interface QueueOptions extends Partial<QueuePosition> {
  /** VIRTIO_F_INDIRECT_DESC */
  readonly indirect?: boolean
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIdx?: boolean
  /**
   * Called with what is written in the used ring, by offset: after it was written, and where the driver sees it by that,
   * before as well.
   */
  readonly onWrite?: (offset: number, count: number) => void
}

/** The driver broke the rules of the queue; nothing in it can be trusted any more. */
export class VirtqError extends Error {
  override readonly name = 'VirtqError'
}

/**
 * The longest table of indirect descriptors. The standard allows the queue's size (2.7.5.3.1); Linux goes beyond in a
 * queue that is smaller than its requests.
 */
const INDIRECT_MAX = 1024

/**
 * The device's half of a split virtqueue (2.7). The guest may change its memory at any moment, so each field is read
 * once, checked, and then used from here. Methods take the snapshot of the memory that serves the request.
 */
export class DeviceQueue {
  readonly #layout: virtq.VirtqLayout
  readonly #indirect: boolean
  readonly #eventIdx: boolean
  readonly #usedEvent: number
  readonly #availEvent: number
  readonly #onWrite: ((offset: number, count: number) => void) | null
  #nextAvail: number
  #usedIdx: number

  /** Throws `VirtqError` for a queue whose addresses are not all numbers. */
  constructor(layout: virtq.VirtqLayout, options: QueueOptions = {}) {
    this.#layout = layout
    this.#indirect = options.indirect ?? false
    this.#eventIdx = options.eventIdx ?? false
    this.#nextAvail = options.nextAvail ?? 0
    this.#usedIdx = options.usedIdx ?? 0
    this.#onWrite = options.onWrite ?? null
    this.#usedEvent = layout.avail + virtq.VIRTQ_AVAIL_RING + 2 * layout.size
    this.#availEvent = layout.used + virtq.VIRTQ_USED_RING + virtq.VirtqUsedElem.size * layout.size
    const ends = [layout.desc + virtq.VirtqDesc.size * layout.size, this.#usedEvent + 2, this.#availEvent + 2]
    if (!ends.every(Number.isSafeInteger)) throw new VirtqError('the queue reaches beyond address 2^53')
  }

  /** The available index of the next chain. */
  get nextAvail(): number {
    return this.#nextAvail
  }

  /** The index of the used ring. */
  get usedIdx(): number {
    return this.#usedIdx
  }

  /** The next chain that the driver has made available, null when there is none. Throws `VirtqError`. */
  pop(memory: GuestMemoryMmap): DescriptorChain | null {
    const { avail, size } = this.#layout
    const pending = this.#pending(memory)
    if (pending === 0) return null
    if (pending > size) throw new VirtqError(`the available index is ${pending} ahead in a queue of ${size}`)
    const head = memory.readU16(avail + virtq.VIRTQ_AVAIL_RING + 2 * (this.#nextAvail % size))
    const chain = this.chainAt(memory, head)
    this.#nextAvail = virtq.nextIndex(this.#nextAvail)
    return chain
  }

  /** Whether the driver has made more available than was popped. */
  hasMore(memory: GuestMemoryMmap): boolean {
    return this.#pending(memory) > 0
  }

  /** Reads the chain that starts at descriptor `head`, available or not. Throws `VirtqError`. */
  chainAt(memory: GuestMemoryMmap, head: number): DescriptorChain {
    const { desc, size } = this.#layout
    const chain = new ChainReader(head)
    let index = head
    for (let count = 1; ; count++) {
      if (index >= size) throw new VirtqError(`descriptor ${index} is out of range in a queue of ${size}`)
      if (count > size) throw new VirtqError(`the chain at descriptor ${head} has a loop`)
      const { addr, len, flags, next } = memory.readObj(virtq.VirtqDesc, desc + virtq.VirtqDesc.size * index)
      if (flags & virtq.VIRTQ_DESC_F_INDIRECT) {
        if (!this.#indirect) throw new VirtqError(`descriptor ${index} is indirect, which was not negotiated`)
        // 2.7.5.3.1
        if (flags & virtq.VIRTQ_DESC_F_NEXT) throw new VirtqError(`descriptor ${index} is indirect and has a next one`)
        this.#readTable(memory, index, addr, len, chain)
        return chain
      }
      chain.add(index, addr, len, flags)
      if (!(flags & virtq.VIRTQ_DESC_F_NEXT)) return chain
      index = next
    }
  }

  /** Gives a chain back, with the bytes written to it (2.7.8.2); true when the driver wants an interrupt for that. */
  push(memory: GuestMemoryMmap, head: number, len: number): boolean {
    const { avail, used, size } = this.#layout
    const before = this.#usedIdx
    const element = virtq.VIRTQ_USED_RING + virtq.VirtqUsedElem.size * (before % size)
    memory.writeObj(virtq.VirtqUsedElem, { id: head, len }, used + element)
    this.#onWrite?.(element, virtq.VirtqUsedElem.size)
    this.#onWrite?.(virtq.VIRTQ_USED_IDX, 2)
    this.#usedIdx = virtq.nextIndex(before)
    // 2.7.8.2: the element, and all that the request wrote, before the index.
    memory.store('u16', this.#usedIdx, used + virtq.VIRTQ_USED_IDX, Ordering.Release)
    this.#onWrite?.(virtq.VIRTQ_USED_IDX, 2)
    // 2.7.7: the flags count as they are once the index is visible; read earlier, an interrupt could be lost.
    fence(Ordering.SeqCst)
    // 2.7.7.1: with used_event, the driver wants to hear of the element at that index, which this push may have been.
    if (this.#eventIdx) return memory.readU16(this.#usedEvent) === before
    return (memory.readU16(avail + virtq.VIRTQ_AVAIL_FLAGS) & virtq.VIRTQ_AVAIL_F_NO_INTERRUPT) === 0
  }

  /** Asks the driver not to notify, while the device is at work anyway (2.7.10). */
  disableNotifications(memory: GuestMemoryMmap): void {
    // With avail_event that is so as long as the device does not move it.
    if (this.#eventIdx) return
    memory.writeU16(virtq.VIRTQ_USED_F_NO_NOTIFY, this.#layout.used + virtq.VIRTQ_USED_FLAGS)
    this.#onWrite?.(virtq.VIRTQ_USED_FLAGS, 2)
  }

  /** Asks for notifications again; true when something came in meanwhile, of which none will be sent. */
  enableNotifications(memory: GuestMemoryMmap): boolean {
    const { used } = this.#layout
    const at = this.#eventIdx ? this.#availEvent : used + virtq.VIRTQ_USED_FLAGS
    memory.writeU16(this.#eventIdx ? this.#nextAvail : 0, at)
    this.#onWrite?.(at - used, 2)
    // Pairs with the fence in the driver's `publish`: either it sees the flag, or the index is seen here.
    fence(Ordering.SeqCst)
    return this.hasMore(memory)
  }

  /** Chains made available and not yet popped: a difference of free-running 16-bit indices. */
  #pending(memory: GuestMemoryMmap): number {
    // Acquire: what the driver wrote before it moved the index is to be seen from here on.
    const availIdx = memory.load('u16', this.#layout.avail + virtq.VIRTQ_AVAIL_IDX, Ordering.Acquire)
    return (availIdx - this.#nextAvail) & 0xffff
  }

  /** 2.7.5.3: a table of descriptors elsewhere in memory, which is copied before anything in it is believed. */
  #readTable(memory: GuestMemoryMmap, owner: number, addr: bigint, len: number, chain: ChainReader): void {
    const entries = len / virtq.VirtqDesc.size
    if (entries < 1 || entries > INDIRECT_MAX || !Number.isInteger(entries)) {
      throw new VirtqError(`descriptor ${owner} has an indirect table of ${len} bytes`)
    }
    if (addr + BigInt(len) > 1n << 64n) throw new VirtqError(`descriptor ${owner} wraps around the address space`)
    const table = memory.readObj([virtq.VirtqDesc, entries], addr)
    let index = 0
    for (let count = 1; ; count++) {
      if (index >= entries)
        throw new VirtqError(`indirect descriptor ${index} is out of range in a table of ${entries}`)
      if (count > entries) throw new VirtqError(`the indirect table of descriptor ${owner} has a loop`)
      const descriptor = table[index] as (typeof table)[number]
      if (descriptor.flags & virtq.VIRTQ_DESC_F_INDIRECT) {
        throw new VirtqError(`indirect descriptor ${index} is indirect itself`)
      }
      chain.add(index, descriptor.addr, descriptor.len, descriptor.flags)
      if (!(descriptor.flags & virtq.VIRTQ_DESC_F_NEXT)) return
      index = descriptor.next
    }
  }
}

/** Takes the buffers of a chain in, one descriptor after the other, and sees that together they keep the rules. */
class ChainReader implements DescriptorChain {
  readonly head: number
  readonly readable: ChainBuffer[] = []
  readonly writable: ChainBuffer[] = []
  #bytes = 0

  constructor(head: number) {
    this.head = head
  }

  add(index: number, addr: bigint, len: number, flags: number): void {
    if (addr + BigInt(len) > 1n << 64n) throw new VirtqError(`descriptor ${index} wraps around the address space`)
    this.#bytes += len
    // 2.7.5.2: a chain is at most 2^32 bytes long.
    if (this.#bytes > 2 ** 32) throw new VirtqError(`the chain at descriptor ${this.head} is longer than 2^32 bytes`)
    if (flags & virtq.VIRTQ_DESC_F_WRITE) {
      this.writable.push({ addr, len })
    } else {
      // 2.7.4.2
      if (this.writable.length > 0) throw new VirtqError(`descriptor ${index} is readable after a writable one`)
      this.readable.push({ addr, len })
    }
  }
}
