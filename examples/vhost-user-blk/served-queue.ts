import { closeSync } from 'node:fs'
import { Ordering, type GuestMemoryAtomic, type GuestMemoryLoadGuard } from '../../index.js'
import { EventSource, signal } from '../host/event-fd.js'
import { DeviceQueue, VirtqError, type DescriptorChain } from '../virtio/device-queue.js'
import * as virtq from '../virtio/virtq.js'
import { isExpected, type BlkRequests } from './blk-requests.js'
import type { DirtyLog } from './dirty-log.js'
import type { InflightQueue } from './inflight.js'
import { isLost } from './lost-memory.js'

export interface QueueStart {
  readonly layout: virtq.VirtqLayout
  readonly nextAvail: number
  readonly indirect: boolean
  readonly eventIdx: boolean
  readonly enabled: boolean
  /** Where the used ring lies in the log; null where writes to it are not to be logged. */
  readonly usedLog: number | null
}

/** What the queue tells the rest of the device. */
export interface QueueEvents {
  log(line: string): void
  /** The front-end has taken memory away. */
  lost(why: string): void
}

/** What the queue tells with descriptors; null where the front-end gave none. */
export type QueueDescriptor = 'kick' | 'call' | 'err'

/**
 * A virtqueue that is being served: it wakes up when the driver kicks, starts all requests that are there, and gives
 * each back when its disk I/O is done. Each request has a guard of its own on the memory as it was when the request was
 * taken.
 */
export class ServedQueue {
  readonly #memory: GuestMemoryAtomic
  readonly #requests: BlkRequests
  readonly #queue: DeviceQueue
  readonly #size: number
  readonly #inflight: InflightQueue | null
  readonly #dirty: DirtyLog
  readonly #events: QueueEvents
  /** The heads of the chains that another back-end has taken and not given back. */
  readonly #toResubmit: number[]
  #kick: EventSource | null = null
  #call: number | null = null
  #err: number | null = null
  #enabled: boolean
  #usedLog: number | null
  #broken = false
  #inFlight = 0
  #stopped: (() => void) | null = null

  /** Goes on where another back-end has stopped or died, as `inflight` tells. Throws `InflightError`. */
  constructor(
    memory: GuestMemoryAtomic,
    requests: BlkRequests,
    start: QueueStart,
    inflight: InflightQueue | null,
    dirty: DirtyLog,
    events: QueueEvents,
  ) {
    this.#memory = memory
    this.#requests = requests
    this.#size = start.layout.size
    this.#inflight = inflight
    this.#dirty = dirty
    this.#usedLog = start.usedLog
    this.#events = events
    this.#enabled = start.enabled
    using guard = memory.memory()
    const usedIdx = guard.load('u16', start.layout.used + virtq.VIRTQ_USED_IDX, Ordering.Relaxed)
    const taken = inflight?.recover(usedIdx) ?? null
    this.#toResubmit = taken ?? []
    if (this.#toResubmit.length > 0) events.log(`${this.#toResubmit.length} requests in flight are served again`)
    // A chain that was taken has been given back, or is in flight. So their sum is the available index that the other
    // back-end had come to. The front-end cannot know it: it never sees the available index of a back-end that dies.
    const nextAvail = taken === null ? start.nextAvail : (usedIdx + taken.length) & 0xffff
    const onWrite = (offset: number, count: number): void => {
      if (this.#usedLog !== null) dirty.mark(this.#usedLog + offset, count)
    }
    this.#queue = new DeviceQueue(start.layout, { ...start, nextAvail, usedIdx, onWrite })
  }

  /** Takes the descriptor over. */
  setDescriptor(what: QueueDescriptor, fd: number | null): void {
    switch (what) {
      case 'kick':
        this.#kick?.close()
        this.#kick = fd === null ? null : new EventSource(fd, () => this.#serve())
        // Another back-end may have read the last kick, and died before it served the requests.
        if (fd !== null) setImmediate(() => this.#serve())
        break
      case 'call':
        if (this.#call !== null) closeSync(this.#call)
        this.#call = fd
        // The driver may be waiting for what was told through the old one.
        if (fd !== null) signal(fd)
        break
      case 'err':
        if (this.#err !== null) closeSync(this.#err)
        this.#err = fd
        break
    }
  }

  /** Logs what is written to the used ring there, or nowhere. */
  logUsed(at: number | null): void {
    this.#usedLog = at
  }

  enable(enabled: boolean): void {
    this.#enabled = enabled
    // There was no one to hear a kick before.
    this.#serve()
  }

  /** Serves what is in flight, and nothing more. Returns the available index to go on with. */
  async stop(): Promise<number> {
    this.#enabled = false
    this.setDescriptor('kick', null)
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#stopped = resolve))
    this.setDescriptor('call', null)
    this.setDescriptor('err', null)
    return this.#queue.nextAvail
  }

  #serve(): void {
    // A driver that is as fast as the device must not keep the event loop from the disk.
    for (let turn = 0; turn < this.#size; turn++) {
      if (!this.#enabled || this.#broken) return
      const guard = this.#memory.memory()
      let chain: DescriptorChain | null = null
      try {
        chain = this.#next(guard)
      } catch (error) {
        this.#break(error)
      }
      if (chain === null) {
        guard.dispose()
        return
      }
      this.#start(guard, chain)
    }
    setImmediate(() => this.#serve())
  }

  #next(guard: GuestMemoryLoadGuard): DescriptorChain | null {
    const again = this.#toResubmit.shift()
    if (again !== undefined) return this.#queue.chainAt(guard, again)
    this.#queue.disableNotifications(guard)
    for (;;) {
      const chain = this.#queue.pop(guard)
      if (chain === null) {
        if (!this.#queue.enableNotifications(guard)) return null
        continue
      }
      if (this.#inFlight >= this.#size) throw new VirtqError(`more than ${this.#size} requests in flight`)
      this.#inflight?.take(chain.head)
      return chain
    }
  }

  /** The guard is the request's from here on. */
  #start(guard: GuestMemoryLoadGuard, chain: DescriptorChain): void {
    this.#inFlight++
    try {
      const isAlone = this.#inFlight === 1 && !this.#queue.hasMore(guard)
      this.#requests.serve(guard, chain, isAlone, (error, written) => this.#finish(guard, chain, error, written))
    } catch (error) {
      this.#finish(guard, chain, error, 0)
    }
  }

  #finish(guard: GuestMemoryLoadGuard, { head, writable }: DescriptorChain, error: unknown, written: number): void {
    try {
      // Of what has failed as well: some of it may have been written.
      for (const { addr, len } of writable) this.#dirty.mark(addr, len)
      if (error !== null) throw error
      this.#inflight?.beginReturn(head)
      const isWanted = this.#queue.push(guard, head, written)
      this.#inflight?.endReturn(head, this.#queue.usedIdx)
      if (isWanted && this.#call !== null) signal(this.#call)
    } catch (error) {
      this.#break(error)
    } finally {
      guard.dispose()
      this.#inFlight--
    }
    if (this.#inFlight === 0) this.#stopped?.()
  }

  /** Nothing more is taken from the queue. The front-end may want to know. */
  #break(error: unknown): void {
    if (!isExpected(error)) throw error
    this.#broken = true
    if (isLost(error)) return this.#events.lost(error.message)
    this.#events.log(`stopped: ${error.message}`)
    if (this.#err !== null) signal(this.#err)
  }
}
