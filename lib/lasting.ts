/**
 * Objects that a mapping is asked for again and again, such as its buffer, last as long as the mapping's object does, with
 * whatever users have put on them. The native side holds them weakly: strongly, it would keep cycles alive for ever.
 */
import type * as VmMemory from '../index'

type Owner = VmMemory.GuestRegionMmap | VmMemory.MmapRegion

function install(
  prototype: Owner,
  name: 'buffer' | 'sharedBuffer' | 'bitmap',
  isValid: (value: object) => boolean,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
  const native = descriptor?.get
  if (!native) return
  const lasting = new WeakMap<Owner, object>()
  const get = function (this: Owner): unknown {
    const known = lasting.get(this)
    if (known !== undefined && isValid(known)) return known
    const value: unknown = native.call(this)
    if (typeof value === 'object' && value !== null) lasting.set(this, value)
    return value
  }
  Object.defineProperty(prototype, name, { ...descriptor, get })
}

export function installLasting(native: typeof VmMemory): void {
  for (const { prototype } of [native.GuestRegionMmap, native.MmapRegion]) {
    // A buffer whose bytes were transferred is empty; the native side makes a new one.
    install(prototype, 'buffer', (buffer) => (buffer as ArrayBuffer).byteLength > 0)
    install(prototype, 'sharedBuffer', () => true)
    install(prototype, 'bitmap', () => true)
  }
}
