/** When and how an object gets its fast paths. */
import { Access, NO_ACCESS, type Source } from './access'
import { Anchor } from './anchor'

/** The native methods that tell about memory, of one class. They are taken off it. */
export interface Layout extends Source {
  layout(): Float64Array
}

/** Objects that were used once: for one access alone, views are not worth their making. */
const USED_ONCE = new Access(null, new Float64Array())

/** Takes a method off a class. */
export function take<T, K extends keyof T>(prototype: object, name: K): T[K] {
  const method = Reflect.get(prototype, name) as T[K]
  Reflect.deleteProperty(prototype, name)
  return method
}

/** Takes the methods that tell about memory off a class. */
export function takeLayout(prototype: object): Layout {
  return {
    layout: take<Layout, 'layout'>(prototype, 'layout'),
    openWindow: take<Layout, 'openWindow'>(prototype, 'openWindow'),
    dirtyMarker: take<Layout, 'dirtyMarker'>(prototype, 'dirtyMarker'),
  }
}

/** Gives an object its fast paths when it is used for the second time: to be called before each native access. */
export function attach(object: object, native: Layout): void {
  const access = Anchor.access(object)
  if (access === undefined) Anchor.put(object, USED_ONCE, null)
  else if (access === USED_ONCE) Anchor.setAccess(object, makeAccess(object, native))
}

/** The fast paths of an object, made if there are none. */
export function attachNow(object: object, native: Layout): Access {
  attach(object, native)
  attach(object, native)
  return Anchor.access(object) ?? NO_ACCESS
}

function makeAccess(object: object, native: Layout): Access {
  const source: Source = {
    openWindow: (index, offset, length) => native.openWindow.call(object, index, offset, length),
    dirtyMarker: (index) => native.dirtyMarker.call(object, index),
  }
  try {
    return new Access(source, native.layout.call(object))
  } catch {
    // Not one of ours: the native method that is called next will say so.
    return NO_ACCESS
  }
}
