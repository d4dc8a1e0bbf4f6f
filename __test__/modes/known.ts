// Faults that are known and not mended yet. While one is there, programs of the specs go without what sets it off: after it,
// nothing that they would find means anything. One that is mended excuses nothing, and is to be taken off this list.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { differenceIn } from './comparison.js'
import type { Step } from './program.js'

export interface Fault {
  readonly what: string
  /** The least that shows it. */
  readonly program: readonly Step[]
  /** Steps that set it off. */
  readonly trigger: RegExp
}

export const FAULTS: readonly Fault[] = [
  {
    what: 'what is no object has an error of the engine as the receiver of a fast method',
    program: ['map1 = new GuestMemoryMmap()', 'map1.readU8.call(null, 0)'],
    trigger: /\.call\(/,
  },
  {
    what: 'where a table has no window, an element of Array.prototype is taken for one',
    program: [
      'map1 = GuestMemoryMmap.fromRanges([[0, 0x1000]])',
      "patched(Array.prototype, '0', () => null, () => map1.readU8(0))",
    ],
    trigger: /patched\(Array\.prototype/,
  },
]

/** Those that are still there. */
export async function knownFaults(): Promise<readonly Fault[]> {
  const found = await Promise.all(
    FAULTS.map(async (fault) => ((await differenceIn([fault.program], {})) === null ? [] : [fault])),
  )
  return found.flat()
}
