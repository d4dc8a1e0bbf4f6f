// A program: steps, each an expression that is answered, most of which give their value a name that later ones use.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** What variables of each class are called; a number follows. */
export const NAMES_OF_CLASSES = {
  GuestMemoryMmap: 'map',
  GuestMemoryLoadGuard: 'guard',
  GuestMemoryAtomic: 'atomic',
  GuestMemoryExclusiveGuard: 'lock',
  GuestRegionMmap: 'region',
  MmapRegion: 'mapping',
  MmapRegionBuilder: 'builder',
  FileOffset: 'fileOffset',
  VolatileSlice: 'slice',
  VolatileRef: 'ref',
  VolatileArrayRef: 'array',
  AtomicRef: 'word',
  AtomicBitmap: 'bitmap',
  BitmapSlice: 'part',
  WriteTracker: 'tracker',
} as const
const KINDS = [...Object.values(NAMES_OF_CLASSES), 'ticket', 'file', 'bytes', 'stolen', 'type'] as const
export type Kind = (typeof KINDS)[number]

/** The code of a step: `map1 = new GuestMemoryMmap()`, or `map1.readU8(0)`. */
export type Step = string

const VARIABLES = new RegExp(`\\b(?:${KINDS.join('|')})\\d+\\b`, 'g')

/** What a child process is sent. */
export interface Program {
  readonly names: readonly string[]
  readonly steps: readonly Step[]
}

/** Steps may be left out of a program: names that nobody gave a value are undefined. */
export function programOf(steps: readonly Step[]): Program {
  return { names: [...new Set(steps.flatMap((step) => step.match(VARIABLES) ?? []))], steps }
}

/** Reads what `printed` has made: comments and empty lines are left out. */
export function stepsIn(text: string): Step[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('//'))
}

export function printed(steps: readonly Step[]): string {
  return steps.map((step) => `${step}\n`).join('')
}
