/**
 * Keeps maps, regions and the other objects that stand for something in this process from being cloned: `structuredClone`,
 * `postMessage` and `workerData` would give an empty object, or one that does nothing, in silence. What travels is the ticket of
 * `share()`.
 *
 * The runtime is told so for each object, where it can be told at all (Node.js 22.10). Load guards, slices and references (of
 * bitmaps, too) are left out, since they are made in a few nanoseconds, and to tell takes 100.
 */
import * as threads from 'node:worker_threads'
import type { Door } from './door'

const { markAsUncloneable } = threads as { markAsUncloneable?: (object: object) => void }

/** Keeps an object from being cloned, if the runtime can be told. */
export const keepFromCloning = markAsUncloneable ?? ((): void => {})

export function installUncloneable(door: Door): void {
  if (markAsUncloneable !== undefined) door.keepFromCloningBy(markAsUncloneable)
}
