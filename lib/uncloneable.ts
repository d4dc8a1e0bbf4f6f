/**
 * Keeps maps, regions and the other objects that hold memory from being cloned: `structuredClone`, `postMessage` and
 * `workerData` would give an empty object in silence. What travels is the ticket of `share()`.
 *
 * The runtime is told so for each object, where it can be told at all (Node.js 22.10). Load guards are left out, since they are
 * made in a few nanoseconds, and to tell takes 100.
 */
import * as threads from 'node:worker_threads'
import type { Door } from './door'

export function installUncloneable(door: Door): void {
  const { markAsUncloneable } = threads as { markAsUncloneable?: (object: object) => void }
  if (markAsUncloneable !== undefined) door.keepFromCloningBy(markAsUncloneable)
}
