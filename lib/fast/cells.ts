/** Integers that Rust shares with a thread. */
import { I32 } from '../intrinsics'

/** Two cells in a buffer of the door. Where there are no external buffers, nobody has a window or a view: then they stay zeros. */
export function sharedCells(buffer: () => ArrayBuffer): Int32Array {
  try {
    return new I32(buffer())
  } catch {
    return new I32(2)
  }
}
