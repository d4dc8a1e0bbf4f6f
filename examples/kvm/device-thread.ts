/** The thread of the disk: it serves the queue from snapshots of the memory, whatever is plugged in or out meanwhile. */
import { parentPort } from 'node:worker_threads'
import { GuestMemoryAtomic, type SharedMemory } from '../../index.js'
import { EventSource } from '../host/event-fd.js'
import { BlkDevice, type BlockBackend } from '../machine/blk-device.js'
import { VirtqError, type QueuePosition } from '../virtio/device-queue.js'
import * as blk from '../virtio/virtio-blk.js'
import { NOTHING_DONE, type DiskCounts } from './disk-counts.js'
import { VcpuControl } from './vcpu-control.js'
import { DEVICE_NEEDS_RESET, MAX_ENTRIES, QUEUE_READY, STATUS, VirtioMmio } from './virtio-mmio.js'

export interface DeviceStart {
  readonly memory: SharedMemory<'GuestMemoryAtomic'>
  readonly disk: BlockBackend
  readonly registers: SharedArrayBuffer
  /** An eventfd, which is the thread's from here on. */
  readonly doorbell: number
  readonly cpus: readonly SharedArrayBuffer[]
  /** Where the queue of a machine that was saved goes on. */
  readonly position: QueuePosition | null
}

export type ToDevice = { readonly start: DeviceStart } | 'quiesce' | 'end'
export type FromDevice =
  /** Nothing is left to do: the answer to `quiesce`. */
  | { readonly is: 'quiet'; readonly position: QueuePosition | null; readonly counts: DiskCounts }
  | { readonly is: 'ended' }
  | { readonly brokenQueue: string }

if (parentPort === null) throw new Error('this is the module of a worker thread')
const port = parentPort
const post = (message: FromDevice): void => port.postMessage(message)

/** Requests between two looks at the doorbell and at messages. */
const BATCH = 64

class Disk {
  readonly #memory: GuestMemoryAtomic
  readonly #backend: BlockBackend
  readonly #registers: VirtioMmio
  readonly #cpus: readonly VcpuControl[]
  readonly #doorbell: EventSource
  readonly #counts = { ...NOTHING_DONE }
  #device: BlkDevice | null = null
  /** What is wrong with the queue cannot be unsaid but by a reset. */
  #isBroken = false

  constructor({ memory, disk, registers, doorbell, cpus, position }: DeviceStart) {
    this.#memory = GuestMemoryAtomic.fromShared(memory)
    this.#backend = disk
    this.#registers = new VirtioMmio(registers)
    this.#cpus = cpus.map((shared) => new VcpuControl(shared))
    this.#isBroken = (this.#registers.get(STATUS) & DEVICE_NEEDS_RESET) !== 0
    if (position !== null) this.#makeDevice(position)
    this.#doorbell = new EventSource(doorbell, () => {
      this.#counts.doorbells++
      this.#registers.see(() => this.#obey())
      this.#device?.notify()
      this.#serve()
    })
  }

  /** Serves all that is there, while no processor runs; returns where the queue goes on, null for none or a broken one. */
  quiesce(): QueuePosition | null {
    this.#registers.see(() => this.#obey())
    this.#device?.notify()
    while (this.#serveOne());
    return this.#device?.position ?? null
  }

  /** What it has done until now. */
  get counts(): DiskCounts {
    const counts = { ...this.#counts }
    if (this.#device !== null) addCounts(counts, this.#device)
    return counts
  }

  close(): void {
    this.#doorbell.close()
    this.#device = null
  }

  /** Serves some requests, and the rest when the event loop has turned. */
  readonly #serve = (): void => {
    for (let count = 0; count < BATCH; count++) if (!this.#serveOne()) return
    setImmediate(this.#serve)
  }

  #serveOne(): boolean {
    const device = this.#device
    if (device === null) return false
    const { interrupts } = device
    const served = device.serveOne()
    if (device.interrupts > interrupts) this.#interrupt()
    if (device.needsReset !== null) this.#break(device.needsReset)
    return served
  }

  /** Does what the driver has stored in the registers of status and queue. */
  #obey(): void {
    if (this.#registers.get(STATUS) === 0) {
      this.#forget()
      this.#isBroken = false
      this.#registers.set(QUEUE_READY, 0)
    } else if (this.#isBroken) {
      this.#registers.set(STATUS, this.#registers.get(STATUS) | DEVICE_NEEDS_RESET)
    } else if (this.#device === null) {
      this.#makeDevice()
    }
  }

  #makeDevice(position?: QueuePosition): void {
    const { queue } = this.#registers
    if (queue === null) return
    try {
      const { size } = queue
      if (size < 1 || size > MAX_ENTRIES || (size & (size - 1)) !== 0)
        throw new VirtqError(`a queue of ${size} entries`)
      this.#device = new BlkDevice(this.#memory, queue, this.#backend, position)
    } catch (error) {
      if (!(error instanceof VirtqError)) throw error
      this.#break(error.message)
    }
  }

  #forget(): void {
    if (this.#device !== null) addCounts(this.#counts, this.#device)
    this.#device = null
  }

  /** What the driver has made up ends the queue, until the driver resets the device, and nothing else. */
  #break(why: string): void {
    this.#forget()
    this.#isBroken = true
    this.#registers.set(QUEUE_READY, 0)
    this.#registers.set(STATUS, this.#registers.get(STATUS) | DEVICE_NEEDS_RESET)
    this.#interrupt()
    post({ brokenQueue: why })
  }

  #interrupt(): void {
    for (const cpu of this.#cpus) cpu.interrupt()
  }
}

function addCounts(counts: DiskCounts, device: BlkDevice): void {
  const [reads, writes] = [device.counts(blk.VIRTIO_BLK_T_IN), device.counts(blk.VIRTIO_BLK_T_OUT)]
  counts.interrupts += device.interrupts
  counts.reads += reads.requests
  counts.writes += writes.requests
  counts.bytes += reads.bytes + writes.bytes
  counts.milliseconds += reads.milliseconds + writes.milliseconds
}

let disk: Disk | null = null

port.on('message', (message: ToDevice) => {
  if (message === 'quiesce') {
    if (disk !== null) post({ is: 'quiet', position: disk.quiesce(), counts: disk.counts })
  } else if (message === 'end') {
    disk?.close()
    disk = null
    post({ is: 'ended' })
  } else {
    disk = new Disk(message.start)
  }
})
