/**
 * Objects that a mapping is asked for again and again, such as its buffer, last as long as the mapping's object does, with
 * whatever users have put on them. The native side holds them weakly: strongly, it would keep cycles alive for ever.
 */
import type * as VmMemory from '../index'
import { uncurryThis } from './intrinsics'

type Owner = VmMemory.GuestRegionMmap | VmMemory.MmapRegion

// As they are now: what a replaced method returned would be kept for good.
const find = uncurryThis(WeakMap.prototype.get as WeakMap<Owner, object>['get'])
const keep = uncurryThis(WeakMap.prototype.set as WeakMap<Owner, object>['set'])
const byteLengthOf = uncurryThis(
  Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get as (this: unknown) => number,
)

function install(
  prototype: Owner,
  name: 'buffer' | 'sharedBuffer' | 'bitmap',
  isValid: (value: object) => boolean,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
  if (descriptor?.get === undefined) return
  const native = uncurryThis(descriptor.get as (this: Owner) => unknown)
  const lasting = new WeakMap<Owner, object>()
  const get = function (this: Owner): unknown {
    const known = find(lasting, this)
    if (known !== undefined && isValid(known)) return known
    const value = native(this)
    if (typeof value === 'object' && value !== null) keep(lasting, this, value)
    return value
  }
  Object.defineProperty(prototype, name, { ...descriptor, get })
}

export function installLasting(native: typeof VmMemory): void {
  for (const { prototype } of [native.GuestRegionMmap, native.MmapRegion]) {
    // A buffer whose bytes were transferred is empty; the native side makes a new one.
    install(prototype, 'buffer', (buffer) => byteLengthOf(buffer) > 0)
    install(prototype, 'sharedBuffer', () => true)
    install(prototype, 'bitmap', () => true)
  }
}
