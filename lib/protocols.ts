/** Protocols of the language: `using`, iteration, `instanceof`. They are out of Rust's reach. */
import type * as VmMemory from '../index'
import { defineProperty } from './intrinsics'
import { realm } from './realm'
import { keepFromCloning } from './uncloneable'

/**
 * What `using` may look for, once each: the symbol of the language, which engines before it have in Node's own realm alone, and
 * what Node and compilers have in its place.
 */
const DISPOSE = new Set<symbol>(
  [realm.Symbol.dispose, Symbol.dispose, Symbol.for('nodejs.dispose'), Symbol.for('Symbol.dispose')].filter(
    (symbol: symbol | undefined) => symbol !== undefined,
  ),
)

function define(prototype: object, name: string | symbol, method: unknown): void {
  Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true, enumerable: false })
}

/** Adds a method to a class the way the engine does it for methods of its own: not enumerable, and with its name. */
export function defineMethod(prototype: object, name: string | symbol, method: object): void {
  // Said and not left to the source, where bundlers change names.
  Object.defineProperty(method, 'name', { value: typeof name === 'symbol' ? `[${name.description}]` : name })
  define(prototype, name, method)
}

/** Adds a function to the package, with its name. */
export function defineFunction(exports: object, name: string, value: object): void {
  Object.defineProperty(value, 'name', { value: name })
  Object.defineProperty(exports, name, { value, writable: true, configurable: true, enumerable: true })
}

/** As they are now: users may give `Set.prototype` another iterator. */
const DISPOSE_LIST = Array.from(DISPOSE)

/** Makes an object that `using` takes, and that is not cloned: a clone would end nothing. */
export function disposable(dispose: () => void): Disposable {
  const object = {}
  for (let index = 0; index < DISPOSE_LIST.length; index += 1) {
    // Without a prototype: users may give that of all objects a setter.
    const descriptor = { __proto__: null, value: dispose, writable: true, configurable: true, enumerable: false }
    defineProperty(object, DISPOSE_LIST[index] as symbol, descriptor as PropertyDescriptor)
  }
  keepFromCloning(object)
  return object as Disposable
}

export function installProtocols(native: typeof VmMemory): void {
  const { FileOffset, GuestMemoryMmap, GuestMemoryLoadGuard, GuestMemoryExclusiveGuard, WriteTracker } = native
  // A guard is a map, as its type says: it has all of a map's members itself, so it inherits nothing else.
  Object.setPrototypeOf(GuestMemoryLoadGuard.prototype, GuestMemoryMmap.prototype)
  for (const { prototype } of [GuestMemoryMmap, GuestMemoryLoadGuard]) {
    define(prototype, Symbol.iterator, prototype.iter)
  }
  for (const symbol of DISPOSE) {
    for (const { prototype } of [
      FileOffset,
      GuestMemoryMmap,
      GuestMemoryLoadGuard,
      GuestMemoryExclusiveGuard,
      WriteTracker,
    ]) {
      define(prototype, symbol, prototype.dispose)
    }
  }
}
