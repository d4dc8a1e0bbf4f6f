/** The region or the mapping that slices and references are parts of. */
import type * as VmMemory from '../../../index'
import type { Finder } from '../finder'

export type Volatile = Pick<
  VmMemory.VolatileMemory,
  'getSlice' | 'asVolatileSlice' | 'getRef' | 'getArrayRef' | 'getAtomicRef'
>

export class Backing {
  constructor(
    readonly object: object,
    /** Where accesses look that no window has. */
    readonly finder: Finder,
    /** The `bitmap` of one, whatever users have put in its place. */
    readonly bitmapOf: (object: object) => VmMemory.AtomicBitmap | null,
    /** Notes a native access to its memory. */
    readonly noteUse: () => void,
  ) {}
}
