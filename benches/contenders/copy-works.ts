/** Copies in a region and across two, in whatever gives this access. */
import { COPY_SIZES } from '../catalogue.js'
import { COPY_MASK, copyAddresses } from '../layout.js'
import { loop } from '../loop.js'
import type { Works } from './works.js'

export interface CopyAccess {
  read(into: Uint8Array, address: number): unknown
  write(from: Uint8Array, address: number): unknown
}

export function provideCopies(works: Works, memory: CopyAccess): void {
  for (const size of COPY_SIZES) {
    for (const where of ['one', 'two'] as const) {
      const at = copyAddresses(size, where)
      const bytes = new Uint8Array(size).fill(7)
      works.set(`copy/read/${size}/${where}`, () => loop((i) => memory.read(bytes, at[i & COPY_MASK]!)))
      works.set(`copy/write/${size}/${where}`, () => loop((i) => memory.write(bytes, at[i & COPY_MASK]!)))
    }
  }
}
