/** Protocols of the language: `using` and iteration. Their symbols are out of Rust's reach. */
import type * as VmMemory from '../index'

// Older engines know the name from Node itself, or not at all.
const dispose: symbol = Symbol.dispose ?? Symbol.for('nodejs.dispose')

/** Adds a method to a class the way the engine does it for methods of its own: with its name, not enumerable. */
export function defineMethod(prototype: object, name: string | symbol, method: unknown): void {
  if (typeof method === 'function' && method.name === '') {
    Object.defineProperty(method, 'name', { value: typeof name === 'symbol' ? `[${name.description}]` : name })
  }
  Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true, enumerable: false })
}

export function installProtocols(native: typeof VmMemory): void {
  const { FileOffset, GuestMemoryMmap, GuestMemoryLoadGuard, GuestMemoryExclusiveGuard } = native
  for (const { prototype } of [GuestMemoryMmap, GuestMemoryLoadGuard]) {
    defineMethod(prototype, Symbol.iterator, prototype.iter)
  }
  const { memory } = GuestMemoryMmap.prototype
  defineMethod(GuestMemoryMmap.prototype, dispose, function (this: VmMemory.GuestMemoryMmap) {
    // Does nothing, but not to just anything.
    memory.call(this)
  })
  for (const { prototype } of [FileOffset, GuestMemoryLoadGuard, GuestMemoryExclusiveGuard]) {
    defineMethod(prototype, dispose, prototype.dispose)
  }
}
