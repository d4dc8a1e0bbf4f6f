/**
 * Load guards as plain objects. In each thread a slot keeps the current snapshot of an atomic, behind one native guard; a
 * guard here is an object that counts as one more user of it. So `memory()` need not call Rust: it compares the snapshot's
 * generation with a cell that Rust counts up when the map is replaced.
 */
import type * as VmMemory from '../../index'
import type { Door } from '../door'
import { defineMethod } from '../protocols'
import * as intrinsics from './intrinsics'
import * as methods from './methods'
import { Cursor } from './methods/cursor'
import { Anchor, Existing } from './methods/anchor'
import { EMPTY, type Table } from './table'
import { NOWHERE } from './window'

type NativeGuard = VmMemory.GuestMemoryLoadGuard
type Guard = VmMemory.GuestMemoryLoadGuard
type Atomic = VmMemory.GuestMemoryAtomic
type Cell = Int32Array<ArrayBuffer>

const { atomicLoad } = intrinsics
const { cursor: cursorOf, put, set: anchor } = Anchor

/**
 * Reads a cell. It need not be ordered: what orders another thread's `replace` before a `memory()` here orders any read in
 * it, and an old generation means an old map and nothing else. But it must be read each time. V8 leaves a plain read where
 * it stands, and would make a call of `Atomics.load`; other engines take plain reads out of loops.
 */
const read: (cell: Cell) => number | undefined =
  process.versions.bun === undefined ? (cell) => cell[0] : (cell) => atomicLoad(cell, 0)

/** Native methods of guards, for what users never see: whatever they have put in place of the public ones. */
type GuardMethods = Pick<NativeGuard, 'memory' | 'dispose' | 'clone' | 'intoInner'>

/** A map as it was, shared by the guards on it: the cursor that is anchored to all of them. */
class Snapshot extends Cursor {
  /** Guards that were not disposed of. One that is dropped instead keeps the native guard until both are collected. */
  live = 0

  constructor(
    readonly pin: NativeGuard,
    private readonly natives: GuardMethods,
    /** The map is the current one for as long as the cell has this generation. */
    readonly cell: Cell,
    readonly generation: number | undefined,
    private readonly slot: Slot | null,
  ) {
    super()
  }

  /** Lets go of a map that was replaced: the slot does at once, the memory goes with the last guard. */
  retire(): void {
    this.slot?.leave(this)
    if (this.live > 0) return
    this.table = EMPTY
    this.window = NOWHERE
    this.natives.dispose.call(this.pin)
  }

  get map(): VmMemory.GuestMemoryMmap {
    return this.natives.memory.call(this.pin)
  }
}

/** What a thread keeps of an atomic. */
class Slot {
  /** The current snapshot, or what was that. */
  snapshot: Snapshot

  constructor(
    private readonly cell: Cell,
    /** What stands for no snapshot: never current. */
    private readonly none: Snapshot,
    private readonly take: (slot: Slot, generation: number | undefined) => Snapshot,
  ) {
    this.snapshot = none
  }

  /** Takes a snapshot of the map that is there now. */
  refresh(): Snapshot {
    // Before the snapshot is taken, so that it is rather taken once too often.
    const generation = read(this.cell)
    const snapshot = this.take(this, generation)
    const { snapshot: replaced } = this
    this.snapshot = snapshot
    if (replaced !== this.none) replaced.retire()
    return snapshot
  }

  /** Lets go of a snapshot that was replaced. */
  check(): void {
    const { snapshot } = this
    if (snapshot !== this.none && read(this.cell) !== snapshot.generation) snapshot.retire()
  }

  leave(snapshot: Snapshot): void {
    if (this.snapshot === snapshot) this.snapshot = this.none
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

/** When a collection finds no guard, the engine forgets what guards look like, and all code that was made for them. */
const keptAlive = new Set<object>()

/** The snapshot of a guard; null of everything else, native guards among it. */
function snapshotOf(guard: object): Snapshot | null {
  const cursor = cursorOf(guard)
  return cursor instanceof Snapshot ? cursor : null
}

/** What the native methods of guards are to be called on. */
function nativeGuard(guard: object): object {
  return snapshotOf(guard)?.pin ?? guard
}

/** How maps get their fast paths. */
interface MapAccess {
  readonly worthFrom: number
  tableOf(map: VmMemory.GuestMemoryMmap): Table
}

export function installGuards(
  native: typeof VmMemory,
  { tableOf, worthFrom }: MapAccess,
  { generationCell, watchSlot, pinSnapshot, forgetSlot, answerSlots }: Door,
): { methods: typeof methods; guardToNative(guard: object): object } {
  const atomicPrototype = native.GuestMemoryAtomic.prototype
  const guardPrototype = native.GuestMemoryLoadGuard.prototype
  const nativeMethods = {
    memory: atomicPrototype.memory,
    update: atomicPrototype.update,
    clone: atomicPrototype.clone,
  }
  const nativeGuardMethods: GuardMethods = {
    memory: guardPrototype.memory,
    clone: guardPrototype.clone,
    dispose: guardPrototype.dispose,
    intoInner: guardPrototype.intoInner,
  }
  const { replace } = native.GuestMemoryExclusiveGuard.prototype

  const any = new native.GuestMemoryAtomic(new native.GuestMemoryMmap())
  const collected = new FinalizationRegistry<number>((number) => {
    slots.delete(number)
    forgetSlot(number)
  })

  /** What guards have that were disposed of: native methods called on its pin say so. */
  const disposed = new Snapshot(nativeMethods.memory.call(any), nativeGuardMethods, new Int32Array([1]), 0, null)
  disposed.pin.dispose()
  answerSlots(
    (number) => slots.get(number)?.deref()?.check(),
    (object) => snapshotOf(object)?.pin,
  )

  function makeSlot(atomic: Atomic): Slot {
    const cell = new Int32Array(generationCell(atomic))
    const number = (slotsMade += 1)
    // Not the atomic itself: it is to be collected with its slot, whoever holds a guard.
    const clone = nativeMethods.clone.call(atomic)
    const slot = new Slot(cell, disposed, (slot, generation) => {
      return new Snapshot(pinSnapshot(clone, number), nativeGuardMethods, cell, generation, slot)
    })
    watchSlot(atomic, number)
    slots.set(number, new WeakRef(slot))
    collected.register(slot, number)
    SlotAnchor.put(atomic, slot)
    return slot
  }

  /** The snapshot of a guard that was not disposed of; null of everything else. */
  function liveSnapshotOf(guard: object): Snapshot | null {
    const snapshot = snapshotOf(guard)
    return snapshot === disposed ? null : snapshot
  }

  /** Lets go of what this thread has just replaced; others are told by Rust. */
  function checkSlots(): void {
    for (const slot of slots.values()) slot.deref()?.check()
  }

  const GuardObject = function () {} as unknown as new () => Guard
  GuardObject.prototype = guardPrototype
  keptAlive.add(put(new GuardObject(), disposed))

  function makeGuard(snapshot: Snapshot): Guard {
    const guard = put(new GuardObject(), snapshot)
    snapshot.live += 1
    return guard
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

  // `memory` and `dispose` are kept so short that the engine can put them, and all they call, where they are called.
  defineMethod(atomicPrototype, 'memory', function (this: Atomic): Guard {
    const slot = SlotAnchor.slot(this) ?? makeSlot(this)
    let { snapshot } = slot
    if (read(snapshot.cell) !== snapshot.generation) snapshot = slot.refresh()
    return makeGuard(snapshot)
  })
  function dispose(this: Guard): void {
    const snapshot = cursorOf(this) as Snapshot
    // Not that of a guard, or disposed of.
    if (!(snapshot.live > 0)) return nativeGuardMethods.dispose.call(nativeGuard(this))
    anchor(this, disposed)
    snapshot.live -= 1
    if (read(snapshot.cell) !== snapshot.generation) snapshot.retire()
  }
  defineMethod(guardPrototype, 'dispose', dispose)
  defineMethod(
    atomicPrototype,
    'update',
    function (this: Atomic, update: (map: VmMemory.GuestMemoryMmap) => VmMemory.GuestMemoryMmap) {
      try {
        return nativeMethods.update.call(this, update)
      } finally {
        checkSlots()
      }
    },
  )
  defineMethod(
    native.GuestMemoryExclusiveGuard.prototype,
    'replace',
    function (this: VmMemory.GuestMemoryExclusiveGuard, map: VmMemory.GuestMemoryMmap) {
      try {
        replace.call(this, map)
      } finally {
        checkSlots()
      }
    },
  )
  defineMethod(guardPrototype, 'clone', function (this: Guard): Guard {
    const snapshot = liveSnapshotOf(this)
    return snapshot === null ? nativeGuardMethods.clone.call(nativeGuard(this)) : makeGuard(snapshot)
  })
  defineMethod(guardPrototype, 'intoInner', function (this: Guard): VmMemory.GuestMemoryMmap {
    const snapshot = liveSnapshotOf(this)
    if (snapshot === null) return nativeGuardMethods.intoInner.call(nativeGuard(this))
    const { map } = snapshot
    dispose.call(this)
    return map
  })
  return {
    methods,
    guardToNative(guard: object): object {
      const snapshot = liveSnapshotOf(guard)
      snapshot?.noteUse(worthFrom, () => tableOf(snapshot.map))
      return nativeGuard(guard)
    },
  }
}
