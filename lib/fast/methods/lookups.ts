/** Look-ups that the table of windows answers. The region of a piece is asked for once. */
import type * as VmMemory from '../../../index'
import { Bytes, isInteger, listOf, pairOf, toDouble } from '../../intrinsics'
import { safeInteger, toBigInt } from '../finder'
import { checkRange, hostAddress, mark } from '../mailbox'
import type { Table } from '../table'
import type { Cursor } from './cursor'
import type { Kind } from './kind'

export type Lookups = Pick<
  VmMemory.GuestMemory,
  | 'addressInRange'
  | 'checkAddress'
  | 'checkedOffset'
  | 'checkRange'
  | 'findRegion'
  | 'getHostAddress'
  | 'markDirty'
  | 'toRegionAddr'
  | 'views'
>
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
      if (isWithin) return true
      const answer = checkRange(cursor.number, base, safeInteger(len))
      return answer < 0 ? native.checkRange(toNative(this, cursor), base, len) : answer === 1
    },
    checkAddress(this: object, addr: VmMemory.U64): bigint | null {
      const cursor = cursorOf(this)
      const piece = cursor.table.pieceAt(addr)
      if (piece === undefined) return native.checkAddress(toNative(this, cursor), addr)
      return piece < 0 ? null : toBigInt(addr)
    },
    checkedOffset(this: object, base: VmMemory.U64, offset: VmMemory.Usize): bigint | null {
      const cursor = cursorOf(this)
      const from = safeInteger(base)
      const by = safeInteger(offset)
      const piece = from < 0 || by < 0 ? undefined : cursor.table.pieceAt(from + by)
      if (piece === undefined) return native.checkedOffset(toNative(this, cursor), base, offset)
      return piece < 0 ? null : toBigInt(from + by)
    },
    getHostAddress(this: object, addr: VmMemory.U64): bigint {
      const cursor = cursorOf(this)
      const host = hostAddress(cursor.number, addr)
      return host === undefined ? native.getHostAddress(toNative(this, cursor), addr) : host
    },
    markDirty(this: object, addr: VmMemory.U64, count: VmMemory.Usize): void {
      const cursor = cursorOf(this)
      if (!mark(cursor.number, addr, safeInteger(count))) native.markDirty(toNative(this, cursor), addr, count)
    },
    toRegionAddr(this: object, addr: VmMemory.U64): [Region, number] | null {
      const cursor = cursorOf(this)
      const { table } = cursor
      const piece = table.pieceAt(addr)
      if (piece === undefined) return native.toRegionAddr(toNative(this, cursor), addr)
      if (piece < 0) return null
      const region = regionOf(this, cursor, table, piece)
      if (region === null) return native.toRegionAddr(toNative(this, cursor), addr)
      // Not the zero that is negative.
      return pairOf(region, toDouble(addr) - table.startOf(piece) + 0)
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
        return listOf(new Bytes(bufferOf(region), pieceOffset + offset, count))
      } catch {
        // A region that is too long for one buffer; of a part there can be a view.
        return native.views(toNative(this, cursor), addr, count)
      }
    },
  }
}
