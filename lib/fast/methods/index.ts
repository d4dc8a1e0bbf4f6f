/** The fast methods of a class. Instantiated for each class: see the folder's index above. */
import { Anchor } from './anchor'
import { atomicMethods } from './atomics'
import { copyMethods } from './copies'
import type { Kind, Methods, Natives } from './kind'
import { type BufferOf, type Lookups, lookupMethods } from './lookups'
import { objectMethods } from './objects'
import { scalarReads } from './scalar-reads'
import { scalarWrites } from './scalar-writes'

export { anchored, noteUse, type Traits } from './attach'

type ToNative = Kind['toNative']

/** Those of everything that gives access to memory. */
export function byteMethods(native: Natives<Methods>, toNative: ToNative, isPageAligned: boolean): object {
  const kind: Kind = { native, toNative, cursorOf: Anchor.cursor }
  const scalars = { ...scalarReads(kind), ...scalarWrites(kind) }
  return {
    ...scalars,
    ...objectMethods(kind, scalars),
    ...copyMethods(kind),
    ...(isPageAligned ? atomicMethods(kind) : {}),
  }
}

/** Those of a map. */
export function mapMethods(native: Natives<Methods & Lookups>, toNative: ToNative, bufferOf: BufferOf): object {
  return {
    ...byteMethods(native, toNative, true),
    ...lookupMethods({ native, toNative, cursorOf: Anchor.cursor }, bufferOf),
  }
}
