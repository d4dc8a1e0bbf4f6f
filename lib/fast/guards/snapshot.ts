/** A map as it was: what guards stand on. */
import type * as VmMemory from '../../../index'
import type { Natives } from '../natives'
import { Cursor } from '../methods/cursor'
import { Buffer } from '../../intrinsics'
import { type Cell, generationOf, newCell, tellUse } from './cell'

type Guard = VmMemory.GuestMemoryLoadGuard

/** Native methods of guards, for what users never see: whatever they have put in place of the public ones. */
export type GuardNatives = Natives<Pick<Guard, 'memory' | 'dispose' | 'clone' | 'intoInner'>>

/** Who keeps a snapshot while it is the current one. */
export interface Keeper {
  leave(snapshot: Snapshot): void
}

/** What nobody looks at. */
export const NO_CELL: Cell = newCell(new Buffer(4))

/** The cursor that is put on guards. One for all guards on a snapshot: they read the same memory. */
export class Snapshot extends Cursor {
  /** Guards that were not disposed of. One that is dropped instead keeps the native guard until both are collected. */
  live = 0

  constructor(
    readonly pin: Guard,
    private readonly natives: GuardNatives,
    /** The map is the current one for as long as the cell has this generation. */
    readonly cell: Cell,
    readonly generation: number | undefined,
    private readonly slot: Keeper | null,
    /** The cell of the slot, while that keeps the snapshot. */
    public use: Cell,
  ) {
    super()
  }

  /** Lets go of a map that was replaced: the slot does at once, the memory goes with the last guard. */
  retire(): void {
    if (this.slot !== null) this.slot.leave(this)
    // From here on, Rust is told by the pin itself.
    tellUse(this.use, 1)
    this.use = NO_CELL
    if (this.live > 0) return
    this.detach()
    this.natives.dispose(this.pin)
  }

  /** Counts as one more guard, unless there is none. */
  override hold(): boolean {
    if (this.live === 0) return false
    this.live += 1
    return true
  }

  override letGo(): void {
    this.live -= 1
    tellUse(this.use, this.live)
    if (generationOf(this.cell) !== this.generation) this.retire()
  }

  get map(): VmMemory.GuestMemoryMmap {
    return this.natives.memory(this.pin)
  }
}
