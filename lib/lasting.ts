/**
 * Objects that a mapping is asked for again and again, such as its buffer, last as long as the mapping's object does, with
 * whatever users have put on them. The native side holds them weakly: strongly, it would keep cycles alive for ever.
 */
import type * as VmMemory from '../index'
import { hasAnythingEnded } from './fast/ends'
import { uncurryThis } from './intrinsics'

type Owner = VmMemory.GuestRegionMmap | VmMemory.MmapRegion

// As they are now: what a replaced method returned would be kept for good.
const find = uncurryThis(WeakMap.prototype.get as WeakMap<Owner, object>['get'])
const keep = uncurryThis(WeakMap.prototype.set as WeakMap<Owner, object>['set'])
const forget = uncurryThis(WeakMap.prototype.delete as WeakMap<Owner, object>['delete'])
const byteLengthOf = uncurryThis(
  Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get as (this: unknown) => number,
)

function install(
  prototype: Owner,
  name: 'buffer' | 'sharedBuffer' | 'bitmap',
  lasting: WeakMap<Owner, object>,
  isValid: (owner: Owner, value: object) => boolean,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
  if (descriptor?.get === undefined) return
  const native = uncurryThis(descriptor.get as (this: Owner) => unknown)
  const get = function (this: Owner): unknown {
    const known = find(lasting, this)
    if (known !== undefined && isValid(this, known)) return known
    const value = native(this)
    if (typeof value === 'object' && value !== null) keep(lasting, this, value)
    return value
  }
  Object.defineProperty(prototype, name, { ...descriptor, get })
}

const buffers = new WeakMap<Owner, object>()
const sharedBuffers = new WeakMap<Owner, object>()
const bitmaps = new WeakMap<Owner, object>()

/** Lets the buffers of a mapping be collected, which was released. */
export function forgetBuffers(owner: Owner): void {
  forget(buffers, owner)
  forget(sharedBuffers, owner)
}

export function installLasting(native: typeof VmMemory): void {
  for (const { prototype } of [native.GuestRegionMmap, native.MmapRegion]) {
    const wasReleased = uncurryThis(
      Object.getOwnPropertyDescriptor(prototype, 'isReleased')?.get as (this: Owner) => boolean,
    )
    // The native side says that it was released.
    const isThere = (owner: Owner): boolean => !hasAnythingEnded() || !wasReleased(owner)
    // A buffer whose bytes were transferred is empty; the native side makes a new one.
    install(prototype, 'buffer', buffers, (owner, buffer) => byteLengthOf(buffer) > 0 && isThere(owner))
    install(prototype, 'sharedBuffer', sharedBuffers, isThere)
    install(prototype, 'bitmap', bitmaps, () => true)
  }
}
