import { fdatasync } from 'node:fs'
import type { GuestMemoryMmap } from '../../index.js'
import {
  part,
  positionOf,
  readHeader,
  readRanges,
  RequestError,
  totalLength,
  type BlkHeader,
} from '../virtio/blk-request.js'
import { VirtqError, type ChainBuffer, type DescriptorChain } from '../virtio/device-queue.js'
import * as blk from '../virtio/virtio-blk.js'
import { Counter, type Counters } from './counters.js'
import { discard, readInto, writeFrom, writeZeroes, type Disk } from './disk.js'
import { isLost } from './lost-memory.js'

/**
 * What one DISCARD or WRITE_ZEROES may ask for. A range of 32 MiB is large enough to empty a disk in few requests, and
 * small enough to be written with zeros in a moment where that must be.
 */
export const RANGE_LIMITS = { ranges: 16, sectors: 2 ** 16 } as const

/** `written` is what the used ring wants to know; an error is one of the queue, not of the request. */
export type Served = (error: Error | null, written: number) => void

/** Errors that a guest can bring about at will: bad addresses, and the disk's own. */
export function isExpected(error: unknown): error is Error {
  if (error instanceof RequestError || error instanceof VirtqError || isLost(error)) return true
  return error instanceof Error && (error.name === 'GuestMemoryError' || 'errno' in error)
}

/** Zero-copy views on the guest's buffers, which may run over the borders of regions; neighbours become one. */
function viewsOf(memory: GuestMemoryMmap, buffers: readonly ChainBuffer[]): Uint8Array[] {
  const views: Uint8Array[] = []
  for (let first = 0; first < buffers.length;) {
    const { addr, len } = buffers[first] as ChainBuffer
    let length = len
    let next = first + 1
    for (; buffers[next]?.addr === addr + BigInt(length); next++) length += (buffers[next] as ChainBuffer).len
    for (const view of memory.views(addr, length)) views.push(view)
    first = next
  }
  return views
}

/**
 * Does what block requests (5.2.6) ask for, between guest memory and the disk, with no copy in between. `memory` is the
 * request's own snapshot, which is there until it has been served.
 */
export class BlkRequests {
  readonly #disk: Disk
  readonly #counters: Counters
  readonly #log: (line: string) => void

  constructor(disk: Disk, counters: Counters, log: (line: string) => void) {
    this.#disk = disk
    this.#counters = counters
    this.#log = log
  }

  /** Throws what is wrong with the queue, before it calls `served`. `isAlone`: no other request is to be served now. */
  serve(
    memory: GuestMemoryMmap,
    { head, readable, writable }: DescriptorChain,
    isAlone: boolean,
    served: Served,
  ): void {
    const dataIn = totalLength(writable) - 1
    const dataOut = totalLength(readable) - blk.VirtioBlkReq.size
    const [statusByte] = part(writable, dataIn, 1)
    if (statusByte === undefined) throw new VirtqError(`the chain at descriptor ${head} has no room for the status`)

    const finish = (error: Error | null, counter: Counter, bytes: number): void => {
      if (isLost(error)) return served(error, 0)
      this.#counters.add(error === null ? counter : Counter.Failed, 1)
      if (error !== null) this.#log(`request at descriptor ${head}: ${error.message}`)
      else if (counter === Counter.Reads) this.#counters.add(Counter.BytesRead, bytes)
      else if (counter === Counter.Writes) this.#counters.add(Counter.BytesWritten, bytes)
      try {
        memory.writeU8(statusOf(error), statusByte.addr)
      } catch (statusError) {
        if (!isExpected(statusError)) throw statusError
        served(statusError, 0)
        return
      }
      // The length counts from the first writable byte: with data that was not written before it, not even the status
      // is in it.
      served(null, error === null || dataIn === 0 ? dataIn + 1 : 0)
    }
    try {
      if (dataOut < 0) throw new RequestError('the header is too short')
      const out = part(readable, blk.VirtioBlkReq.size, dataOut)
      this.#execute(memory, readHeader(memory, readable), out, part(writable, 0, dataIn), isAlone, finish)
    } catch (error) {
      if (!isExpected(error)) throw error
      finish(error, Counter.Failed, 0)
    }
  }

  #execute(
    memory: GuestMemoryMmap,
    header: BlkHeader,
    out: readonly ChainBuffer[],
    into: readonly ChainBuffer[],
    isAlone: boolean,
    finish: (error: Error | null, counter: Counter, bytes: number) => void,
  ): void {
    const { fd, sectors, id, readOnly } = this.#disk
    const { type, sector } = header
    switch (type) {
      case blk.VIRTIO_BLK_T_IN: {
        const length = totalLength(into)
        const position = positionOf(sector, length, sectors)
        readInto(fd, viewsOf(memory, into), position, (error, count) => {
          const short = count < length ? new RequestError('the disk image has become shorter') : null
          finish(error ?? short, Counter.Reads, count)
        })
        break
      }
      case blk.VIRTIO_BLK_T_OUT: {
        if (readOnly) throw new RequestError('the disk is read-only')
        const position = positionOf(sector, totalLength(out), sectors)
        writeFrom(fd, viewsOf(memory, out), position, isAlone, (error, count) => finish(error, Counter.Writes, count))
        break
      }
      case blk.VIRTIO_BLK_T_FLUSH:
        fdatasync(fd, (error) => finish(error, Counter.Flushes, 0))
        break
      case blk.VIRTIO_BLK_T_DISCARD:
      case blk.VIRTIO_BLK_T_WRITE_ZEROES: {
        if (readOnly) throw new RequestError('the disk is read-only')
        const ranges = readRanges(memory, header, out, sectors, RANGE_LIMITS)
        const isDiscard = type === blk.VIRTIO_BLK_T_DISCARD
        const next = (error: Error | null): void => {
          const range = error === null ? ranges.shift() : undefined
          if (range === undefined) return finish(error, isDiscard ? Counter.Discards : Counter.WriteZeroes, 0)
          const { position, length, unmap } = range
          if (length === 0) next(null)
          else if (isDiscard) discard(fd, position, length, next)
          else writeZeroes(fd, position, length, unmap, next)
        }
        next(null)
        break
      }
      case blk.VIRTIO_BLK_T_GET_ID: {
        const bytes = Buffer.alloc(blk.VIRTIO_BLK_ID_BYTES)
        bytes.write(id, 'latin1')
        if (totalLength(into) < bytes.length) throw new RequestError('no room for the id')
        let at = 0
        for (const view of viewsOf(memory, part(into, 0, bytes.length))) {
          view.set(bytes.subarray(at, at + view.length))
          at += view.length
        }
        finish(null, Counter.Ids, 0)
        break
      }
      default:
        throw new RequestError(`request type ${type}`, blk.VIRTIO_BLK_S_UNSUPP)
    }
  }
}

function statusOf(error: Error | null): number {
  if (error === null) return blk.VIRTIO_BLK_S_OK
  return error instanceof RequestError ? error.status : blk.VIRTIO_BLK_S_IOERR
}
