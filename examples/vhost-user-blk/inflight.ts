/**
 * The record of the requests in flight (protocol feature INFLIGHT_SHMFD). It lies in memory that the front-end shares,
 * so it outlives this process: the front-end hands it to the next back-end. The rings alone do not tell which requests
 * are in flight. Requests end out of order, so a used index of 7 does not mean that the first seven available chains
 * are done.
 *
 *     offset 0   le64 features          0
 *            8   le16 version           1; 0 while nobody has written here
 *           10   le16 desc_num          how many entries follow
 *           12   le16 last_batch_head   the chain that was given back last
 *           14   le16 used_idx          the used index after that
 *           16   for each head of a chain:
 *                  u8   inflight        1 while a back-end has the chain
 *                  u8   padding[5]
 *                  le16 next            the chain that was given back before it
 *                  le64 counter         ascends in the order in which chains were taken
 *
 * A process can be killed between any two stores, but not within one. So each field is stored atomically, and in the
 * order that the vhost-user specification gives ("Inflight I/O tracking", for split virtqueues). After each store, what
 * is there says for each chain whether it has to be served again.
 */
import { FileOffset, GuestMemoryMmap, Ordering } from '../../index.js'
import { alignUp, nextIndex } from '../virtio/virtq.js'
import type { InflightDescription } from './message.js'

const VERSION = 8
const DESC_NUM = 10
const LAST_BATCH_HEAD = 12
const USED_IDX = 14
const HEADER_SIZE = 16

const INFLIGHT = 0
const NEXT = 6
const COUNTER = 8
const ENTRY_SIZE = 16

const CURRENT_VERSION = 1

/** The region is not one that a back-end can have left behind, or not one for these queues. */
export class InflightError extends Error {
  override readonly name = 'InflightError'
}

/** Returns the bytes for a queue of `size` entries: whole cache lines, so that no two queues share one. */
const partSize = (size: number): number => alignUp(HEADER_SIZE + ENTRY_SIZE * size, 64)

/** Returns the bytes for all queues. */
export const inflightSize = ({ numQueues, queueSize }: Pick<InflightDescription, 'numQueues' | 'queueSize'>): number =>
  numQueues * partSize(queueSize)

/** The record of all queues, mapped into this process. */
export class InflightRegion {
  readonly #memory: GuestMemoryMmap
  readonly #description: InflightDescription

  /** Gives the memory back. No queue may be tracked any more. */
  release(): void {
    for (const region of this.#memory) region.release()
  }

  /** Maps the region; `fd` stays the caller's. Throws `InflightError`. */
  constructor(fd: number, description: InflightDescription) {
    const { mmapSize, mmapOffset, numQueues, queueSize } = description
    const size = inflightSize(description)
    if (numQueues === 0 || queueSize === 0 || mmapSize < size) {
      throw new InflightError(`${mmapSize} bytes for ${numQueues} queues of ${queueSize} entries`)
    }
    try {
      using file = new FileOffset(fd, mmapOffset)
      this.#memory = GuestMemoryMmap.fromRanges([[0, size, file]], { recoverFaults: true })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new InflightError(`the region of requests in flight cannot be mapped: ${reason}`, { cause: error })
    }
    this.#description = description
  }

  /** Returns the record of the queue `index`, which has `size` entries. Throws `InflightError`. */
  queue(index: number, size: number): InflightQueue {
    const { numQueues, queueSize } = this.#description
    if (index >= numQueues || size > queueSize) {
      throw new InflightError(`the region of requests in flight has ${numQueues} queues of ${queueSize} entries`)
    }
    return new InflightQueue(this.#memory, index * partSize(queueSize), queueSize)
  }
}

/** A chain that a back-end has taken and not given back. */
interface Entry {
  readonly head: number
  readonly counter: bigint
}

/** The record of one queue. The front-end can change it at any time, so each field is read once and checked. */
export class InflightQueue {
  readonly #memory: GuestMemoryMmap
  readonly #base: number
  readonly #size: number
  #counter = 0

  /** Uses the record at `base` in `memory`, of a queue of `size` entries. */
  constructor(memory: GuestMemoryMmap, base: number, size: number) {
    this.#memory = memory
    this.#base = base
    this.#size = size
  }

  /**
   * Returns the heads of the chains that are in flight, in the order in which a back-end before this one took them;
   * null if there was none. `usedIdx` is the index of the used ring. Throws `InflightError`.
   */
  recover(usedIdx: number): number[] | null {
    if (this.#load(VERSION) === 0) {
      for (let head = 0; head < this.#size; head++) this.#setInflight(head, 0)
      this.#store(DESC_NUM, this.#size)
      this.#store(USED_IDX, usedIdx)
      this.#store(VERSION, CURRENT_VERSION)
      return null
    }
    this.#check()
    this.#finishLastBatch(usedIdx)
    const entries: Entry[] = []
    for (let head = 0; head < this.#size; head++) {
      const entry = this.#entry(head)
      if (this.#memory.load('u8', entry + INFLIGHT, Ordering.Acquire) === 0) continue
      entries.push({ head, counter: this.#memory.load('u64', entry + COUNTER, Ordering.Relaxed) })
    }
    entries.sort((a, b) => (a.counter < b.counter ? -1 : 1))
    const last = Number(entries.at(-1)?.counter ?? -1n)
    // Nobody can count so far.
    if (last >= Number.MAX_SAFE_INTEGER) throw new InflightError(`a request in flight is number ${last}`)
    this.#counter = last + 1
    return entries.map(({ head }) => head)
  }

  /** Notes that the chain at `head` was taken from the available ring. */
  take(head: number): void {
    const [entry, counter] = [this.#entry(head), this.#counter++]
    // In halves: a store of 64 bits takes 1.2 µs, two of 32 bits a tenth of that. Nobody reads them before `inflight`
    // is set.
    this.#memory.store('u32', counter >>> 0, entry + COUNTER, Ordering.Relaxed)
    this.#memory.store('u32', Math.floor(counter / 2 ** 32), entry + COUNTER + 4, Ordering.Relaxed)
    this.#setInflight(head, 1)
  }

  /** Notes that the chain at `head` is given back next: if the used index moves, it is in flight no more. */
  beginReturn(head: number): void {
    this.#memory.store('u16', this.#load(LAST_BATCH_HEAD), this.#entry(head) + NEXT, Ordering.Relaxed)
    this.#store(LAST_BATCH_HEAD, head)
  }

  /** Notes that the chain at `head` was given back, which moved the used index to `usedIdx`. */
  endReturn(head: number, usedIdx: number): void {
    this.#setInflight(head, 0)
    this.#store(USED_IDX, usedIdx)
  }

  #check(): void {
    const [version, entries] = [this.#load(VERSION), this.#load(DESC_NUM)]
    if (version !== CURRENT_VERSION) throw new InflightError(`the region of requests in flight has version ${version}`)
    if (entries !== this.#size) {
      throw new InflightError(`the region of requests in flight has ${entries} entries instead of ${this.#size}`)
    }
  }

  /** Clears the chains of the last batch, when a back-end moved the used index and died before it had noted that. */
  #finishLastBatch(usedIdx: number): void {
    let head = this.#load(LAST_BATCH_HEAD)
    for (let at = this.#load(USED_IDX), count = 0; at !== usedIdx; at = nextIndex(at), count++) {
      if (head >= this.#size || count >= this.#size)
        throw new InflightError('the last batch of requests in flight goes nowhere')
      this.#setInflight(head, 0)
      head = this.#memory.load('u16', this.#entry(head) + NEXT, Ordering.Relaxed)
    }
    this.#store(USED_IDX, usedIdx)
  }

  #entry(head: number): number {
    return this.#base + HEADER_SIZE + ENTRY_SIZE * head
  }

  #setInflight(head: number, value: 0 | 1): void {
    this.#memory.store('u8', value, this.#entry(head) + INFLIGHT, Ordering.Release)
  }

  #load(field: number): number {
    return this.#memory.load('u16', this.#base + field, Ordering.Acquire)
  }

  #store(field: number, value: number): void {
    this.#memory.store('u16', value, this.#base + field, Ordering.Release)
  }
}
