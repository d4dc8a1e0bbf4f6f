/** The native methods of a class, whatever users have put in their place. */
import { uncurryThis } from '../intrinsics'

/** Methods as functions, which take the receiver first. */
export type Natives<M> = {
  readonly [K in keyof M]: M[K] extends (...args: infer A) => infer R ? (receiver: object, ...args: A) => R : never
}

/** The methods of a class as they are now, as functions. */
export function nativesOf<M extends object>(prototype: M): Natives<M> {
  const natives: Record<string, unknown> = {}
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value === 'function') natives[name] = uncurryThis(value as () => unknown)
  }
  return natives as Natives<M>
}

/**
 * What `readObj` and `writeObj` hand to the methods for scalars that they call: those leave what they cannot answer to the native
 * method of the one that was called, whose errors tell its name.
 */
export const OBJECT: unique symbol = Symbol('readObj or writeObj')
