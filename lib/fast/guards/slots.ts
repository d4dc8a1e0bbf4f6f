/** The slots of a thread: how they are made, told of replacements, and forgotten. */
import type * as VmMemory from '../../../index'
import type { Door } from '../../door'
import { uncurryThis } from '../../intrinsics'
import type { Natives } from '../natives'
import { type Cell, newCell } from './cell'
import { Slot, SlotAnchor } from './slot'
import { type GuardNatives, NO_CELL, Snapshot } from './snapshot'

type Atomic = VmMemory.GuestMemoryAtomic

// As they are now: users may replace them.
const Reference = WeakRef<Slot>
const deref = uncurryThis(WeakRef.prototype.deref as (this: WeakRef<Slot>) => Slot | undefined)
const getSlot = uncurryThis(Map.prototype.get as Map<number, WeakRef<Slot>>['get'])
const setSlot = uncurryThis(Map.prototype.set as Map<number, WeakRef<Slot>>['set'])
const deleteSlot = uncurryThis(Map.prototype.delete as Map<number, WeakRef<Slot>>['delete'])
const eachSlot = uncurryThis(Map.prototype.forEach as Map<number, WeakRef<Slot>>['forEach'])
const register = uncurryThis(FinalizationRegistry.prototype.register as FinalizationRegistry<number>['register'])

export class Slots {
  /** What guards have that were disposed of: native methods called on its pin say so. */
  readonly disposed: Snapshot
  /** The slots that were made and not collected. */
  private readonly slots = new Map<number, WeakRef<Slot>>()
  private made = 0
  private readonly collected: FinalizationRegistry<number>

  constructor(
    private readonly door: Door,
    private readonly atomics: Natives<Pick<Atomic, 'clone'>>,
    private readonly guards: GuardNatives,
    gone: VmMemory.GuestMemoryLoadGuard,
  ) {
    this.disposed = new Snapshot(gone, guards, NO_CELL, -1, null, NO_CELL)
    this.collected = new FinalizationRegistry((number) => {
      deleteSlot(this.slots, number)
      door.forgetSlot(number)
    })
  }

  /** Makes the slot of an atomic; undefined where none can be made, as where the engine forbids memory from outside. */
  make(atomic: Atomic): Slot | undefined {
    const { door, guards } = this
    const number = (this.made += 1)
    let cell: Cell
    let use: Cell
    try {
      cell = newCell(door.generationCell(atomic))
      use = newCell(door.watchSlot(atomic, number))
    } catch {
      // Where `atomic` is none, the native method says so.
      return undefined
    }
    // Not the atomic itself: it is to be collected with its slot, whoever holds a guard.
    const clone = this.atomics.clone(atomic)
    const slot = new Slot(cell, use, this.disposed, (keeper, generation) => {
      return new Snapshot(door.pinSnapshot(clone, number), guards, cell, generation, keeper, use)
    })
    setSlot(this.slots, number, new Reference(slot))
    register(this.collected, slot, number)
    SlotAnchor.put(atomic, slot)
    return slot
  }

  /** Lets go of what a slot keeps, if that was replaced. Called when nothing may fail: the replacement has happened. */
  check(number: number): void {
    const reference = getSlot(this.slots, number)
    if (reference !== undefined) checkSlot(reference)
  }

  /** The same for all, after a replacement by this thread; others are told by Rust. */
  checkAll(): void {
    eachSlot(this.slots, checkSlot)
  }
}

function checkSlot(reference: WeakRef<Slot>): void {
  try {
    deref(reference)?.check()
  } catch {
    // The map is kept until the next use or the next collection.
  }
}
