/** A hand-written region table on SharedArrayBuffers. */
import { REGION_SIZE, regionStarts } from '../layout.js'
import type { Loop } from '../loop.js'
import { runThreads } from '../threads.js'
import { RegionTable } from './region-table.js'
import { readWords } from './scalar-works.js'
import { provideTable } from './table-works.js'
import type { Works } from './works.js'

interface Region {
  readonly start: number
  readonly buffer: SharedArrayBuffer
}

export function inThread(_what: string, shared: unknown): Loop {
  return readWords(new RegionTable(shared as Region[]), 8)
}

export function provide(group: string, works: Works): void {
  provideTable(group, works, (size) => new SharedArrayBuffer(size))
  if (group !== 'threads') return
  const regions = regionStarts(8).map((start) => ({ start, buffer: new SharedArrayBuffer(REGION_SIZE) }))
  for (const count of [1, 2]) {
    works.set(`threads/read/${count}`, () =>
      runThreads(count, { module: import.meta.url, what: 'read', shared: () => regions }),
    )
  }
}
