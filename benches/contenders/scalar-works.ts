/** Scalars at random addresses, in whatever gives this access. A process has one contender, so each loop sees one class. */
import { SCALED_REGION_COUNTS } from '../catalogue.js'
import { ADDRESS_MASK, randomAddresses } from '../layout.js'
import { loop, type Loop } from '../loop.js'
import type { Works } from './works.js'

export interface ScalarAccess {
  readU8(address: number): number
  readU16(address: number): number
  readU32(address: number): number
  readU64(address: number): unknown
  writeU8(value: number, address: number): void
  writeU16(value: number, address: number): void
  writeU32(value: number, address: number): void
  writeU64(value: bigint, address: number): void
}

/** Gives each place memory of its own: what was only read is one page of zeros, which is always in the cache. */
export function touch(memory: ScalarAccess, addresses: Float64Array): void {
  for (const address of addresses) memory.writeU8(1, address)
  for (const address of addresses) if (memory.readU8(address) !== 1) throw new Error('what was written is not there')
}

export type MakeMemory<Memory extends ScalarAccess = ScalarAccess> = (regions: number) => Memory

export function provideScalars(works: Works, make: MakeMemory): void {
  for (const count of [1, 2, 8, 256]) {
    const memory = make(count)
    const at = randomAddresses(count)
    touch(memory, at)
    const big = 0x1111_2222_3333_4444n
    works.set(`scalar/read/u8/${count}`, () => loop((i) => memory.readU8(at[i & ADDRESS_MASK]!)))
    works.set(`scalar/read/u16/${count}`, () => loop((i) => memory.readU16(at[i & ADDRESS_MASK]!)))
    works.set(`scalar/read/u32/${count}`, () => loop((i) => memory.readU32(at[i & ADDRESS_MASK]!)))
    works.set(`scalar/read/u64/${count}`, () => loop((i) => memory.readU64(at[i & ADDRESS_MASK]!)))
    works.set(`scalar/write/u8/${count}`, () => loop((i) => memory.writeU8(i & 0xff, at[i & ADDRESS_MASK]!)))
    works.set(`scalar/write/u16/${count}`, () => loop((i) => memory.writeU16(i & 0xffff, at[i & ADDRESS_MASK]!)))
    works.set(`scalar/write/u32/${count}`, () => loop((i) => memory.writeU32(i, at[i & ADDRESS_MASK]!)))
    works.set(`scalar/write/u64/${count}`, () => loop((i) => memory.writeU64(big, at[i & ADDRESS_MASK]!)))
  }
}

/** The work of the plots of scaling. */
export function readWords(memory: ScalarAccess, regions: number): Loop {
  const at = randomAddresses(regions)
  touch(memory, at)
  return loop((i) => memory.readU32(at[i & ADDRESS_MASK]!))
}

export function provideRegions(works: Works, make: MakeMemory): void {
  for (const count of SCALED_REGION_COUNTS) {
    works.set(`regions/read/${count}`, () => readWords(make(count), count))
  }
}
