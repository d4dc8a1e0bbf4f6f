/** Look-ups that the table of windows answers. The region of a piece is asked for once. */
import type * as VmMemory from '../../../index'
import { arrayOf, Bytes, isInteger, toDouble } from '../../intrinsics'
import type { Table } from '../table'
import type { Cursor } from './cursor'
import type { Kind } from './kind'

export type Lookups = Pick<VmMemory.GuestMemory, 'addressInRange' | 'checkRange' | 'findRegion' | 'views'>
type Region = VmMemory.GuestRegionMmap

/** The `buffer` of a region, whatever users have put in its place. */
export type BufferOf = (region: Region) => ArrayBuffer

export function lookupMethods({ native, toNative, cursorOf }: Kind<Lookups>, bufferOf: BufferOf): Lookups {
  /** The region of a piece. It is asked for by its own start: what users look up has nothing to do with what is kept. */
  function regionOf(object: object, cursor: Cursor, table: Table, piece: number): Region | null {
    const region = table.regions[piece]
    if (region !== undefined) return region
    const found = native.findRegion(toNative(object, cursor), table.startOf(piece))
    if (found !== null) table.regions[piece] = found
    return found
  }

  return {
    addressInRange(this: object, addr: VmMemory.U64): boolean {
      const cursor = cursorOf(this)
      const piece = cursor.table.pieceAt(addr)
      return piece === undefined ? native.addressInRange(toNative(this, cursor), addr) : piece >= 0
    },
    checkRange(this: object, base: VmMemory.U64, len: VmMemory.Usize): boolean {
      const cursor = cursorOf(this)
      const { table } = cursor
      const piece = table.pieceAt(base)
      const isWithin =
        piece !== undefined &&
        piece >= 0 &&
        typeof len === 'number' &&
        len >= 0 &&
        isInteger(len) &&
        toDouble(base) - table.startOf(piece) + len <= table.sizeOf(piece)
      return isWithin ? true : native.checkRange(toNative(this, cursor), base, len)
    },
    findRegion(this: object, addr: VmMemory.U64): Region | null {
      const cursor = cursorOf(this)
      const { table } = cursor
      const piece = table.pieceAt(addr)
      if (piece === undefined) return native.findRegion(toNative(this, cursor), addr)
      return piece < 0 ? null : regionOf(this, cursor, table, piece)
    },
    views(this: object, addr: VmMemory.U64, count: VmMemory.Usize): Uint8Array[] {
      const cursor = cursorOf(this)
      const isCount = typeof count === 'number' && isInteger(count) && count > 0
      const offset = isCount ? cursor.locate(addr, count) : -1
      if (!isCount || offset < 0) return native.views(toNative(this, cursor), addr, count)
      const { piece, pieceOffset } = cursor.window
      const region = regionOf(this, cursor, cursor.table, piece)
      if (region === null) return native.views(toNative(this, cursor), addr, count)
      try {
        return arrayOf(new Bytes(bufferOf(region), pieceOffset + offset, count))
      } catch {
        // A region that is too long for one buffer; of a part there can be a view.
        return native.views(toNative(this, cursor), addr, count)
      }
    },
  }
}
