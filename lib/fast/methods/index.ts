/** The fast methods of a class. Instantiated for each class: see the folder's index above. */
import { atomicMethods } from './atomics'
import { copyMethods } from './copies'
import type { Kind, Methods } from './kind'
import { objectMethods } from './objects'
import { scalarMethods } from './scalars'

export { attach, tableOf } from './attach'
export { lookupMethods } from './lookups'

export function byteMethods(kind: Kind, isPageAligned: boolean): Partial<Methods> {
  const scalars = scalarMethods(kind)
  return {
    ...scalars,
    ...objectMethods(kind, scalars),
    ...copyMethods(kind),
    ...(isPageAligned ? atomicMethods(kind) : {}),
  }
}
