/** What a contender brings: its loops, made when they are first run. */
import type { Loop } from '../loop.js'

export type Works = Map<string, () => Loop>

export interface Provider {
  /** Adds the loops of a group, where the contender has any. */
  provide(group: string, works: Works): void
}
