/** What the fast methods need to know of the class they stand on. */
import type * as VmMemory from '../../../index'
import type { Finder } from '../finder'
import type { Natives } from '../natives'
import type { Cursor } from './cursor'

/** The methods that have a fast form, as all classes with access to memory have them. */
export type Methods = VmMemory.ByteAccess<unknown> & VmMemory.VolatileTransfer<unknown>

/** What scalars are called in `readObj` and `writeObj` that have methods of their own. */
export type ScalarType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64'

export interface Kind<M = Methods, F extends Finder = Cursor> {
  /** The native methods of the class. */
  readonly native: Natives<M>
  /** What the native methods are to be called on instead of an object with this cursor, which gets a table when it is time. */
  toNative(object: object, cursor: F): object
  /**
   * The cursor of an object. Given to the methods, not imported by them: the engine looks up anew at each use what
   * is imported, but takes what a function was made with for settled.
   */
  readonly cursorOf: (object: object) => F
}
