/** The fast methods of a class. Instantiated for each class: see the folder's index above. */
import type { Finder } from '../finder'
import type { Natives } from '../natives'
import type { Volatile } from '../places/backing'
import { Anchor } from './anchor'
import { atomicMethods, ringMethods } from './atomics'
import { copyMethods } from './copies'
import type { Kind, Methods } from './kind'
import { type BufferOf, type Lookups, lookupMethods } from './lookups'
import { type MappingMethods, mappingMethods as methodsOfMappings } from './mappings'
import { objectMethods } from './objects'
import { type BackingOf, mapSliceMethods, type RegionLookup, volatileMethods } from './parts'
import { type RegionLookups, regionLookupMethods } from './region-lookups'
import { scalarReads } from './scalar-reads'
import { scalarWrites } from './scalar-writes'
import { transferMethods } from './transfers'

export { anchored, noteUse, type Traits } from './attach'
export { installConstants } from './constants'
export { installIsReleased } from './mappings'
export { elementCopies, wholeTransfers } from './transfers'

type ToNative = Kind['toNative']
type Shared = Pick<Methods, 'load' | 'store'>

/** Those of everything that gives access to memory. */
export function byteMethods(native: Natives<Methods>, toNative: ToNative): object {
  const kind: Kind = { native, toNative, cursorOf: Anchor.cursor }
  const scalars = { ...scalarReads(kind), ...scalarWrites(kind) }
  const shared = sharedMethods(kind, scalars)
  return { ...scalars, ...shared, ...ringMethods(kind, shared) }
}

/** Those that are the same for all that leads to memory: cursors, and the places of slices. */
export function sharedMethods<F extends Finder>(kind: Kind<Methods, F>, scalars: Partial<Methods>): Shared {
  return { ...objectMethods(kind, scalars), ...copyMethods(kind), ...transferMethods(kind), ...atomicMethods(kind) }
}

/** Those of a region or a mapping that return parts of it. */
export function partMethods(native: Natives<Volatile>, toNative: ToNative, backingOf: BackingOf): object {
  return volatileMethods({ native, toNative, cursorOf: Anchor.cursor }, backingOf)
}

/** Those of a region or a mapping that tell of it as a whole. */
export function mappingMethods(native: Natives<MappingMethods>, toNative: ToNative): object {
  return methodsOfMappings({ native, toNative, cursorOf: Anchor.cursor })
}

/** Those of a region alone. */
export function regionMethods(
  native: Natives<RegionLookups>,
  toNative: ToNative,
  startOf: (region: object) => bigint,
): object {
  return regionLookupMethods({ native, toNative, cursorOf: Anchor.cursor }, startOf)
}

/** Those of a map. */
export function mapMethods(
  native: Natives<Methods & Lookups & RegionLookup>,
  toNative: ToNative,
  bufferOf: BufferOf,
  backingOf: BackingOf,
): object {
  return {
    ...byteMethods(native, toNative),
    ...lookupMethods({ native, toNative, cursorOf: Anchor.cursor }, bufferOf),
    ...mapSliceMethods({ native, toNative, cursorOf: Anchor.cursor }, backingOf),
  }
}
