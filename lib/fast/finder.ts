/** How a method finds its bytes. */
import { bufferOf, I64, isInteger, MAX_SAFE_INTEGER, U32, U64 } from '../intrinsics'
import type { Window } from './window'

/** An address of 64 bits as two halves. `Number(address)` would be a call, and box what it gives. */
const cell = new U64(1)
const halves = new U32(bufferOf(cell))
const signedCell = new I64(1)

/** What is no integer is within no window. (Not NaN, which the engine turns into integers by a call.) */
const NO_ADDRESS = 0.5

/** The number of an address that is a bigint, rounded beyond the safe integers, where windows end; of all else, `NO_ADDRESS`. */
export function toNumber(address: unknown): number {
  if (typeof address !== 'bigint') return NO_ADDRESS
  cell[0] = address
  return cell[0] === address ? (halves[1] as number) * 2 ** 32 + (halves[0] as number) : NO_ADDRESS
}

/** The number of an integer that is certainly an address, and safe; -1 of everything else. */
export function safeInteger(value: unknown): number {
  const number = typeof value === 'number' ? value : toNumber(value)
  return number >= 0 && number <= MAX_SAFE_INTEGER && isInteger(number) ? number : -1
}

/** The bigint of an integer that is safe, or a bigint already. */
export function toBigInt(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value
  halves[0] = value
  halves[1] = value / 2 ** 32
  return cell[0] as bigint
}

/** Whether a bigint is one of 64 bits: then it is the same when it is read again. (`BigInt.asUintN` would be a call.) */
export function isU64(value: bigint): boolean {
  cell[0] = value
  return cell[0] === value
}

export function isI64(value: bigint): boolean {
  signedCell[0] = value
  return signedCell[0] === value
}

/** What leads a method to its bytes: the cursor of an object with a table, or the place of a slice. */
export interface Finder {
  /** Where the last access was. */
  readonly window: Window
  /**
   * Where in `window` an access of `size` bytes at `address` begins, after `window` was set to where that is; -1 when it
   * is not within one window, or not certain.
   */
  locate(address: unknown, size: number): number
  /** Whether `window` may reach beyond what this stands for. */
  readonly isPart: boolean
  /** What the mailbox knows the memory by; `NO_NUMBER` where it does not. */
  readonly number: number
  /** By which address the mailbox knows `size` bytes at `address`; -1, which is none, where they are not all there. */
  mailAddress(address: unknown, size: number): unknown
  /** By which address the mailbox knows a byte of a window. */
  addressIn(window: Window, offset: number): number
  /** Whether memory can be met here at all: before, whatever is asked is left to the native methods. */
  knowsMemory(): boolean
  /** Keeps what this leads to while code of users runs, where that could be let go of; whether it has to be let go. */
  hold(): boolean
  letGo(): void
}
