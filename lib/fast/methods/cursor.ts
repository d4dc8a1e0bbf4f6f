/** Where in memory a method finds its bytes. An answer is given only where it is certain. */
import { toDouble } from '../../intrinsics'
import { EMPTY, type Table } from '../table'
import { NOWHERE } from '../window'

/** Of what is no address, NaN. */
function toNumber(address: unknown): number {
  return typeof address === 'bigint' ? toDouble(address) : NaN
}

/** Where in memory the methods of an object look first, and how they find anything else. */
export class Cursor {
  /** Where the last access was; the next one is often there too. */
  window = NOWHERE
  table: Table = EMPTY
  /** How often the native methods were used instead, and from which use on a table is worth its making, once that is known. */
  uses = 0
  worthFrom = 0

  /**
   * Where in `window` an access of `size` bytes at `address` begins, after `window` was set to where that is; -1 when it
   * is not within one window, or not certain.
   */
  locate(address: unknown, size: number): number {
    const number = typeof address === 'number' ? address : toNumber(address)
    const offset = this.window.offsetOf(number, size)
    return offset < 0 ? this.move(number, size) : offset
  }

  /** Looks in another window than that of the last access. */
  private move(address: number, size: number): number {
    const window = this.table.find(address)
    const offset = window.offsetOf(address, size)
    if (offset < 0) return this.open(address, size)
    this.window = window
    return offset
  }

  /** Tries once more, if the window was not open yet. */
  private open(address: number, size: number): number {
    return this.table.open(address) ? this.move(address, size) : -1
  }

  /** Keeps what the cursor leads to while code of users runs, where that could be let go of; whether it has to be let go. */
  hold(): boolean {
    return false
  }

  letGo(): void {}
}

/** Of an object that was not used yet. */
export const NO_CURSOR = new Cursor()
