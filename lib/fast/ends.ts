/**
 * What was released, or lost by the host: cells of this thread that Rust shares (`crate/src/memory/sections.rs`), and windows
 * that are closed then.
 *
 * A hot method that reads or writes one value looks at the alarm behind its access; where that is set, it closes what has
 * ended, and asks whether its own window has. So what it gives was there, and what it has written is in the memory or file
 * that was released. A copy, which takes longer, is a section that a release waits for.
 */
import process from 'node:process'
import { atomicLoad, atomicStore } from '../intrinsics'
import { door } from '../realm'
import { sharedCells } from './cells'
import { healCount } from './alarm'
import { Existing } from './existing'
import { isIntact } from './mailbox'

const ALARM = 0
const SECTIONS = 1

const cells = sharedCells(() => door.endCells())

/**
 * Whether nothing has ended that was not heeded. V8 leaves plain reads where they stand, and makes calls of `Atomics.load`; other
 * engines take plain reads out of loops.
 */
export const isCalm: () => boolean =
  process.versions.bun === undefined ? () => cells[ALARM] === 0 : () => atomicLoad(cells, ALARM) === 0

/** Counts a section. On x64, plain stores are seen in the order in which they are made. */
const count: () => void =
  process.arch === 'x64' && process.versions.bun === undefined
    ? () => {
        cells[SECTIONS] = (cells[SECTIONS] as number) + 1
      }
    : () => {
        atomicStore(cells, SECTIONS, (cells[SECTIONS] as number) + 1)
      }

/** Begins a copy; whether it may be made here. Nothing of users may run until `leave`. */
export function enter(): boolean {
  count()
  if (isCalm()) return true
  count()
  return false
}

/** Ends a copy, whatever has come of it. */
export function leave(): void {
  count()
}

interface Window {
  /** Negative when it is closed. */
  readonly limit1: number
  readonly heals: number | undefined
  close(): void
}

/** How the mailbox knows what is in a window. */
interface Addresses<W> {
  readonly number: number
  addressIn(window: W, offset: number): number
}

/** Puts a window on its buffer, which nobody else has. */
class WindowStamp extends Existing {
  readonly #window: Window

  private constructor(buffer: object, window: Window) {
    super(buffer)
    this.#window = window
  }

  static put(buffer: object, window: Window): void {
    void new WindowStamp(buffer, window)
  }

  static window(buffer: object): Window | null {
    return #window in buffer ? buffer.#window : null
  }
}

/** Has a window closed when its memory is released. */
export const { put: closeInTime } = WindowStamp

/** Whether anything was released that this thread may have had objects of. */
let isAnythingGone = false

export function hasAnythingEnded(): boolean {
  return isAnythingGone || !isCalm()
}

/** Closes the windows of this thread on what was released. */
export function heed(): void {
  isAnythingGone = true
  const buffers = door.closeWindows()
  for (let index = 0; index < buffers.length; index += 1) WindowStamp.window(buffers[index] as object)?.close()
}

/** Heeds what has ended; whether a window is still open. */
export function stays(window: Window): boolean {
  heed()
  return window.limit1 >= 0
}

/**
 * Heeds what has ended; whether bytes that were just written in a window have reached memory.
 *
 * A window is closed when any of its memory is lost. To write again would be to write twice, and another thread may have
 * written in between. So Rust is asked whether these bytes are there. After something was healed nobody knows what they were
 * when they were written: then they are written again.
 */
export function keeps<W extends Window>(window: W, addresses: Addresses<W>, offset: number, size: number): boolean {
  if (stays(window)) return true
  return isIntact(addresses.number, addresses.addressIn(window, offset), size) && healCount() === window.heals
}
