import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from '../../index.js'
import { ProtocolError, type MemoryRegion } from './message.js'

/** As many as QEMU can ever want. */
export const MAX_MEM_SLOTS = 509

interface Slot extends MemoryRegion {
  readonly region: GuestRegionMmap
}

const mapOf = (slots: readonly Slot[]): GuestMemoryMmap =>
  slots.length === 0 ? new GuestMemoryMmap() : GuestMemoryMmap.fromRegions(slots.map(({ region }) => region))

const isSame = (a: MemoryRegion, b: MemoryRegion): boolean =>
  a.guestAddress === b.guestAddress && a.size === b.size && a.userAddress === b.userAddress

/**
 * The memory that the front-end has told of. Every change makes a new map and publishes it; requests in flight go on with
 * the one that they started with. What is in no map any more is given back when the last of them is done.
 */
export class MemoryTable {
  readonly memory = new GuestMemoryAtomic(new GuestMemoryMmap())
  #slots: Slot[] = []
  #changes = 0

  /** How often the map has been replaced. */
  get changes(): number {
    return this.#changes
  }

  get size(): number {
    return this.#slots.length
  }

  /** SET_MEM_TABLE: other memory altogether. */
  set(regions: readonly MemoryRegion[], fds: readonly number[]): void {
    if (regions.length !== fds.length)
      throw new ProtocolError(`${fds.length} descriptors for ${regions.length} regions`)
    const slots = regions
      .map((region, index) => this.#map(region, fds[index] as number))
      .toSorted((a, b) => (a.guestAddress < b.guestAddress ? -1 : 1))
    this.#publish(() => mapOf(slots), slots, slots, this.#slots)
  }

  /** ADD_MEM_REG */
  add(region: MemoryRegion, fds: readonly number[]): void {
    const [fd, ...more] = fds
    if (fd === undefined || more.length > 0) throw new ProtocolError(`${fds.length} descriptors for a region`)
    if (this.#slots.length >= MAX_MEM_SLOTS) throw new ProtocolError(`more than ${MAX_MEM_SLOTS} regions`)
    const slot = this.#map(region, fd)
    this.#publish((map) => map.insertRegion(slot.region), [...this.#slots, slot], [slot], [])
  }

  /** REM_MEM_REG */
  remove(region: MemoryRegion): void {
    const removed = this.#slots.filter((slot) => isSame(slot, region))
    if (removed.length === 0) {
      throw new ProtocolError(`no region at 0x${region.guestAddress.toString(16)} to remove`)
    }
    const slots = this.#slots.filter((slot) => !isSame(slot, region))
    this.#publish((map) => map.removeRegion(region.guestAddress, region.size)[0], slots, [], removed)
  }

  /** The guest address of what the front-end has at one of its own. */
  toGuest(userAddress: bigint): number {
    for (const slot of this.#slots) {
      const offset = userAddress - slot.userAddress
      if (offset < 0n || offset >= slot.size) continue
      const address = Number(slot.guestAddress + offset)
      if (Number.isSafeInteger(address)) return address
    }
    throw new ProtocolError(`0x${userAddress.toString(16)} is in no memory region`)
  }

  /** Lets go of all memory, when nobody reads it any more. */
  async clear(): Promise<void> {
    const slots = this.#slots
    this.memory.update(() => new GuestMemoryMmap())
    this.#slots = []
    await this.#giveBack(slots)
  }

  /** Without `release`, memory and descriptors would wait for a collector, which sees small objects and no gigabytes. */
  async #giveBack(slots: readonly Slot[]): Promise<void> {
    await this.memory.synchronize()
    for (const { region } of slots) region.release()
  }

  /** The region has its own duplicate of `fd`. A front-end that truncates the file must not end this process. */
  #map(region: MemoryRegion, fd: number): Slot {
    const { guestAddress, size, mmapOffset } = region
    using file = new FileOffset(fd, mmapOffset)
    return { ...region, region: GuestRegionMmap.fromRange(guestAddress, size, file, { recoverFaults: true }) }
  }

  #publish(
    change: (map: GuestMemoryMmap) => GuestMemoryMmap,
    slots: Slot[],
    added: readonly Slot[],
    removed: readonly Slot[],
  ): void {
    try {
      this.memory.update(change)
    } catch (error) {
      for (const { region } of added) region.release()
      throw error
    }
    this.#slots = slots
    this.#changes++
    if (removed.length > 0) void this.#giveBack(removed)
  }
}
