/**
 * The record of the requests in flight (protocol feature INFLIGHT_SHMFD). It lies in memory that the front-end shares,
 * so it outlives this process: the front-end hands it to the next back-end. The rings alone do not tell which requests
 * are in flight. Requests end out of order, so a used index of 7 does not mean that the first seven available chains
 * are done.
 *
 *     header
 *       features        0
 *       version         1; 0 while nobody has written here
 *       descNum         how many entries follow
 *       lastBatchHead   the chain that was given back last
 *       usedIdx         the used index after that
 *     entry, for each head of a chain
 *       inflight        1 while a back-end has the chain
 *       next            the chain that was given back before it
 *       counter         ascends in the order in which chains were taken
 *
 * A process can be killed between any two stores, but not within one. So each field is stored atomically, and in the
 * order that the vhost-user specification gives ("Inflight I/O tracking", for split virtqueues). After each store, what
 * is there says for each chain whether it has to be served again.
 */
import { FileOffset, GuestMemoryMmap, Ordering, struct } from '../../index.js'
import { alignUp, nextIndex } from '../virtio/virtq.js'
import type { InflightDescription } from './message.js'

const Header = struct({ features: 'le64', version: 'le16', descNum: 'le16', lastBatchHead: 'le16', usedIdx: 'le16' })
const Entry = struct({ inflight: 'u8', padding: ['u8', 5], next: 'le16', counter: 'le64' })

/** A field of 16 bits in the header. */
type Field = Exclude<keyof typeof Header.fields, 'features'>

const CURRENT_VERSION = 1

/** The region is not one that a back-end can have left behind, or not one for these queues. */
export class InflightError extends Error {
  override readonly name = 'InflightError'
}

/** Returns the bytes for a queue of `size` entries: whole cache lines, so that no two queues share one. */
const partSize = (size: number): number => alignUp(Header.size + Entry.size * size, 64)

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
    if (this.#load('version') === 0) {
      for (let head = 0; head < this.#size; head++) this.#setInflight(head, 0)
      this.#store('descNum', this.#size)
      this.#store('usedIdx', usedIdx)
      this.#store('version', CURRENT_VERSION)
      return null
    }
    this.#check()
    this.#finishLastBatch(usedIdx)
    const entries: { head: number; counter: bigint }[] = []
    for (let head = 0; head < this.#size; head++) {
      const entry = this.#entry(head)
      if (this.#memory.load('u8', entry + Entry.offsets.inflight, Ordering.Acquire) === 0) continue
      entries.push({ head, counter: this.#memory.load('u64', entry + Entry.offsets.counter, Ordering.Relaxed) })
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
    this.#memory.store('u32', counter >>> 0, entry + Entry.offsets.counter, Ordering.Relaxed)
    this.#memory.store('u32', Math.floor(counter / 2 ** 32), entry + Entry.offsets.counter + 4, Ordering.Relaxed)
    this.#setInflight(head, 1)
  }

  /** Notes that the chain at `head` is given back next: if the used index moves, it is in flight no more. */
  beginReturn(head: number): void {
    this.#memory.store('u16', this.#load('lastBatchHead'), this.#entry(head) + Entry.offsets.next, Ordering.Relaxed)
    this.#store('lastBatchHead', head)
  }

  /** Notes that the chain at `head` was given back, which moved the used index to `usedIdx`. */
  endReturn(head: number, usedIdx: number): void {
    this.#setInflight(head, 0)
    this.#store('usedIdx', usedIdx)
  }

  #check(): void {
    const [version, entries] = [this.#load('version'), this.#load('descNum')]
    if (version !== CURRENT_VERSION) throw new InflightError(`the region of requests in flight has version ${version}`)
    if (entries !== this.#size) {
      throw new InflightError(`the region of requests in flight has ${entries} entries instead of ${this.#size}`)
    }
  }

  /** Clears the chains of the last batch, when a back-end moved the used index and died before it had noted that. */
  #finishLastBatch(usedIdx: number): void {
    let head = this.#load('lastBatchHead')
    for (let at = this.#load('usedIdx'), count = 0; at !== usedIdx; at = nextIndex(at), count++) {
      if (head >= this.#size || count >= this.#size)
        throw new InflightError('the last batch of requests in flight goes nowhere')
      this.#setInflight(head, 0)
      head = this.#memory.load('u16', this.#entry(head) + Entry.offsets.next, Ordering.Relaxed)
    }
    this.#store('usedIdx', usedIdx)
  }

  #entry(head: number): number {
    return this.#base + Header.size + Entry.size * head
  }

  #setInflight(head: number, value: 0 | 1): void {
    this.#memory.store('u8', value, this.#entry(head) + Entry.offsets.inflight, Ordering.Release)
  }

  #load(field: Field): number {
    return this.#memory.load('u16', this.#base + Header.offsets[field], Ordering.Acquire)
  }

  #store(field: Field, value: number): void {
    this.#memory.store('u16', value, this.#base + Header.offsets[field], Ordering.Release)
  }
}
