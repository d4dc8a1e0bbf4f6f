/** `diff`, and `onChange`: listeners to the changes of a map, and the order in which they are told. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { uncurryThis } from './intrinsics'
import { defineMethod, disposable } from './protocols'
import { throwUncaught } from './uncaught'

type Atomic = VmMemory.GuestMemoryAtomic
type Change = Parameters<Parameters<Atomic['onChange']>[0]>[0]
type Listener = (change: Change) => void

interface Listening {
  readonly watch: Watch
  /** Null when it listens no longer. */
  listener: Listener | null
}

/** An atomic that is listened to. */
interface Watch {
  /** As Rust numbers it. */
  readonly number: number
  /** In the order in which they were registered. Never changed in place: it may be gone through just now. */
  listening: readonly Listening[]
  isTelling: boolean
  isToTellAgain: boolean
}

// As they are now: users may replace them.
const getWatch = uncurryThis(Map.prototype.get as Map<number, Watch>['get'])
const setWatch = uncurryThis(Map.prototype.set as Map<number, Watch>['set'])
const deleteWatch = uncurryThis(Map.prototype.delete as Map<number, Watch>['delete'])

export function installChanges(native: typeof VmMemory, door: Door): void {
  const { prototype } = native.GuestMemoryAtomic
  const watches = new Map<number, Watch>()

  function call(listener: Listener, change: Change): void {
    try {
      listener(change)
    } catch (error) {
      throwUncaught(error)
    }
  }

  function take(number: number): Change | null {
    const taken = door.takeChange(number)
    if (taken === null) return null
    const previous = taken[0]
    const current = taken[1]
    const { added, removed, kept } = door.diff(previous, current)
    return { added, removed, kept, previous, current }
  }

  function tellOnce({ number, listening }: Watch): void {
    const change = take(number)
    if (change === null) return
    for (let i = 0; i < listening.length; i += 1) {
      const { listener } = listening[i] as Listening
      if (listener !== null) call(listener, change)
    }
  }

  /**
   * Tells the listeners of an atomic what has changed. One that changes the map itself does not get in front of those who have
   * not been told of the last change yet.
   */
  function tell(number: number): void {
    const watch = getWatch(watches, number)
    if (watch === undefined) return
    watch.isToTellAgain = true
    if (watch.isTelling) return
    watch.isTelling = true
    try {
      while (watch.isToTellAgain) {
        watch.isToTellAgain = false
        tellOnce(watch)
      }
    } finally {
      watch.isTelling = false
    }
  }
  door.answerChanges(tell)

  function watchOf(number: number): Watch {
    const watch = getWatch(watches, number)
    if (watch !== undefined) return watch
    const made: Watch = { number, listening: [], isTelling: false, isToTellAgain: false }
    setWatch(watches, number, made)
    return made
  }

  /** All listeners of an atomic but one. */
  function without({ listening }: Watch, left: Listening): Listening[] {
    const others: Listening[] = []
    for (let i = 0; i < listening.length; i += 1) {
      const each = listening[i] as Listening
      if (each !== left) others[others.length] = each
    }
    return others
  }

  function end(ended: Listening): void {
    if (ended.listener === null) return
    ended.listener = null
    const { watch } = ended
    watch.listening = without(watch, ended)
    if (watch.listening.length > 0) return
    deleteWatch(watches, watch.number)
    door.forgetChanges(watch.number)
  }

  function onChange(this: Atomic, listener: Listener): Disposable {
    const watch = watchOf(door.watchChanges(this, listener))
    const registered: Listening = { watch, listener }
    const longer = without(watch, registered)
    longer[longer.length] = registered
    watch.listening = longer
    return disposable(() => end(registered))
  }
  defineMethod(prototype, 'onChange', onChange)

  for (const { prototype } of [native.GuestMemoryMmap, native.GuestMemoryLoadGuard]) {
    defineMethod(prototype, 'diff', function (this: VmMemory.GuestMemoryMmap, next: VmMemory.GuestMemoryMmap) {
      return door.diff(this, next)
    })
  }
}
