/** Look-ups in a region, whose only piece of memory is at 0. */
import type * as VmMemory from '../../../index'
import { toDouble } from '../../intrinsics'
import { safeInteger } from '../finder'
import { hostAddress } from '../mailbox'
import type { Cursor } from './cursor'
import type { Kind } from './kind'

type Region = VmMemory.GuestRegionMmap

export type RegionLookups = Pick<
  Region,
  'addressInRange' | 'checkAddress' | 'checkedOffset' | 'toRegionAddr' | 'getHostAddress'
>

/** @param startOf the guest address of a region */
export function regionLookupMethods(
  { native, toNative, cursorOf }: Kind<RegionLookups>,
  startOf: (region: object) => bigint,
): RegionLookups {
  /** Where a region is, as a number; -1 where that is none. */
  function askStart(object: object, cursor: Cursor): number {
    const start = safeInteger(startOf(object))
    cursor.guestStart = start
    return start
  }

  return {
    addressInRange(this: object, offset: VmMemory.Usize): boolean {
      const cursor = cursorOf(this)
      const piece = cursor.table.pieceAt(offset)
      return piece === undefined ? native.addressInRange(toNative(this, cursor), offset) : piece >= 0
    },
    checkAddress(this: object, offset: VmMemory.Usize): number | null {
      const cursor = cursorOf(this)
      const piece = cursor.table.pieceAt(offset)
      if (piece === undefined) return native.checkAddress(toNative(this, cursor), offset)
      // Not the zero that is negative.
      return piece < 0 ? null : toDouble(offset) + 0
    },
    checkedOffset(this: object, base: VmMemory.Usize, offset: VmMemory.Usize): number | null {
      const cursor = cursorOf(this)
      const from = safeInteger(base)
      const by = safeInteger(offset)
      const piece = from < 0 || by < 0 ? undefined : cursor.table.pieceAt(from + by)
      if (piece === undefined) return native.checkedOffset(toNative(this, cursor), base, offset)
      return piece < 0 ? null : from + by + 0
    },
    toRegionAddr(this: object, addr: VmMemory.U64): number | null {
      const cursor = cursorOf(this)
      const { table } = cursor
      const address = safeInteger(addr)
      // Before there is a table, an object may be anything.
      if (address < 0 || !cursor.knowsMemory()) return native.toRegionAddr(toNative(this, cursor), addr)
      const start = cursor.guestStart === undefined ? askStart(this, cursor) : cursor.guestStart
      if (start < 0) return native.toRegionAddr(toNative(this, cursor), addr)
      return address >= start && address - start < table.sizeOf(0) ? address - start + 0 : null
    },
    getHostAddress(this: object, offset: VmMemory.Usize): bigint {
      const cursor = cursorOf(this)
      const host = hostAddress(cursor.number, offset)
      return host === undefined ? native.getHostAddress(toNative(this, cursor), offset) : host
    },
  }
}
