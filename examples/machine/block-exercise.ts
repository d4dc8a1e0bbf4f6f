import { createHash, type Hash } from 'node:crypto'
import { readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { GuestMemoryAtomic } from '../../index.js'
import type { BlkDevice } from './blk-device.js'
import type { BlkDriver, Completion } from './blk-driver.js'
import { BufferPool, type PooledBuffer } from './buffer-pool.js'
import type { HotPlug } from './hot-plug.js'
import type { SeededRandom } from './seeded-random.js'
import * as blk from '../virtio/virtio-blk.js'
import type { RequestPlan } from './workload.js'

/** Requests in flight at most, if the queue and the buffers allow. */
const DEPTH = 64

export interface ExerciseParts {
  readonly memory: GuestMemoryAtomic
  readonly driver: BlkDriver
  readonly device: BlkDevice
  /** Pools of memory that is always there. */
  readonly pools: readonly BufferPool[]
  readonly hotPlug: HotPlug
  /** Completed requests between two hot-plug events, 0 for none. */
  readonly hotPlugEvery: number
  /** The disk image, on a descriptor of its own. */
  readonly auditFd: number
  readonly diskId: string
  readonly random: SeededRandom
}

interface InFlight {
  readonly plan: RequestPlan
  readonly buffers: readonly PooledBuffer[]
  /** What a write is to write. */
  readonly payload: Buffer | null
  /** The device has to refuse this one. */
  readonly refuse: boolean
}

/** SHA-256 of all data in the order of completion: as the guest had it, and as it is in the file. */
class Digests {
  readonly #guest: Hash = createHash('sha256')
  readonly #file: Hash = createHash('sha256')

  add(guest: Buffer, file: Buffer): boolean {
    this.#guest.update(guest)
    this.#file.update(file)
    return guest.equals(file)
  }

  digest(): { guest: string; file: string } {
    return { guest: this.#guest.digest('hex'), file: this.#file.digest('hex') }
  }
}

/**
 * The life of the machine: the driver issues requests, the device serves them one by one, memory is plugged and unplugged
 * between two of them, and every answer is compared with the disk image, read past the device.
 */
export class BlockExercise {
  readonly #parts: ExerciseParts
  readonly #inFlight = new Map<number, InFlight>()
  /** Buffers in memory that is gone or cannot be written, for requests that have to be refused. */
  readonly #badBuffers: PooledBuffer[] = []
  #reads = new Digests()
  #writes = new Digests()
  #completed = 0
  readonly problems: string[] = []
  notifications = 0
  refused = 0
  /** Buffers in hot-plugged memory, and among them those across the border of two regions. */
  hotPluggedBuffers = 0
  crossingBuffers = 0

  constructor(parts: ExerciseParts) {
    this.#parts = parts
  }

  /** Has the device asked to read into `buffer`, which it must refuse. */
  provoke(buffer: PooledBuffer): void {
    this.#badBuffers.push(buffer)
  }

  /** Makes all requests of `plans`; returns the digests of what was read and what was written. */
  async run(
    plans: Iterable<RequestPlan>,
    advance: () => void,
  ): Promise<Record<'reads' | 'writes', { guest: string; file: string }>> {
    const { driver, device, random } = this.#parts
    const source = plans[Symbol.iterator]()
    let plan = this.#issueAll(source, null)
    while (this.#inFlight.size > 0) {
      if (driver.publish()) {
        this.notifications++
        device.notify()
      }
      // Sometimes the device runs out of requests and goes to sleep; mostly new ones arrive while it works.
      const lowWater = random.below(4) === 0 ? 0 : DEPTH / 2
      let served = 0
      while (device.serveOne()) {
        served++
        for (let done = driver.complete(); done !== null; done = driver.complete()) this.#complete(done, advance)
        if (plan !== null && this.#inFlight.size < lowWater) break
      }
      if (device.needsReset !== null) throw new Error(`the device has stopped: ${device.needsReset}`)
      if (served === 0) throw new Error(`the device does not answer ${this.#inFlight.size} requests`)
      // Timers, signals and the progress bar have their turn.
      await setImmediate()
      plan = this.#issueAll(source, plan)
    }
    if (plan !== null) throw new Error('no memory for a single request')
    const digests = { reads: this.#reads.digest(), writes: this.#writes.digest() }
    this.#reads = new Digests()
    this.#writes = new Digests()
    return digests
  }

  /** Issues `first` and what follows in `source` for as long as there is room; returns what had none, null at the end. */
  #issueAll(source: Iterator<RequestPlan>, first: RequestPlan | null): RequestPlan | null {
    while (this.#badBuffers.length > 0) {
      const plan = { type: blk.VIRTIO_BLK_T_IN, sector: 0, sectors: 1, pieces: 1 }
      if (!this.#submit({ plan, buffers: this.#badBuffers.slice(-1), payload: null, refuse: true })) return first
      this.#badBuffers.pop()
    }
    let plan = first
    for (;;) {
      if (plan === null) {
        const next = source.next()
        if (next.done) return null
        plan = next.value
      }
      if (this.#inFlight.size >= DEPTH || !this.#issue(plan)) return plan
      plan = null
    }
  }

  #issue(plan: RequestPlan): boolean {
    if (this.#conflicts(plan)) return false
    const length = plan.type === blk.VIRTIO_BLK_T_GET_ID ? blk.VIRTIO_BLK_ID_BYTES : plan.sectors * blk.SECTOR_SIZE
    const buffers = this.#takeBuffers(length, plan.pieces)
    if (buffers === null) return false
    const payload = plan.type === blk.VIRTIO_BLK_T_OUT ? this.#parts.random.bytes(length) : null
    if (payload !== null) {
      using guest = this.#parts.memory.memory()
      let at = 0
      for (const { addr, len } of buffers) {
        guest.writeSlice(payload.subarray(at, at + len), addr)
        at += len
      }
    }
    if (this.#submit({ plan, buffers, payload, refuse: false })) return true
    for (const buffer of buffers) BufferPool.giveBack(buffer)
    return false
  }

  #submit(flight: InFlight): boolean {
    const token = this.#parts.driver.submit(flight.plan.type, flight.plan.sector, flight.buffers)
    if (token === null) return false
    this.#inFlight.set(token, flight)
    return true
  }

  /** A device may serve requests in any order, so no two in flight touch the same sectors when one of them writes. */
  #conflicts({ type, sector, sectors }: RequestPlan): boolean {
    for (const { plan } of this.#inFlight.values()) {
      if (type === blk.VIRTIO_BLK_T_IN && plan.type === blk.VIRTIO_BLK_T_IN) continue
      if (sector < plan.sector + plan.sectors && plan.sector < sector + sectors) return true
    }
    return false
  }

  /** `length` bytes in up to `pieces` buffers of any length, each from any pool that has room. */
  #takeBuffers(length: number, pieces: number): PooledBuffer[] | null {
    const { driver, random, hotPlug } = this.#parts
    if (length === 0) return []
    const count = Math.min(pieces, driver.dataDescriptors)
    if (count === 0) return null
    const cuts = Array.from({ length: count - 1 }, () => random.below(length)).toSorted((a, b) => a - b)
    const borders = [0, ...cuts, length]
    const buffers: PooledBuffer[] = []
    for (let piece = 0; piece < count; piece++) {
      const len = (borders[piece + 1] as number) - (borders[piece] as number)
      if (len === 0) continue
      const buffer = this.#takeBuffer(len)
      if (buffer === null) {
        for (const taken of buffers) BufferPool.giveBack(taken)
        return null
      }
      buffers.push(buffer)
    }
    for (const { pools } of buffers) {
      if (hotPlug.pools.includes(pools[0] as BufferPool)) this.hotPluggedBuffers++
      if (pools.length > 1) this.crossingBuffers++
    }
    return buffers
  }

  #takeBuffer(length: number): PooledBuffer | null {
    const { pools, hotPlug, random } = this.#parts
    const candidates = [...pools, ...hotPlug.pools]
    const first = random.below(candidates.length)
    for (let turn = 0; turn < candidates.length; turn++) {
      const buffer = candidates[(first + turn) % candidates.length]?.take(length)
      if (buffer) return buffer
    }
    return null
  }

  #complete(done: Completion, advance: () => void): void {
    const flight = this.#inFlight.get(done.token) as InFlight
    this.#inFlight.delete(done.token)
    const problem = this.#problemWith(flight, done)
    if (problem !== null)
      this.problems.push(`request type ${flight.plan.type}, sector ${flight.plan.sector}: ${problem}`)
    for (const buffer of flight.buffers) BufferPool.giveBack(buffer)
    const { hotPlug, hotPlugEvery } = this.#parts
    if (flight.refuse) {
      this.refused++
    } else {
      this.#completed++
      advance()
      if (hotPlugEvery > 0 && this.#completed % hotPlugEvery === 0) hotPlug.event()
    }
    const gone = hotPlug.settle()
    if (gone !== null) this.provoke(gone.takeAnyway(blk.SECTOR_SIZE))
  }

  /** Checks an answer against the disk image; null when it is right. */
  #problemWith({ plan, buffers, payload, refuse }: InFlight, { status, len }: Completion): string | null {
    const expected = refuse ? blk.VIRTIO_BLK_S_IOERR : blk.VIRTIO_BLK_S_OK
    if (status !== expected) return `status ${status}, expected ${expected}`
    if (refuse) return null
    const length = buffers.reduce((sum, buffer) => sum + buffer.len, 0)
    const written = payload === null ? length + 1 : 1
    if (len !== written) return `the device wrote ${len} bytes, expected ${written}`
    switch (plan.type) {
      case blk.VIRTIO_BLK_T_IN:
        return this.#reads.add(this.#gather(buffers), this.#onDisk(plan))
          ? null
          : 'what was read is not what is in the file'
      case blk.VIRTIO_BLK_T_OUT:
        return this.#writes.add(payload as Buffer, this.#onDisk(plan))
          ? null
          : 'what was written is not what is in the file'
      case blk.VIRTIO_BLK_T_GET_ID:
        return this.#gather(buffers).toString('latin1').replace(/\0+$/, '') === this.#parts.diskId ? null : 'wrong id'
      default:
        return null
    }
  }

  #gather(buffers: readonly PooledBuffer[]): Buffer {
    using guest = this.#parts.memory.memory()
    return Buffer.concat(
      buffers.map(({ addr, len }) => {
        const bytes = Buffer.alloc(len)
        guest.readSlice(bytes, addr)
        return bytes
      }),
    )
  }

  #onDisk({ sector, sectors }: RequestPlan): Buffer {
    const bytes = Buffer.alloc(sectors * blk.SECTOR_SIZE)
    const count = readSync(this.#parts.auditFd, bytes, 0, bytes.length, sector * blk.SECTOR_SIZE)
    return bytes.subarray(0, count)
  }
}
