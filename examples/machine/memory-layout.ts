import { openSync, closeSync, writeFileSync } from 'node:fs'
import {
  FileOffset,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MmapRegion,
  PROT_READ,
} from '../../index.js'
import { UsageError } from './usage-error.js'
import { alignUp } from '../virtio/virtq.js'

/**
 * The physical address space of an x86 machine, as VMMs lay it out: RAM from 0 on; under 4 GiB a hole for PCI devices
 * with the firmware's ROM at its end, where the processor starts; then the rest of the RAM, and room for more.
 */
export const KIB = 2 ** 10
export const MIB = 2 ** 20
export const GIB = 2 ** 30
export const PCI_HOLE_START = 3 * GIB
export const PCI_HOLE_END = 4 * GIB
export const ROM_SIZE = 256 * KIB
export const ROM_BASE = PCI_HOLE_END - ROM_SIZE
/** Below lie what firmware and boot protocols use; kernels are loaded from here on. */
export const HIGH_MEMORY_START = MIB

export interface AddressRange {
  readonly start: number
  readonly end: number
}

export interface MachineMemory {
  readonly memory: GuestMemoryMmap
  /** RAM below the PCI hole. */
  readonly lowRam: AddressRange
  /** RAM above 4 GiB, when there is more than fits below. */
  readonly highRam: AddressRange | null
  /** First address at which memory can be hot-plugged. */
  readonly hotPlugBase: number
}

/** A ROM that does what a machine without firmware can: 0xff wherever nothing is, and a loop at the reset vector. */
export function writeRom(path: string): void {
  const image = Buffer.alloc(ROM_SIZE, 0xff)
  image.write('ROM of the vm-memory example machine\0')
  // hlt; jmp to the hlt, at 0xffff_fff0.
  image.set([0xf4, 0xeb, 0xfd], ROM_SIZE - 16)
  writeFileSync(path, image)
}

function mapRom(path: string): GuestRegionMmap {
  const fd = openSync(path, 'r')
  try {
    // The region keeps a duplicate of the descriptor. Read-only: a guest that writes here gets an error, not the file.
    const mapping = MmapRegion.build(new FileOffset(fd, 0), ROM_SIZE, PROT_READ, MAP_PRIVATE | MAP_NORESERVE)
    return new GuestRegionMmap(mapping, ROM_BASE)
  } finally {
    closeSync(fd)
  }
}

/** A machine's memory with `ramSize` bytes of RAM, and the file at `rom` as its ROM. */
export function buildMemory(ramSize: number, rom: string): MachineMemory {
  const lowRam = { start: 0, end: Math.min(ramSize, PCI_HOLE_START) }
  const highRam =
    ramSize > PCI_HOLE_START ? { start: PCI_HOLE_END, end: PCI_HOLE_END + ramSize - PCI_HOLE_START } : null
  const ranges = [lowRam, ...(highRam === null ? [] : [highRam])]
  let ram: GuestMemoryMmap
  try {
    ram = GuestMemoryMmap.fromRanges(ranges.map(({ start, end }) => [start, end - start] as const))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`--memory ${ramSize / MIB}: the host cannot map so much (${reason})`)
  }
  return {
    memory: ram.insertRegion(mapRom(rom)),
    lowRam,
    highRam,
    hotPlugBase: alignUp(highRam?.end ?? PCI_HOLE_END, GIB),
  }
}
