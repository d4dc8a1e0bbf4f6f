/** The lock of an atomic, for one guard at a time: what `exclusive.ts` tells of. */
import type * as VmMemory from '../../../index'

/** Keeps the seat while no guard has it. */
export interface SeatKeeper {
  seat: Seat | null
}

export class Seat {
  constructor(
    readonly keeper: SeatKeeper | null,
    /** Takes the lock if it is free; whether it was. */
    readonly enter: () => boolean,
    /** Gives the lock back, if this seat has it. */
    readonly leave: () => void,
    /** Publishes a map, and gives the lock back. */
    readonly replace: (map: VmMemory.GuestMemoryMmap) => void,
  ) {}
}

const nothing = (): void => {}

/** What a guard has that has given the lock back. */
export const NO_SEAT = new Seat(null, () => false, nothing, nothing)
