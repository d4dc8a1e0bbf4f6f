/** The cell of an atomic: memory shared with Rust, which counts it up when the map is replaced. */
import process from 'node:process'
import { atomicLoad, I32 } from '../../intrinsics'

export type Cell = Int32Array<ArrayBufferLike>

/**
 * Reads a cell. It need not be ordered: what orders another thread's `replace` before a `memory()` here orders any read in
 * it, and an old generation means an old map and nothing else. But it must be read each time. V8 leaves a plain read where
 * it stands, and would make a call of `Atomics.load`; other engines take plain reads out of loops.
 */
export const generationOf: (cell: Cell) => number | undefined =
  process.versions.bun === undefined ? (cell) => cell[0] : (cell) => atomicLoad(cell, 0)

export function newCell(buffer: ArrayBufferLike): Cell {
  return new I32(buffer)
}
