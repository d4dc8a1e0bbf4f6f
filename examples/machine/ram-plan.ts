import { BlkDriver } from './blk-driver.js'
import { imageSpan } from './elf-loader.js'
import type { ElfImage } from './elf.js'
import { HIGH_MEMORY_START, MIB, PCI_HOLE_START } from './memory-layout.js'
import { UsageError } from './usage-error.js'
import { alignUp, layOutVirtq, type VirtqLayout } from '../virtio/virtq.js'

const PAGE = 4096
/** Memory of the driver for data in flight. */
export const POOL_SIZE = 4 * MIB

/** What lies where in the RAM below the PCI hole. */
export interface RamPlan {
  readonly imageBase: number
  readonly queue: VirtqLayout
  /** Headers and status bytes of requests. */
  readonly slots: number
  readonly pool: number
}

/** Puts the image, then the driver's memory after it, or says in a `UsageError` that there is too little. */
export function planRam(image: ElfImage, queueSize: number, ramSize: number): RamPlan {
  const available = Math.min(ramSize, PCI_HOLE_START)
  const span = imageSpan(image)
  // Compared as bigint: the addresses in a file can be anything.
  const driverBytes = layOutVirtq(0, queueSize).end + BlkDriver.slotBytes(queueSize) + POOL_SIZE + 4 * PAGE
  const needed = BigInt(HIGH_MEMORY_START + driverBytes) + span
  if (needed > BigInt(available)) {
    const needs = `${(needed + BigInt(MIB - 1)) / BigInt(MIB)} MiB`
    const advice =
      needed <= BigInt(PCI_HOLE_START) ? 'see --memory' : `no more than ${PCI_HOLE_START / MIB} MiB can be there`
    throw new UsageError(
      `${image.file.path}: too large for the RAM: it needs ${needs} below the PCI hole, there are ${available / MIB} MiB (${advice})`,
    )
  }
  const queue = layOutVirtq(alignUp(HIGH_MEMORY_START + Number(span), PAGE), queueSize)
  const slots = alignUp(queue.end, PAGE)
  const pool = alignUp(slots + BlkDriver.slotBytes(queueSize), PAGE)
  return { imageBase: HIGH_MEMORY_START, queue, slots, pool }
}
