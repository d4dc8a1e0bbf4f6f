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

export const FAULTS: readonly Fault[] = []

/** Those that are still there. */
export async function knownFaults(): Promise<readonly Fault[]> {
  const found = await Promise.all(
    FAULTS.map(async (fault) => ((await differenceIn([fault.program], {})) === null ? [] : [fault])),
  )
  return found.flat()
}
