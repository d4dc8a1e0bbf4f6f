/** Getters of what never changes: it is asked for once, and kept with the object's cursor. */
import { defineProperty, setPrototypeOf, uncurryThis } from '../../intrinsics'
import { Anchor } from './anchor'
import { anchored } from './attach'
import { NO_CURSOR } from './cursor'

const { cursor: cursorOf } = Anchor

/** How many constants a class has at most. */
const MAX_CONSTANTS = 11

/** An array of its own, which nothing can be found in that was not put there. */
function unknowns(): unknown[] {
  const array: unknown[] = []
  setPrototypeOf(array, null)
  for (let index = 0; index < MAX_CONSTANTS; index += 1) array[index] = undefined
  return array
}

/** What is known of all objects before they are asked. */
const NOTHING = unknowns()

/**
 * Lets getters of a class be asked once for each object.
 * @param anchors whether an object that has no cursor gets one. Not where the answer may end, as that of a guard does: only its
 * cursor tells whether it was disposed of.
 */
export function installConstants(prototype: object, names: readonly string[], anchors: boolean): void {
  function install(name: string, index: number): void {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
    const native = uncurryThis(descriptor.get as (this: unknown) => unknown)

    /** Asks the native getter, which refuses what is no object of the class. */
    function ask(object: object): unknown {
      const value = native(object)
      const cursor = anchors ? anchored(object) : cursorOf(object)
      if (cursor === NO_CURSOR) return value
      cursor.constants ??= unknowns()
      cursor.constants[index] = value
      return value
    }

    defineProperty(prototype, name, {
      ...descriptor,
      get(this: object): unknown {
        const value = (cursorOf(this).constants ?? NOTHING)[index]
        return value === undefined ? ask(this) : value
      },
    })
  }
  for (let index = 0; index < names.length; index += 1) install(names[index] as string, index)
}
