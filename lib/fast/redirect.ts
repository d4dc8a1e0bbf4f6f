/** Native members of a class whose objects are plain ones. */
import { defineMethod } from '../protocols'
import { apply, uncurryThis } from '../intrinsics'

/**
 * Lets all that the objects of a class can do be done on their native halves.
 * @param halfOf the native half of an object; of what is none of the class, that itself, which the native members refuse
 */
export function redirect(prototype: object, halfOf: (object: object) => object): void {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name === 'constructor') continue
    const { get, value } = descriptor as { get?: (this: unknown) => unknown; value?: unknown }
    if (get) {
      const getOf = uncurryThis(get)
      Object.defineProperty(prototype, name, {
        ...descriptor,
        get(this: object): unknown {
          return getOf(halfOf(this))
        },
      })
    } else {
      const method = value as (...args: unknown[]) => unknown
      defineMethod(prototype, name, function (this: object, ...args: unknown[]) {
        return apply(method, halfOf(this), args)
      })
    }
  }
}
