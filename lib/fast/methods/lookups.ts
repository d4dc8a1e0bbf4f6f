/** Look-ups that the table of windows answers. The region of a piece is asked for once. */
import type * as VmMemory from '../../../index'
import { Bytes, isInteger } from '../intrinsics'
import type { Table } from '../table'
import type { Kind } from './kind'

export type Lookups = Pick<VmMemory.GuestMemory, 'addressInRange' | 'checkRange' | 'findRegion' | 'views'>
type Region = VmMemory.GuestRegionMmap

/** The `buffer` of a region, whatever users have put in its place. */
export type BufferOf = (region: Region) => ArrayBuffer

export function lookupMethods({ native, toNative, cursorOf }: Kind<Lookups>, bufferOf: BufferOf): Lookups {
  /** The region of a piece. It is asked for at the first address that is looked up in it. */
  function regionOf(object: object, { regions }: Table, piece: number, addr: VmMemory.U64): Region | null {
    const region = regions[piece]
    if (region !== undefined) return region
    const found = native.findRegion.call(toNative(object), addr)
    if (found !== null) regions[piece] = found
    return found
  }

  return {
    addressInRange(this: object, addr: VmMemory.U64): boolean {
      const window = cursorOf(this).table.lookUp(addr)
      return window === undefined ? native.addressInRange.call(toNative(this), addr) : window !== null
    },
    checkRange(this: object, base: VmMemory.U64, len: VmMemory.Usize): boolean {
      const window = cursorOf(this).table.lookUp(base)
      const isWithin =
        window &&
        typeof len === 'number' &&
        len >= 0 &&
        isInteger(len) &&
        Number(base) - window.start + len <= window.size
      return isWithin ? true : native.checkRange.call(toNative(this), base, len)
    },
    findRegion(this: object, addr: VmMemory.U64): Region | null {
      const { table } = cursorOf(this)
      const window = table.lookUp(addr)
      if (window === undefined) return native.findRegion.call(toNative(this), addr)
      return window === null ? null : regionOf(this, table, window.piece, addr)
    },
    views(this: object, addr: VmMemory.U64, count: VmMemory.Usize): Uint8Array[] {
      const cursor = cursorOf(this)
      const offset = typeof count === 'number' && count > 0 ? cursor.locate(addr, count) : -1
      const { window } = cursor
      const region = offset < 0 ? null : regionOf(this, cursor.table, window.piece, addr)
      if (region === null || !isInteger(count)) return native.views.call(toNative(this), addr, count)
      try {
        return [new Bytes(bufferOf(region), window.pieceOffset + offset, count as number)]
      } catch {
        // A region that is too long for one buffer; of a part there can be a view.
        return native.views.call(toNative(this), addr, count)
      }
    },
  }
}
