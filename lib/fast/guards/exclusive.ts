/**
 * Guards of the update lock as plain objects, for `tryLock()` and `lock()` where the lock is free.
 *
 * The lock is taken and given back by the functions of a seat (`crate/src/door/seats.rs`), which go with whoever has them:
 *
 *     nobody holds the lock here     atomic ── slot ── seat
 *     a guard does                   atomic ── slot      guard ── seat
 *     a guard was dropped            atomic ── slot      (seat, whose collection gives the lock back)
 *
 * So no guard needs a finalizer of its own. All that the lock is waited for makes native guards, which are left alone.
 */
import type * as VmMemory from '../../../index'
import { addon } from '../../addon'
import type { Door } from '../../door'
import { defineMethod } from '../../protocols'
import { keepFromCloning } from '../../uncloneable'
import { Existing } from '../existing'
import { nativesOf } from '../natives'
import { NO_SEAT, Seat } from './seat'
import { type Slot, SlotAnchor } from './slot'
import type { Slots } from './slots'

type Atomic = VmMemory.GuestMemoryAtomic
type Guard = VmMemory.GuestMemoryExclusiveGuard
type Map = VmMemory.GuestMemoryMmap

const GuardObject = function () {} as unknown as new () => Guard
GuardObject.prototype = addon.GuestMemoryExclusiveGuard.prototype

class SeatStamp extends Existing {
  #seat: Seat

  private constructor(object: object, seat: Seat) {
    super(object)
    this.#seat = seat
  }

  static make(seat: Seat): Guard {
    const guard = new GuardObject()
    keepFromCloning(guard)
    return new SeatStamp(guard, seat) as unknown as Guard
  }

  /** The seat of a guard; null of everything else, native guards among it. */
  static seat(guard: object): Seat | null {
    try {
      return #seat in guard ? guard.#seat : null
    } catch {
      return null
    }
  }

  static set(guard: object, seat: Seat): void {
    ;(guard as SeatStamp).#seat = seat
  }
}

const { make: makeGuard, seat: seatOf, set: setSeat } = SeatStamp

/** When a collection finds no guard, the engine forgets what guards look like, and all code that was made for them. */
const keptAlive: object[] = []

export function installExclusiveGuards(door: Door, slots: Slots): void {
  const { prototype: atomic } = addon.GuestMemoryAtomic
  const { prototype: guard } = addon.GuestMemoryExclusiveGuard
  const atomics = nativesOf(atomic)
  const guards = nativesOf(guard)
  const gone = atomics.tryLock(new addon.GuestMemoryAtomic(new addon.GuestMemoryMmap())) as Guard
  guards.dispose(gone)
  keptAlive.push(makeGuard(NO_SEAT))

  function makeSeat(object: object, slot: Slot): Seat {
    const seat = door.makeSeat(object as Atomic)
    return new Seat(slot, seat[0], seat[1], seat[2])
  }

  /** Takes the lock if it is free; undefined where the native method has to say what is. */
  function enter(object: object): Guard | null | undefined {
    const slot = SlotAnchor.slot(object) ?? slots.make(object as Atomic)
    if (slot === undefined) return undefined
    const seat = slot.seat ?? makeSeat(object, slot)
    // From here on the guard alone has it: whatever ends this function, nobody else enters by it.
    slot.seat = null
    const made = makeGuard(seat)
    if (seat.enter()) return made
    setSeat(made, NO_SEAT)
    slot.seat = seat
    return null
  }

  /** Lets the next guard have the seat of one that has given the lock back. */
  function vacate(object: object, seat: Seat): void {
    setSeat(object, NO_SEAT)
    if (seat.keeper !== null) seat.keeper.seat = seat
  }

  defineMethod(atomic, 'tryLock', function (this: Atomic): Guard | null {
    const made = enter(this)
    return made === undefined ? atomics.tryLock(this) : made
  })
  defineMethod(atomic, 'lock', function (this: Atomic, options?: { timeout?: number }): Guard {
    return (options === undefined ? enter(this) : null) ?? atomics.lock(this, options)
  })
  defineMethod(guard, 'dispose', function (this: Guard): void {
    const seat = seatOf(this)
    if (seat === null) return guards.dispose(this)
    seat.leave()
    vacate(this, seat)
  })
  defineMethod(guard, 'replace', function (this: Guard, map: Map): void {
    const seat = seatOf(this)
    try {
      if (seat === null) return guards.replace(this, map)
      if (seat === NO_SEAT) return guards.replace(gone, map)
      seat.replace(map)
      vacate(this, seat)
    } finally {
      slots.checkAll()
    }
  })
}
