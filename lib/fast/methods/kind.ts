/** What the fast methods need to know of the class they stand on. */
import type * as VmMemory from '../../../index'
import { uncurryThis } from '../../intrinsics'
import type { Cursor } from './cursor'

/** The methods that have a fast form, as all classes with access to memory have them. */
export type Methods = VmMemory.ByteAccess<unknown>

/** Methods as functions, which take the receiver first. */
export type Natives<M> = {
  readonly [K in keyof M]: M[K] extends (...args: infer A) => infer R ? (receiver: object, ...args: A) => R : never
}

export interface Kind<M = Methods> {
  /** The native methods of the class. */
  readonly native: Natives<M>
  /** What the native methods are to be called on instead of an object with this cursor, which gets a table when it is time. */
  toNative(object: object, cursor: Cursor): object
  /**
   * The cursor of an object. Given to the methods, not imported by them: the engine looks up anew at each use what
   * is imported, but takes what a function was made with for settled.
   */
  readonly cursorOf: (object: object) => Cursor
}

/** The methods of a class as they are now, as functions. */
export function nativesOf<M extends object>(prototype: M): Natives<M> {
  const natives: Record<string, unknown> = {}
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value === 'function') natives[name] = uncurryThis(value as () => unknown)
  }
  return natives as Natives<M>
}
