/** `diff`, and `onChange`: listeners to the changes of a map, and the order in which they are told. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { DISPOSE, defineMethod } from './protocols'

type Atomic = VmMemory.GuestMemoryAtomic
type Change = Parameters<Parameters<Atomic['onChange']>[0]>[0]
type Listener = (change: Change) => void

/** An atomic that is listened to. */
interface Watch {
  /** As Rust numbers it. */
  readonly number: number
  /** What the listeners are being told; null if nothing has changed. */
  change: Change | null
}

interface Listening {
  readonly watch: Watch
  /** Null when it listens no longer. */
  listener: Listener | null
}

// As they are now: users may replace them.
const later = queueMicrotask
const { defineProperty } = Object

/** What ends a listening. */
class Registration {
  readonly #end: () => void

  constructor(end: () => void) {
    this.#end = end
  }

  dispose(): void {
    this.#end()
  }
}
for (const symbol of DISPOSE) {
  defineProperty(Registration.prototype, symbol, {
    value: Registration.prototype.dispose,
    writable: true,
    configurable: true,
  })
}

export function installChanges(native: typeof VmMemory, door: Door): void {
  const { prototype } = native.GuestMemoryAtomic
  /** In the order in which they were registered. Never changed in place: it may be gone through just now. */
  let listening: readonly Listening[] = []
  let isTelling = false
  let isToTellAgain = false

  function call(listener: Listener, change: Change): void {
    try {
      listener(change)
    } catch (error) {
      // Nobody to throw to: the map has changed.
      later(() => {
        throw error
      })
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

  /** Tells all listeners what has changed. */
  function tellOnce(): void {
    const now = listening
    // All of one atomic are told the same.
    for (let i = 0; i < now.length; i += 1) (now[i] as Listening).watch.change = null
    for (let i = 0; i < now.length; i += 1) {
      const { watch } = now[i] as Listening
      watch.change ??= take(watch.number)
    }
    for (let i = 0; i < now.length; i += 1) {
      const { watch, listener } = now[i] as Listening
      if (watch.change !== null && listener !== null) call(listener, watch.change)
    }
  }

  /** A listener that replaces the map does not get in front of those who have not been told of the last change yet. */
  function tell(): void {
    isToTellAgain = true
    if (isTelling) return
    isTelling = true
    try {
      while (isToTellAgain) {
        isToTellAgain = false
        tellOnce()
      }
    } finally {
      isTelling = false
    }
  }
  door.answerChanges(tell)

  /** All that listen but one. */
  function without(ended: Listening): Listening[] {
    const left: Listening[] = []
    for (let i = 0; i < listening.length; i += 1) {
      const each = listening[i] as Listening
      if (each !== ended) left[left.length] = each
    }
    return left
  }

  function watchOf(number: number): Watch | null {
    for (let i = 0; i < listening.length; i += 1) {
      const { watch } = listening[i] as Listening
      if (watch.number === number) return watch
    }
    return null
  }

  function end(ended: Listening): void {
    if (ended.listener === null) return
    ended.listener = null
    listening = without(ended)
    const { number } = ended.watch
    if (watchOf(number) === null) door.forgetChanges(number)
  }

  function onChange(this: Atomic, listener: Listener): Disposable {
    const number = door.watchChanges(this, listener)
    const registered: Listening = { watch: watchOf(number) ?? { number, change: null }, listener }
    const longer = without(registered)
    longer[longer.length] = registered
    listening = longer
    return new Registration(() => end(registered)) as Registration & Disposable
  }
  defineMethod(prototype, 'onChange', onChange)

  for (const { prototype } of [native.GuestMemoryMmap, native.GuestMemoryLoadGuard]) {
    defineMethod(prototype, 'diff', function (this: VmMemory.GuestMemoryMmap, next: VmMemory.GuestMemoryMmap) {
      return door.diff(this, next)
    })
  }
}
