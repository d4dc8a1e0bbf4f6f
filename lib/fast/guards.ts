/**
 * Load guards as plain objects. In each thread a slot keeps the current snapshot of an atomic, behind one native guard; a
 * guard here is an object that counts as one more user of it. So `memory()` need not call Rust: it compares the slot's
 * generation with a cell that Rust counts up when the map is replaced.
 */
import type * as VmMemory from '../../index'
import { type Access, NO_ACCESS } from './access'
import { Anchor, Existing } from './anchor'
import { attachNow, type Layout, take } from './attach'
import { defineMethod } from '../protocols'

type NativeGuard = VmMemory.GuestMemoryLoadGuard
type Guard = VmMemory.GuestMemoryLoadGuard
type Atomic = VmMemory.GuestMemoryAtomic

/** What the native class has for this file alone. */
export interface SlotMethods {
  generationCell(): ArrayBuffer
  watchSlot(slot: number): void
  pinSnapshot(slot: number): NativeGuard
  forgetSlot(slot: number): void
  setStaleCallback(callback: (slot: number) => void): void
}

/** A map as it was, shared by the guards on it. */
export class Snapshot {
  /** Guards that were not disposed of. One that is dropped instead keeps the native guard until both are collected. */
  live = 0
  /** Whether no slot keeps it any more. */
  isStale = false
  access: Access = NO_ACCESS
  private wasUsed = false

  constructor(
    readonly pin: NativeGuard,
    private readonly slot: Slot | null,
  ) {}

  /** Prepares fast access, when it is used for the second time. */
  use(layout: Layout): Access {
    if (this.wasUsed && this.access === NO_ACCESS) this.access = attachNow(this.pin.memory(), layout)
    this.wasUsed = true
    return this.access
  }

  /** One guard less. */
  drop(): void {
    this.live -= 1
    if (this.live > 0) return
    if (this.isStale) this.settle()
    // The map may have been replaced since the slot was looked at.
    else this.slot?.check()
  }

  /** Lets go of the memory if nobody is left. */
  settle(): void {
    if (!this.isStale || this.live > 0) return
    this.access = NO_ACCESS
    this.pin.dispose()
  }
}

/** What a thread keeps of an atomic. */
class Slot {
  snapshot: Snapshot | null = null
  generation = 0

  constructor(
    private readonly cell: Int32Array<ArrayBuffer>,
    private readonly pin: () => NativeGuard,
  ) {}

  /** The current snapshot. */
  current(): Snapshot {
    const { snapshot } = this
    return snapshot !== null && Atomics.load(this.cell, 0) === this.generation ? snapshot : this.refresh()
  }

  private refresh(): Snapshot {
    // Before the snapshot is taken, so that it is rather taken once too often.
    const generation = Atomics.load(this.cell, 0)
    const snapshot = new Snapshot(this.pin(), this)
    this.retire()
    this.generation = generation
    this.snapshot = snapshot
    return snapshot
  }

  /**
   * Lets go of a snapshot that was replaced. A plain look is enough here: what it misses, `memory()` will see, or the word
   * that comes from the thread that replaced it.
   */
  check(): void {
    if (this.cell[0] !== this.generation) this.retire()
  }

  private retire(): void {
    const { snapshot } = this
    if (snapshot === null) return
    this.snapshot = null
    snapshot.isStale = true
    snapshot.settle()
  }
}

/** Puts the slot of an atomic on it, as `Anchor` does. */
class SlotAnchor extends Existing {
  readonly #slot: Slot

  private constructor(atomic: object, slot: Slot) {
    super(atomic)
    this.#slot = slot
  }

  static put(atomic: object, slot: Slot): void {
    void new SlotAnchor(atomic, slot)
  }

  static slot(atomic: object): Slot | undefined {
    return #slot in atomic ? atomic.#slot : undefined
  }
}

/** The slots of this thread that were made and not collected. */
const slots = new Map<number, WeakRef<Slot>>()
let slotsMade = 0

/** What the native methods of guards are to be called on. */
function nativeGuard(guard: object): object {
  return Anchor.snapshot(guard)?.pin ?? guard
}

/** Takes the methods for slots off the class. */
export function takeSlotMethods({ prototype }: typeof VmMemory.GuestMemoryAtomic): SlotMethods {
  return {
    generationCell: take<SlotMethods, 'generationCell'>(prototype, 'generationCell'),
    watchSlot: take<SlotMethods, 'watchSlot'>(prototype, 'watchSlot'),
    pinSnapshot: take<SlotMethods, 'pinSnapshot'>(prototype, 'pinSnapshot'),
    forgetSlot: take<SlotMethods, 'forgetSlot'>(prototype, 'forgetSlot'),
    setStaleCallback: take<SlotMethods, 'setStaleCallback'>(prototype, 'setStaleCallback'),
  }
}

export function installGuards(
  native: typeof VmMemory,
  layout: Layout,
  { generationCell, watchSlot, pinSnapshot, forgetSlot, setStaleCallback }: SlotMethods,
): { enter(guard: object): object } {
  const atomicPrototype = native.GuestMemoryAtomic.prototype
  const guardPrototype = native.GuestMemoryLoadGuard.prototype
  const nativeMethods = { memory: atomicPrototype.memory, update: atomicPrototype.update }
  const { replace } = native.GuestMemoryExclusiveGuard.prototype

  const any = new native.GuestMemoryAtomic(new native.GuestMemoryMmap())
  const collected = new FinalizationRegistry<number>((number) => {
    slots.delete(number)
    forgetSlot.call(any, number)
  })
  setStaleCallback.call(any, (number) => slots.get(number)?.deref()?.check())

  /** What guards have that were disposed of: native methods called on its pin say so. */
  const disposed = new Snapshot(nativeMethods.memory.call(any), null)
  disposed.pin.dispose()

  function makeSlot(atomic: Atomic): Slot {
    const cell = new Int32Array(generationCell.call(atomic))
    const number = (slotsMade += 1)
    // Not the atomic itself: it is to be collected with its slot, whoever holds a guard.
    const clone = atomic.clone()
    const slot = new Slot(cell, () => pinSnapshot.call(clone, number))
    watchSlot.call(atomic, number)
    slots.set(number, new WeakRef(slot))
    collected.register(slot, number)
    SlotAnchor.put(atomic, slot)
    return slot
  }

  /** Lets go of what this thread has just replaced; others are told by Rust. */
  function checkSlots(): void {
    for (const slot of slots.values()) slot.deref()?.check()
  }

  const GuardObject = function () {} as unknown as new () => Guard
  GuardObject.prototype = guardPrototype

  function makeGuard(snapshot: Snapshot): Guard {
    snapshot.live += 1
    return Anchor.put(new GuardObject(), snapshot.access, snapshot)
  }

  /** The snapshot of a guard that was not disposed of; null of everything else, native guards among it. */
  function snapshotOf(guard: object): Snapshot | null {
    const snapshot = Anchor.snapshot(guard)
    return snapshot === disposed ? null : snapshot
  }

  function disposeOf(guard: object, snapshot: Snapshot): void {
    Anchor.setSnapshot(guard, disposed)
    Anchor.setAccess(guard, NO_ACCESS)
    snapshot.drop()
  }

  // All that a guard can do, on its snapshot.
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(guardPrototype))) {
    if (name === 'constructor') continue
    const { get, value } = descriptor
    if (get) {
      Object.defineProperty(guardPrototype, name, {
        ...descriptor,
        get(this: object): unknown {
          return get.call(nativeGuard(this))
        },
      })
    } else {
      const method = value as (...args: unknown[]) => unknown
      defineMethod(guardPrototype, name, function (this: object, ...args: unknown[]) {
        return method.apply(nativeGuard(this), args)
      })
    }
  }

  const nativeGuardMethods = {
    clone: guardPrototype.clone,
    dispose: guardPrototype.dispose,
    intoInner: guardPrototype.intoInner,
  }

  defineMethod(atomicPrototype, 'memory', function (this: Atomic): Guard {
    const slot = SlotAnchor.slot(this)
    return makeGuard((slot ?? makeSlot(this)).current())
  })
  defineMethod(
    atomicPrototype,
    'update',
    function (this: Atomic, update: (map: VmMemory.GuestMemoryMmap) => VmMemory.GuestMemoryMmap) {
      const map = nativeMethods.update.call(this, update)
      checkSlots()
      return map
    },
  )
  defineMethod(
    native.GuestMemoryExclusiveGuard.prototype,
    'replace',
    function (this: VmMemory.GuestMemoryExclusiveGuard, map: VmMemory.GuestMemoryMmap) {
      replace.call(this, map)
      checkSlots()
    },
  )
  defineMethod(guardPrototype, 'clone', function (this: Guard): Guard {
    const snapshot = snapshotOf(this)
    return snapshot === null ? nativeGuardMethods.clone.call(this) : makeGuard(snapshot)
  })
  defineMethod(guardPrototype, 'intoInner', function (this: Guard): VmMemory.GuestMemoryMmap {
    const snapshot = snapshotOf(this)
    if (snapshot === null) return nativeGuardMethods.intoInner.call(this)
    const map = snapshot.pin.memory()
    disposeOf(this, snapshot)
    return map
  })
  defineMethod(guardPrototype, 'dispose', function (this: Guard): void {
    const snapshot = snapshotOf(this)
    if (snapshot === null) nativeGuardMethods.dispose.call(this)
    else disposeOf(this, snapshot)
  })

  return {
    enter(guard: object): object {
      const snapshot = Anchor.snapshot(guard)
      if (snapshot === null) return guard
      if (snapshot !== disposed) Anchor.setAccess(guard, snapshot.use(layout))
      return snapshot.pin
    },
  }
}
