/** Where in memory a method finds its bytes. An answer is given only where it is certain. */
import { heed, isCalm as isCalmNow } from '../ends'
import { type Finder, toNumber } from '../finder'
import { EMPTY, type Table } from '../table'
import { NOT_HERE as NOT_IN_WINDOW, NOWHERE as NONE, type Window } from '../window'

// What is imported is looked up at each use, which makes functions longer than the engine likes.
const NOWHERE = NONE
const NOT_HERE = NOT_IN_WINDOW
const isCalm = isCalmNow

/** Where in memory the methods of an object look first, and how they find anything else. */
export class Cursor implements Finder {
  /** Where the last access was; the next one is often there too. */
  window: Window = NOWHERE
  /** What the table has of these, so that they are a step nearer. */
  private spans = EMPTY.spans
  private first = 0
  private scale = 0
  private known: Table = EMPTY
  /** What was asked for and never changes (`constants.ts`). */
  constants: unknown[] | null = null
  /** Of a region: where it is, once that was asked for. */
  guestStart: number | undefined = undefined
  /** How often the native methods were used instead, and from which use on a table is worth its making, once that is known. */
  uses = 0
  worthFrom = 0

  get table(): Table {
    return this.known
  }

  get isPart(): boolean {
    return false
  }

  get number(): number {
    return this.known.number
  }

  /** Rust looks whether there is memory. */
  mailAddress(address: unknown): unknown {
    return address
  }

  addressIn(window: Window, offset: number): number {
    return window.start + offset
  }

  /** Finds memory by a table from now on. */
  attach(table: Table): void {
    this.known = table
    this.spans = table.spans
    this.first = table.first
    this.scale = table.scale
  }

  /** Forgets all memory. */
  detach(): void {
    this.attach(EMPTY)
    this.window = NOWHERE
  }

  /** The window that an address is in, if that is known by its span; else any other. */
  at(address: number): Window {
    const span = ((address - this.first) * this.scale) >>> 0
    return span < this.spans.length ? (this.spans[span] as Window) : NOWHERE
  }

  locate(address: unknown, size: number): number {
    if (!isCalm()) heed()
    const number = typeof address === 'number' ? address : toNumber(address)
    const offset = this.window.offsetOf(number, size)
    // What begins in a window and ends behind it is in no other: to search for that takes as long as Rust needs for all of it.
    return offset === NOT_HERE ? this.move(number, size) : offset
  }

  /** Looks in another window than that of the last access. */
  private move(address: number, size: number): number {
    const window = this.at(address)
    const offset = window.offsetOf(address, size)
    if (offset === NOT_HERE) return this.search(address, size)
    if (offset >= 0) this.window = window
    return offset
  }

  /** Looks where spans do not tell, and opens the window if it was not open yet. */
  private search(address: number, size: number): number {
    const { table } = this
    let window = table.find(address)
    if (table.spans !== this.spans) this.attach(table)
    if (window.limit1 < 0 && table.open(address)) window = table.find(address)
    const offset = window.offsetOf(address, size)
    if (offset >= 0) this.window = window
    return offset
  }

  knowsMemory(): boolean {
    return this.table !== EMPTY
  }

  hold(): boolean {
    return false
  }

  letGo(): void {}
}

/** Of an object that was not used yet. */
export const NO_CURSOR = new Cursor()
