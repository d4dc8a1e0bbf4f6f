import { KIB } from './memory-layout.js'

/** How far a buffer may run into the memory after the pool's own. */
const OVERHANG = 64 * KIB

/** A piece of guest memory for data in flight, and the pools whose memory it is in: two, when it crosses a border. */
export interface PooledBuffer {
  readonly addr: number
  readonly len: number
  readonly pools: readonly BufferPool[]
}

/**
 * Memory of the guest from which its driver takes data buffers: one after the other, and from the start again when all
 * have come back. A pool knows when nothing in it is in flight, which is when its memory may be unplugged.
 */
export class BufferPool {
  readonly start: number
  readonly end: number
  /** Whether buffers may be taken; the guest closes a pool before its memory goes. */
  open: boolean
  /** The pool of the memory that begins where this one ends. */
  next: BufferPool | null = null
  #at: number
  #inFlight = 0

  constructor(start: number, end: number, open = true) {
    this.start = start
    this.end = end
    this.open = open
    this.#at = start
  }

  get idle(): boolean {
    return this.#inFlight === 0
  }

  /** `length` bytes, or null when there is no room now. */
  take(length: number): PooledBuffer | null {
    if (!this.open) return null
    if (this.idle) this.#at = this.start
    const limit = this.next?.open ? this.end + OVERHANG : this.end
    const addr = this.#at
    if (addr >= this.end || addr + length > limit) return null
    this.#at = addr + length
    const pools = addr + length > this.end && this.next !== null ? [this, this.next] : [this]
    for (const pool of pools) pool.#inFlight++
    return { addr, len: length, pools }
  }

  /** A buffer at the start of the pool even if it is closed: to see what the device says to memory that is gone. */
  takeAnyway(length: number): PooledBuffer {
    this.#inFlight++
    return { addr: this.start, len: length, pools: [this] }
  }

  static giveBack({ pools }: PooledBuffer): void {
    for (const pool of pools) pool.#inFlight--
  }
}
