/**
 * Whether this process has lost memory: cells that a signal handler counts up (`crate/src/memory/faults`).
 *
 * Zeros of lost memory are never a silent answer. Windows on memory that has lost something are closed (`ends.ts`). But a copy
 * may be asked for from or to bytes of the user, which may be a view of such memory. So copies are left to the native methods
 * while anything is lost, and are done again by those if a fault has come in between.
 */
import process from 'node:process'
import { atomicLoad } from '../intrinsics'
import { door } from '../realm'
import { sharedCells } from './cells'

const FAULTS = 0
const LOSSY = 1
const HEALS = 2

const cells = sharedCells(() => door.alarmCells())

/**
 * Reads a cell, after all that was read before. On x64 a plain read does: the processor keeps reads in order, and V8 leaves them
 * where they stand, but makes a call of `Atomics.load`, which took half of the time of a short copy.
 */
const read: (cell: number) => number | undefined =
  process.arch === 'x64' && process.versions.bun === undefined
    ? (cell) => cells[cell]
    : (cell) => atomicLoad(cells, cell)

/** Whether nothing is lost that a user may have a view of. */
export function isWhole(): boolean {
  return read(LOSSY) === 0
}

/** How many faults there were: if it is the same before and after a copy, there was none in between. */
export function faultCount(): number | undefined {
  return read(FAULTS)
}

/** How often lost memory was healed. */
export function healCount(): number | undefined {
  return read(HEALS)
}
