/** What a thread keeps of an atomic. */
import { Existing } from '../existing'
import { type Cell, generationOf, tellUse } from './cell'
import type { Seat, SeatKeeper } from './seat'
import type { Keeper, Snapshot } from './snapshot'

export class Slot implements Keeper, SeatKeeper {
  /** The current snapshot, or what was that. */
  snapshot: Snapshot
  /** Takes the lock of the atomic; null while a guard has the seat, and before there is one. */
  seat: Seat | null = null

  constructor(
    private readonly cell: Cell,
    /** Tells Rust whether the current snapshot has guards. */
    readonly use: Cell,
    /** What stands for no snapshot: never current. */
    private readonly none: Snapshot,
    private readonly take: (slot: Slot, generation: number | undefined) => Snapshot,
  ) {
    this.snapshot = none
  }

  /** Takes a snapshot of the map that is there now. */
  refresh(): Snapshot {
    tellUse(this.use, 1)
    // Before the snapshot is taken, so that it is rather taken once too often.
    const generation = generationOf(this.cell)
    const snapshot = this.take(this, generation)
    const { snapshot: replaced } = this
    this.snapshot = snapshot
    if (replaced !== this.none) replaced.retire()
    return snapshot
  }

  /** Lets go of a snapshot that was replaced. */
  check(): void {
    const { snapshot } = this
    if (snapshot !== this.none && generationOf(this.cell) !== snapshot.generation) snapshot.retire()
  }

  leave(snapshot: Snapshot): void {
    if (this.snapshot === snapshot) this.snapshot = this.none
  }
}

/** Puts the slot of an atomic on it, as `Anchor` does. */
export class SlotAnchor extends Existing {
  readonly #slot: Slot

  private constructor(atomic: object, slot: Slot) {
    super(atomic)
    this.#slot = slot
  }

  static put(atomic: object, slot: Slot): void {
    void new SlotAnchor(atomic, slot)
  }

  static slot(atomic: object): Slot | undefined {
    try {
      return #slot in atomic ? atomic.#slot : undefined
    } catch {
      // No object at all: the native method says so.
      return undefined
    }
  }
}
