/** What the disk has done. */
export interface DiskCounts {
  doorbells: number
  interrupts: number
  reads: number
  writes: number
  bytes: number
  milliseconds: number
}

export const NOTHING_DONE: Readonly<DiskCounts> = {
  doorbells: 0,
  interrupts: 0,
  reads: 0,
  writes: 0,
  bytes: 0,
  milliseconds: 0,
}
