/**
 * Load guards as plain objects, so that `memory()` need not call Rust.
 *
 *     one thread                                             all threads
 *
 *     guard ─┐  cursor                                            Rust
 *     guard ─┼────────► Snapshot ── pin ──► native guard ──────► one map
 *     guard ─┘           ▲   live: 3 guards,  table: its windows
 *                        │ snapshot
 *     atomic ────────► Slot ── cell ───────────────────────────► generation of the atomic
 *              anchor
 *
 * Who holds whom: a guard holds its snapshot, a snapshot its native guard (the pin), and that the map. An atomic holds its slot,
 * and the slot the snapshot that was current when it last looked. Nobody holds guards.
 *
 * - **memory()** compares the snapshot's generation with the cell. Where they are equal, a guard is an allocation and a count.
 * - **replace** counts the cell up. The slots of this thread let go of the old snapshot at once, those of others are told by Rust
 *   (`Slots::invalidate`), which rings the bell of their threads. The next `memory()` takes a new snapshot in any case.
 * - **dispose** puts the cursor of a snapshot that knows nothing on the guard. The last guard of a snapshot that was replaced
 *   disposes of the pin, and with that of the map.
 * - **idle**: a slot keeps the current snapshot, which is memory that is there anyway; it never keeps an old one for long, unless its
 *   thread sleeps. A cell tells Rust whether the slot is used, so that nobody waits for what a sleeping thread does not use.
 * - **collection**: a guard that is dropped is not counted down, so its snapshot keeps the pin until both are collected: the
 *   snapshot goes with its last guard and the slot, and the native guard's finalizer lets go of the map.
 */
import type * as VmMemory from '../../../index'
import type { Door } from '../../door'
import { defineMethod } from '../../protocols'
import { uncurryThis } from '../../intrinsics'
import * as methods from '../methods'
import { Anchor } from '../methods/anchor'
import type { Cursor } from '../methods/cursor'
import { type Natives, nativesOf } from '../natives'
import { redirect } from '../redirect'
import { generationOf, tellUse } from './cell'
import { installExclusiveGuards } from './exclusive'
import { Slots } from './slots'
import { SlotAnchor } from './slot'
import { Snapshot } from './snapshot'

type Guard = VmMemory.GuestMemoryLoadGuard
type Atomic = VmMemory.GuestMemoryAtomic
type Map = VmMemory.GuestMemoryMmap

const { cursor: cursorOf, peek, put, set: anchor } = Anchor

/** When a collection finds no guard, the engine forgets what guards look like, and all code that was made for them. */
const keptAlive: object[] = []

/** The snapshot of a guard; null of everything else, native guards among it. */
function snapshotOf(cursor: Cursor): Snapshot | null {
  return cursor instanceof Snapshot ? cursor : null
}

/** What the native methods of guards are to be called on: of what is no guard, that itself, which they refuse. */
function nativeGuard<T>(guard: T): T | VmMemory.GuestMemoryLoadGuard {
  if (typeof guard !== 'object' || guard === null) return guard
  return snapshotOf(cursorOf(guard))?.pin ?? guard
}

export interface Guards {
  /** The fast methods for guards. */
  readonly methods: typeof methods
  readonly natives: Natives<Guard>
  /** What the native methods are to be called on. */
  guardToNative(guard: object, cursor: Cursor): object
  /** The native half of a guard; undefined of everything else. */
  halfOf(object: object): object | undefined
}

/**
 * Puts guards that are plain objects in the place of native ones.
 * @param noteUse notes a native access by a cursor to the memory of a map
 */
export function installGuards(
  native: typeof VmMemory,
  door: Door,
  noteUse: (cursor: Cursor, mapOf: () => Map) => void,
): Guards {
  const { prototype: atomicPrototype } = native.GuestMemoryAtomic
  const { prototype: guardPrototype } = native.GuestMemoryLoadGuard
  const atomics = nativesOf(atomicPrototype)
  const guards = nativesOf(guardPrototype)

  const gone = new native.GuestMemoryAtomic(new native.GuestMemoryMmap()).memory()
  gone.dispose()
  const slots = new Slots(door, atomics, guards, gone)
  const { disposed } = slots
  door.answerSlots((number) => slots.check(number))

  const GuardObject = function () {} as unknown as new () => Guard
  GuardObject.prototype = guardPrototype
  keptAlive.push(put(new GuardObject(), disposed))

  function makeGuard(snapshot: Snapshot): Guard {
    const guard = put(new GuardObject(), snapshot)
    snapshot.live += 1
    return guard
  }

  /** The snapshot of a guard that was not disposed of; null of everything else. */
  function liveSnapshotOf(guard: object): Snapshot | null {
    const snapshot = snapshotOf(cursorOf(guard))
    return snapshot === disposed ? null : snapshot
  }

  redirect(guardPrototype, nativeGuard)

  // `memory` and `dispose` are kept so short that the engine can put them, and all they call, where they are called.
  function memory(this: Atomic): Guard {
    const slot = SlotAnchor.slot(this) ?? slots.make(this)
    if (slot === undefined) return atomics.memory(this)
    tellUse(slot.use, 1)
    let { snapshot } = slot
    if (generationOf(snapshot.cell) !== snapshot.generation) snapshot = slot.refresh()
    return makeGuard(snapshot)
  }

  function dispose(this: Guard): void {
    const snapshot = cursorOf(this) as Snapshot
    // Not that of a guard, or disposed of.
    if (!(snapshot.live > 0)) return guards.dispose(nativeGuard(this))
    anchor(this, disposed)
    snapshot.live -= 1
    tellUse(snapshot.use, snapshot.live)
    if (generationOf(snapshot.cell) !== snapshot.generation) snapshot.retire()
  }
  const disposeOf = uncurryThis(dispose)

  function clone(this: Guard): Guard {
    const snapshot = liveSnapshotOf(this)
    return snapshot === null ? guards.clone(nativeGuard(this)) : makeGuard(snapshot)
  }

  function intoInner(this: Guard): Map {
    const snapshot = liveSnapshotOf(this)
    if (snapshot === null) return guards.intoInner(nativeGuard(this))
    const { map } = snapshot
    disposeOf(this)
    return map
  }

  defineMethod(guardPrototype, 'dispose', dispose)
  defineMethod(guardPrototype, 'clone', clone)
  defineMethod(guardPrototype, 'intoInner', intoInner)
  defineMethod(atomicPrototype, 'memory', memory)
  defineMethod(atomicPrototype, 'update', function (this: Atomic, update: (map: Map) => Map) {
    try {
      return atomics.update(this, update)
    } finally {
      slots.checkAll()
    }
  })
  installExclusiveGuards(door, slots)
  return {
    methods,
    natives: guards,
    guardToNative(guard, cursor) {
      const snapshot = snapshotOf(cursor)
      if (snapshot === null) return guard
      if (snapshot !== disposed) noteUse(snapshot, () => snapshot.map)
      return snapshot.pin
    },
    halfOf: (object) => snapshotOf(peek(object))?.pin,
  }
}
