/** What the fast methods need to know of the class they stand on. */
import type * as VmMemory from '../../../index'

/** The methods that have a fast form, as all classes with access to memory have them. */
export type Methods = VmMemory.ByteAccess<unknown>

export interface Kind {
  /** The native methods of the class. */
  readonly native: Methods
  /** What the native methods are to be called on instead of an object, which gets its fast paths when it is time. */
  enter(object: object): object
}
