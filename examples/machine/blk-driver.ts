import type { GuestMemoryAtomic } from '../../index.js'
import { DriverQueue, type DriverBuffer } from './driver-queue.js'
import * as blk from '../virtio/virtio-blk.js'
import type { VirtqLayout } from '../virtio/virtq.js'

/** Header and status of a request, 32 bytes for each that can be in flight. */
const SLOT_SIZE = 32
const STATUS = blk.VirtioBlkReq.size
/** No status of the standard; what is still there when the request comes back was never written. */
const STATUS_PENDING = 0xff

/** Requests whose data the device reads. */
const READABLE: ReadonlySet<number> = new Set([
  blk.VIRTIO_BLK_T_OUT,
  blk.VIRTIO_BLK_T_DISCARD,
  blk.VIRTIO_BLK_T_WRITE_ZEROES,
])

/** A request that the device has given back. */
export interface Completion {
  /** What `submit` returned. */
  readonly token: number
  readonly status: number
  /** Bytes that the device says it wrote. */
  readonly len: number
}

/** The guest's half of a block device: turns requests into descriptor chains, and used chains into answers. */
export class BlkDriver {
  readonly #memory: GuestMemoryAtomic
  readonly #queue: DriverQueue
  readonly #freeSlots: number[]
  readonly #slots = new Map<number, number>()

  /** Guest memory that a driver with a queue of `size` needs for its headers and status bytes. */
  static slotBytes(size: number): number {
    return (size / 2) * SLOT_SIZE
  }

  constructor(memory: GuestMemoryAtomic, layout: VirtqLayout, slotBase: number) {
    this.#memory = memory
    this.#queue = new DriverQueue(memory, layout)
    this.#freeSlots = Array.from({ length: layout.size / 2 }, (_, index) => slotBase + SLOT_SIZE * index)
  }

  /** Descriptors that a request's data may take now, next to those of header and status. */
  get dataDescriptors(): number {
    return Math.max(0, this.#queue.free - 2)
  }

  /** Queues a request; returns its token, or null when the queue is full. `publish` shows it to the device. */
  submit(type: number, sector: number, data: readonly DriverBuffer[]): number | null {
    const slot = this.#freeSlots.pop()
    if (slot === undefined) return null
    {
      using guest = this.#memory.memory()
      guest.writeObj(blk.VirtioBlkReq, { type, reserved: 0, sector }, slot)
      guest.writeU8(STATUS_PENDING, slot + STATUS)
    }
    const header = { addr: slot, len: blk.VirtioBlkReq.size }
    const status = { addr: slot + STATUS, len: 1 }
    const token = READABLE.has(type)
      ? this.#queue.add([header, ...data], [status])
      : this.#queue.add([header], [...data, status])
    if (token === null) this.#freeSlots.push(slot)
    else this.#slots.set(token, slot)
    return token
  }

  /** Shows the device what was submitted; true when it wants to be notified. */
  publish(): boolean {
    return this.#queue.publish()
  }

  /** The next answer, null when there is none. */
  complete(): Completion | null {
    const used = this.#queue.take()
    if (used === null) return null
    const slot = this.#slots.get(used.head)
    if (slot === undefined) throw new Error(`descriptor ${used.head} heads no block request`)
    this.#slots.delete(used.head)
    this.#freeSlots.push(slot)
    using guest = this.#memory.memory()
    return { token: used.head, status: guest.readU8(slot + STATUS), len: used.len }
  }
}
