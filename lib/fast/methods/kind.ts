/** What the fast methods need to know of the class they stand on. */
import type * as VmMemory from '../../../index'
import type { Access } from './access'

/** The methods that have a fast form, as all classes with access to memory have them. */
export type Methods = VmMemory.ByteAccess<unknown>

export interface Kind<Native = Methods> {
  /** The native methods of the class. */
  readonly native: Native
  /** What the native methods are to be called on instead of an object, which gets its fast paths when it is time. */
  enter(object: object): object
  /**
   * Access to the memory of an object. Given to the methods, not imported by them: the engine looks up anew at each use what
   * is imported, but takes what a function was made with for settled.
   */
  readonly accessOf: (object: object) => Access
}
