/** Cells that are shared with Rust: of an atomic, which Rust counts up when the map is replaced; and of a slot, which tells its use. */
import process from 'node:process'
import { atomicLoad, atomicStore, I32 } from '../../intrinsics'

export type Cell = Int32Array<ArrayBufferLike>

/**
 * Reads a cell. It need not be ordered: what orders another thread's `replace` before a `memory()` here orders any read in
 * it, and an old generation means an old map and nothing else. But it must be read each time. V8 leaves a plain read where
 * it stands, and would make a call of `Atomics.load`; other engines take plain reads out of loops.
 */
export const generationOf: (cell: Cell) => number | undefined =
  process.versions.bun === undefined ? (cell) => cell[0] : (cell) => atomicLoad(cell, 0)

/**
 * Tells whether a slot is used: by any number of guards but 0, before the generation is read. Rust sees to it that the two keep their order when somebody waits
 * (`crate/src/sync/pins.rs`), where the engine does: V8 does with plain ones.
 */
export const tellUse: (cell: Cell, guards: number) => void =
  process.versions.bun === undefined
    ? (cell, guards) => {
        cell[0] = guards
      }
    : (cell, guards) => {
        atomicStore(cell, 0, guards)
      }

export function newCell(buffer: ArrayBufferLike): Cell {
  return new I32(buffer)
}
