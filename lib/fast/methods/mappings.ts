/** What regions and mappings tell of their memory as a whole. */
import type * as VmMemory from '../../../index'
import { defineProperty, uncurryThis } from '../../intrinsics'
import { hostAddress, isReleased } from '../mailbox'
import { Anchor } from './anchor'
import type { Kind } from './kind'

const { cursor: cursorOf } = Anchor

export type MappingMethods = Pick<VmMemory.MmapRegion, 'asPtr'>

export function mappingMethods({ native, toNative, cursorOf }: Kind<MappingMethods>): MappingMethods {
  return {
    asPtr(this: object): bigint {
      const cursor = cursorOf(this)
      const host = hostAddress(cursor.number, 0)
      return host === undefined ? native.asPtr(toNative(this, cursor)) : host
    },
  }
}

export function installIsReleased(prototype: object): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'isReleased') as PropertyDescriptor
  const native = uncurryThis(descriptor.get as (this: unknown) => boolean)
  defineProperty(prototype, 'isReleased', {
    ...descriptor,
    get(this: object): boolean {
      const answer = isReleased(cursorOf(this).number)
      return answer < 0 ? native(this) : answer === 1
    },
  })
}
