export declare const PAGE: number
export declare const ACCOUNTS: { readonly base: number; readonly size: number }

export type Tally =
  'snapshots' | 'pages' | 'handovers' | 'replaces' | 'abandoned' | 'forgotten' | 'givenUp' | 'terminations' | 'beats'

export declare const IDLE: number
export declare const WAITING: number
export declare const HOLDING: number

export declare class Board {
  static lengthFor(seats: number): number
  constructor(buffer: SharedArrayBuffer)
  stop(): void
  readonly stopped: boolean
  nextNonce(): number
  count(what: Tally, amount?: number): void
  counted(what: Tally): number
  setState(seat: number, state: number): void
  state(seat: number): number
  attempt(seat: number): void
  attempts(seat: number): number
  acknowledge(seat: number): void
  acknowledged(seat: number): number
}
