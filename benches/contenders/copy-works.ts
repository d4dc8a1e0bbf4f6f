/** Copies in a region and across two, in whatever gives this access. */
import { COPY_SIZES } from '../catalogue.js'
import { COPY_MASK, COPY_REGION_SIZE, copyAddresses } from '../layout.js'
import { loop } from '../loop.js'
import type { Works } from './works.js'

export interface CopyAccess {
  read(into: Uint8Array, address: number): unknown
  write(from: Uint8Array, address: number): unknown
}

export function provideCopies(works: Works, memory: CopyAccess): void {
  // What was only read is one page of zeros, which is always in the cache.
  const all = new Uint8Array(2 * COPY_REGION_SIZE).fill(1)
  memory.write(all, 0)
  memory.read(all.fill(0), 0)
  if (all.some((byte) => byte !== 1)) throw new Error('what was written is not there')
  for (const size of COPY_SIZES) {
    for (const where of ['one', 'two'] as const) {
      const at = copyAddresses(size, where)
      const bytes = new Uint8Array(size).fill(7)
      works.set(`copy/read/${size}/${where}`, () => loop((i) => memory.read(bytes, at[i & COPY_MASK]!)))
      works.set(`copy/write/${size}/${where}`, () => loop((i) => memory.write(bytes, at[i & COPY_MASK]!)))
    }
  }
  const at = copyAddresses(64, 'one')
  works.set('copy/write/new', () => loop((i) => memory.write(new Uint8Array(16), at[i & COPY_MASK]!)))
}
