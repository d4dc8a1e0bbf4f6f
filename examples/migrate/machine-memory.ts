/** The memory of the machine that moves: half of it below 4 GiB, half above. */
import { createHash } from 'node:crypto'
import { GuestMemoryMmap } from '../../index.js'

const HIGH = 2 ** 32

export function makeMemory(size: number): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges([
    [0, size / 2],
    [HIGH, size / 2],
  ])
}

/** The SHA-256 of all bytes. */
export function digest(memory: GuestMemoryMmap): Buffer {
  const hash = createHash('sha256')
  for (const region of memory) {
    const step = 2 ** 30
    for (let offset = 0; offset < region.size; offset += step) {
      hash.update(region.asUint8Array(offset, Math.min(step, region.size - offset)))
    }
  }
  return hash.digest()
}
