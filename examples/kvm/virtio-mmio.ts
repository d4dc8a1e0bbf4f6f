/** The registers of a virtio device in the physical address space (virtio 1.2, 4.2.2), as all threads see them. */
import type { VirtqLayout } from '../virtio/virtq.js'

export const VIRTIO_MMIO_SIZE = 0x200
export const MAGIC_VALUE = 0x000
export const VERSION = 0x004
export const DEVICE_ID = 0x008
export const QUEUE_NUM_MAX = 0x034
export const QUEUE_NUM = 0x038
export const QUEUE_READY = 0x044
export const QUEUE_NOTIFY = 0x050
export const STATUS = 0x070
export const QUEUE_DESC = 0x080
export const QUEUE_DRIVER = 0x090
export const QUEUE_DEVICE = 0x0a0
export const CONFIG = 0x100

/** Of the status (2.1) */
export const DEVICE_NEEDS_RESET = 64

export const MAX_ENTRIES = 256

/** Stores that the device has seen when the processor goes on. */
const SYNCHRONOUS: ReadonlySet<number> = new Set([QUEUE_READY, STATUS])

/** Behind the registers: how many synchronous stores there were, and how many of them the device has seen. */
const STORED = VIRTIO_MMIO_SIZE / 4
const SEEN = STORED + 1

export class VirtioMmio {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  /** New registers of a disk, or those of `shared`. */
  constructor(what: { readonly sectors: number } | SharedArrayBuffer) {
    this.shared = what instanceof SharedArrayBuffer ? what : new SharedArrayBuffer(VIRTIO_MMIO_SIZE + 8)
    this.#words = new Int32Array(this.shared)
    if (what instanceof SharedArrayBuffer) return
    // "virt", and a block device of the version after the first drafts
    this.set(MAGIC_VALUE, 0x74726976)
    this.set(VERSION, 2)
    this.set(DEVICE_ID, 2)
    this.set(QUEUE_NUM_MAX, MAX_ENTRIES)
    this.set(CONFIG, what.sectors % 2 ** 32)
    this.set(CONFIG + 4, Math.floor(what.sectors / 2 ** 32))
  }

  get(register: number): number {
    return Atomics.load(this.#words, register / 4) >>> 0
  }

  set(register: number, value: number): void {
    Atomics.store(this.#words, register / 4, value)
  }

  /** A processor stores here. `ring` wakes the device; in some registers, its answer is waited for. */
  store(register: number, value: number, ring: () => void): void {
    if (register >= QUEUE_NUM && register < CONFIG) this.set(register, value)
    if (!SYNCHRONOUS.has(register)) return
    const stored = Atomics.add(this.#words, STORED, 1) + 1
    ring()
    for (let seen; (seen = Atomics.load(this.#words, SEEN)) < stored;) Atomics.wait(this.#words, SEEN, seen)
  }

  /** The device looks at what was stored, and does something about it before the processor goes on. */
  see(act: () => void): void {
    const stored = Atomics.load(this.#words, STORED)
    if (stored === Atomics.load(this.#words, SEEN)) return
    act()
    Atomics.store(this.#words, SEEN, stored)
    Atomics.notify(this.#words, SEEN)
  }

  /** Where the driver says that the queue is; null while it says that there is none. */
  get queue(): VirtqLayout | null {
    if (this.get(QUEUE_READY) !== 1) return null
    const address = (register: number): number => this.get(register) + this.get(register + 4) * 2 ** 32
    return {
      size: this.get(QUEUE_NUM),
      desc: address(QUEUE_DESC),
      avail: address(QUEUE_DRIVER),
      used: address(QUEUE_DEVICE),
    }
  }
}
