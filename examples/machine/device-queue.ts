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

/** The driver broke the rules of the queue; nothing in it can be trusted any more. */
export class VirtqError extends Error {
  override readonly name = 'VirtqError'
}

/**
 * The device's half of a split virtqueue (2.7). The guest may change its memory at any moment, so each field is read
 * once, checked, and then used from here. Methods take the snapshot of the memory that serves the request.
 */
export class DeviceQueue {
  readonly #layout: virtq.VirtqLayout
  #nextAvail = 0
  #usedIdx = 0

  constructor(layout: virtq.VirtqLayout) {
    this.#layout = layout
  }

  /** The next chain that the driver has made available, null when there is none. Throws `VirtqError`. */
  pop(memory: GuestMemoryMmap): DescriptorChain | null {
    const { avail, size } = this.#layout
    const pending = this.#pending(memory)
    if (pending === 0) return null
    if (pending > size) throw new VirtqError(`the available index is ${pending} ahead in a queue of ${size}`)
    const head = memory.readU16(avail + virtq.VIRTQ_AVAIL_RING + 2 * (this.#nextAvail % size))
    const chain = this.#readChain(memory, head)
    this.#nextAvail = virtq.nextIndex(this.#nextAvail)
    return chain
  }

  /** Gives a chain back, with the bytes written to it (2.7.8.2); true when the driver wants an interrupt for that. */
  push(memory: GuestMemoryMmap, head: number, len: number): boolean {
    const { avail, used, size } = this.#layout
    const slot = this.#usedIdx % size
    const entry = used + virtq.VIRTQ_USED_RING + virtq.VIRTQ_USED_ELEM_SIZE * slot
    memory.writeU32(head, entry + virtq.VIRTQ_USED_ELEM_ID)
    memory.writeU32(len, entry + virtq.VIRTQ_USED_ELEM_LEN)
    this.#usedIdx = virtq.nextIndex(this.#usedIdx)
    // 2.7.8.2: the element, and all that the request wrote, before the index.
    memory.store('u16', this.#usedIdx, used + virtq.VIRTQ_USED_IDX, Ordering.Release)
    // 2.7.7: the flags count as they are once the index is visible; read earlier, an interrupt could be lost.
    fence(Ordering.SeqCst)
    return (memory.readU16(avail + virtq.VIRTQ_AVAIL_FLAGS) & virtq.VIRTQ_AVAIL_F_NO_INTERRUPT) === 0
  }

  /** Asks the driver not to notify, while the device is at work anyway (2.7.10). */
  disableNotifications(memory: GuestMemoryMmap): void {
    memory.writeU16(virtq.VIRTQ_USED_F_NO_NOTIFY, this.#layout.used + virtq.VIRTQ_USED_FLAGS)
  }

  /** Asks for notifications again; true when something came in meanwhile, of which none will be sent. */
  enableNotifications(memory: GuestMemoryMmap): boolean {
    memory.writeU16(0, this.#layout.used + virtq.VIRTQ_USED_FLAGS)
    // Pairs with the fence in the driver's `publish`: either it sees the flag, or the index is seen here.
    fence(Ordering.SeqCst)
    return this.#pending(memory) > 0
  }

  /** Chains made available and not yet popped: a difference of free-running 16-bit indices. */
  #pending(memory: GuestMemoryMmap): number {
    // Acquire: what the driver wrote before it moved the index is to be seen from here on.
    const availIdx = memory.load('u16', this.#layout.avail + virtq.VIRTQ_AVAIL_IDX, Ordering.Acquire)
    return (availIdx - this.#nextAvail) & 0xffff
  }

  #readChain(memory: GuestMemoryMmap, head: number): DescriptorChain {
    const { desc, size } = this.#layout
    const readable: ChainBuffer[] = []
    const writable: ChainBuffer[] = []
    let index = head
    let bytes = 0
    for (let count = 1; ; count++) {
      if (index >= size) throw new VirtqError(`descriptor ${index} is out of range in a queue of ${size}`)
      if (count > size) throw new VirtqError(`the chain at descriptor ${head} has a loop`)
      const entry = desc + virtq.VIRTQ_DESC_SIZE * index
      const addr = memory.readU64(entry + virtq.VIRTQ_DESC_ADDR)
      const len = memory.readU32(entry + virtq.VIRTQ_DESC_LEN)
      const flags = memory.readU16(entry + virtq.VIRTQ_DESC_FLAGS)
      const next = memory.readU16(entry + virtq.VIRTQ_DESC_NEXT)
      if (flags & virtq.VIRTQ_DESC_F_INDIRECT) {
        throw new VirtqError(`descriptor ${index} is indirect, which was not negotiated`)
      }
      if (addr + BigInt(len) > 1n << 64n) throw new VirtqError(`descriptor ${index} wraps around the address space`)
      bytes += len
      // 2.7.5.2: a chain is at most 2^32 bytes long.
      if (bytes > 2 ** 32) throw new VirtqError(`the chain at descriptor ${head} is longer than 2^32 bytes`)
      if (flags & virtq.VIRTQ_DESC_F_WRITE) {
        writable.push({ addr, len })
      } else {
        // 2.7.4.2
        if (writable.length > 0) throw new VirtqError(`descriptor ${index} is readable after a writable one`)
        readable.push({ addr, len })
      }
      if (!(flags & virtq.VIRTQ_DESC_F_NEXT)) return { head, readable, writable }
      index = next
    }
  }
}
