/**
 * Whether this process has lost memory: cells that a signal handler counts up (`crate/src/memory/faults`).
 *
 * Zeros of lost memory are never a silent answer. Memory that recovers from faults has no windows. But a copy may be asked
 * for from or to bytes of the user, which may be a view of such memory. So copies are left to the native methods while
 * anything is lost, and are done again by those if a fault has come in between.
 */
import { atomicLoad, I32 } from '../intrinsics'
import { door } from '../realm'

const FAULTS = 0
const LOSSY = 1

function open(): Int32Array {
  try {
    return new I32(door.alarmCells())
  } catch {
    // Where there are no external buffers, nobody has a view of memory.
    return new I32(2)
  }
}

const cells = open()

/** Whether nothing is lost that a user may have a view of. */
export function isWhole(): boolean {
  return atomicLoad(cells, LOSSY) === 0
}

/** How many faults there were: if it is the same before and after a copy, there was none in between. */
export function faultCount(): number {
  return atomicLoad(cells, FAULTS)
}
