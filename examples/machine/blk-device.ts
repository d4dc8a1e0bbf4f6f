import { fdatasyncSync } from 'node:fs'
import type { GuestMemoryAtomic, GuestMemoryMmap } from '../../index.js'
import { part, positionOf, readHeader, RequestError, totalLength } from '../virtio/blk-request.js'
import {
  DeviceQueue,
  VirtqError,
  type ChainBuffer,
  type DescriptorChain,
  type QueuePosition,
} from '../virtio/device-queue.js'
import { errorCode } from './input-file.js'
import { readFully, writeFully } from './positioned-io.js'
import * as blk from '../virtio/virtio-blk.js'
import type { VirtqLayout } from '../virtio/virtq.js'

/** What stands behind the device: a file of whole sectors. */
export interface BlockBackend {
  readonly fd: number
  readonly sectors: number
  readonly id: string
}

const KNOWN_TYPES: ReadonlySet<number> = new Set([
  blk.VIRTIO_BLK_T_IN,
  blk.VIRTIO_BLK_T_OUT,
  blk.VIRTIO_BLK_T_FLUSH,
  blk.VIRTIO_BLK_T_GET_ID,
])
/** Under this all other types are counted, for a guest can think of 2^32. */
const OTHER_TYPES = -1

/** What the device did with requests of one type. */
export interface RequestCounts {
  requests: number
  failed: number
  bytes: number
  milliseconds: number
}

/** Errors that a guest can bring about at will: bad addresses, read-only memory, and the disk's own. */
function isExpected(error: unknown): boolean {
  if (error instanceof RequestError || error instanceof VirtqError) return true
  if (!(error instanceof Error)) return false
  return (
    error.name === 'GuestMemoryError' || error.name === 'VolatileMemoryError' || 'errno' in error || isReadOnly(error)
  )
}

function isReadOnly(error: unknown): boolean {
  return errorCode(error) === 'ERR_PROTECTION'
}

/**
 * A virtio block device (5.2) on one queue. It knows the guest's memory and where the queue lies, nothing of the driver,
 * and trusts nothing that it finds there: a bad request gets VIRTIO_BLK_S_IOERR, a broken queue stops the device.
 */
export class BlkDevice {
  readonly #memory: GuestMemoryAtomic
  readonly #queue: DeviceQueue
  readonly #backend: BlockBackend
  readonly #counts = new Map<number, RequestCounts>()
  #needsReset: string | null = null
  #awake = false
  #interrupts = 0

  /** `position` is where the queue goes on when it is not new. */
  constructor(memory: GuestMemoryAtomic, layout: VirtqLayout, backend: BlockBackend, position?: QueuePosition) {
    this.#memory = memory
    this.#queue = new DeviceQueue(layout, position)
    this.#backend = backend
  }

  /** Why the device has stopped (DEVICE_NEEDS_RESET, 2.1), null while it works. */
  get needsReset(): string | null {
    return this.#needsReset
  }

  /** Interrupts that the driver asked for. */
  get interrupts(): number {
    return this.#interrupts
  }

  /** Where the queue goes on. */
  get position(): QueuePosition {
    const { nextAvail, usedIdx } = this.#queue
    return { nextAvail, usedIdx }
  }

  counts(type: number): RequestCounts {
    let counts = this.#counts.get(type)
    if (counts === undefined) {
      counts = { requests: 0, failed: 0, bytes: 0, milliseconds: 0 }
      this.#counts.set(type, counts)
    }
    return counts
  }

  /** The available buffer notification (2.9): the driver says that there is something in the queue. */
  notify(): void {
    this.#awake = true
  }

  /** Serves one request; false when the device was not notified of any, or has stopped. */
  serveOne(): boolean {
    if (!this.#awake || this.#needsReset !== null) return false
    // One guard for the whole request: what is plugged or unplugged meanwhile does not change the ground under it.
    using memory = this.#memory.memory()
    try {
      this.#queue.disableNotifications(memory)
      const chain = this.#nextChain(memory)
      if (chain === null) return false
      const written = this.#serve(memory, chain)
      if (this.#queue.push(memory, chain.head, written)) this.#interrupts++
      return true
    } catch (error) {
      if (!isExpected(error)) throw error
      this.#needsReset = (error as Error).message
      return false
    }
  }

  /** While there is work, the driver need not notify; it is to do so again as soon as there is none. */
  #nextChain(memory: GuestMemoryMmap): DescriptorChain | null {
    const chain = this.#queue.pop(memory)
    if (chain !== null) return chain
    if (this.#queue.enableNotifications(memory)) return this.#queue.pop(memory)
    this.#awake = false
    return null
  }

  /** Returns the bytes written from the first writable buffer on, as the used ring wants them (2.7.8.2). */
  #serve(memory: GuestMemoryMmap, { head, readable, writable }: DescriptorChain): number {
    const begun = performance.now()
    const dataIn = totalLength(writable) - 1
    const dataOut = totalLength(readable) - blk.VirtioBlkReq.size
    if (dataIn < 0) throw new VirtqError(`the chain at descriptor ${head} has no room for the status`)
    const [statusByte] = part(writable, dataIn, 1) as [ChainBuffer]
    let status = blk.VIRTIO_BLK_S_OK
    let type = OTHER_TYPES
    let bytes = 0
    try {
      if (dataOut < 0) throw new RequestError('the header is too short')
      const header = readHeader(memory, readable)
      type = header.type
      bytes = this.#execute(memory, header, part(readable, blk.VirtioBlkReq.size, dataOut), part(writable, 0, dataIn))
    } catch (error) {
      if (!isExpected(error)) throw error
      status = error instanceof RequestError ? error.status : blk.VIRTIO_BLK_S_IOERR
    }
    memory.writeU8(status, statusByte.addr)
    const counts = this.counts(KNOWN_TYPES.has(type) ? type : OTHER_TYPES)
    counts.requests++
    counts.bytes += bytes
    counts.milliseconds += performance.now() - begun
    if (status === blk.VIRTIO_BLK_S_OK) return dataIn + 1
    counts.failed++
    // The length counts from the first writable byte: with data that was not written before it, not even the status is in it.
    return dataIn === 0 ? 1 : 0
  }

  /** Returns the bytes moved between the guest and the disk. */
  #execute(
    memory: GuestMemoryMmap,
    { type, sector }: { type: number; sector: bigint },
    out: readonly ChainBuffer[],
    into: readonly ChainBuffer[],
  ): number {
    switch (type) {
      case blk.VIRTIO_BLK_T_IN: {
        const length = totalLength(into)
        const position = positionOf(sector, length, this.#backend.sectors)
        const views = this.#views(memory, into)
        try {
          if (readFully(this.#backend.fd, views, position) < length) {
            throw new RequestError('the disk image has become shorter')
          }
        } finally {
          // Bitmaps do not see writes through views.
          for (const { addr, len } of into) memory.markDirty(addr, len)
        }
        return length
      }
      case blk.VIRTIO_BLK_T_OUT: {
        const position = positionOf(sector, totalLength(out), this.#backend.sectors)
        return writeFully(this.#backend.fd, this.#sources(memory, out), position)
      }
      case blk.VIRTIO_BLK_T_FLUSH:
        fdatasyncSync(this.#backend.fd)
        return 0
      case blk.VIRTIO_BLK_T_GET_ID: {
        const id = Buffer.alloc(blk.VIRTIO_BLK_ID_BYTES)
        id.write(this.#backend.id, 'latin1')
        let at = 0
        for (const view of this.#views(memory, part(into, 0, id.length))) {
          view.set(id.subarray(at, at + view.length))
          at += view.length
        }
        for (const { addr, len } of part(into, 0, at)) memory.markDirty(addr, len)
        return at
      }
      default:
        throw new RequestError(`request type ${type}`, blk.VIRTIO_BLK_S_UNSUPP)
    }
  }

  /** Zero-copy views on the guest's buffers, which may run over the borders of regions. */
  #views(memory: GuestMemoryMmap, buffers: readonly ChainBuffer[]): Uint8Array[] {
    return buffers.flatMap(({ addr, len }) => memory.views(addr, len))
  }

  /** The same for what is only read from: of memory that the guest cannot write, which has no views, a copy. */
  #sources(memory: GuestMemoryMmap, buffers: readonly ChainBuffer[]): Uint8Array[] {
    return buffers.flatMap(({ addr, len }) => {
      try {
        return memory.views(addr, len)
      } catch (error) {
        if (!isReadOnly(error)) throw error
        // Before so much is allocated as the guest says: it has to be there.
        if (!memory.checkRange(addr, len)) throw new RequestError('a buffer is not in memory')
        const copy = Buffer.alloc(len)
        memory.readSlice(copy, addr)
        return [copy]
      }
    })
  }
}
