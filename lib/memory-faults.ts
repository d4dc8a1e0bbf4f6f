/** `onMemoryFault`: listeners for pages that the host has lost. Rust tells of each fault once, in each thread that listens. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { defineFunction, disposable } from './protocols'
import { throwUncaught } from './uncaught'

type Listener = Parameters<typeof VmMemory.onMemoryFault>[0]

/** A place in the list: one listener may be there twice. */
interface Entry {
  readonly listener: Listener
  next: Entry | null
  isGone: boolean
}

export function installMemoryFaults(native: typeof VmMemory, door: Door): void {
  let first: Entry | null = null

  function answer(region: VmMemory.GuestRegionMmap | VmMemory.MmapRegion, fault: VmMemory.MemoryFault): void {
    for (let entry = first; entry !== null; entry = entry.next) {
      if (entry.isGone) continue
      try {
        ;(0, entry.listener)(region, fault)
      } catch (error) {
        // The others are told all the same.
        throwUncaught(error)
      }
    }
  }

  function add(entry: Entry): void {
    if (first === null) {
      first = entry
      return
    }
    let last = first
    while (last.next !== null) last = last.next
    last.next = entry
  }

  function remove(entry: Entry): void {
    entry.isGone = true
    while (first !== null && first.isGone) first = first.next
    for (let known = first; known !== null; known = known.next) {
      while (known.next !== null && known.next.isGone) known.next = known.next.next
    }
    if (first === null) door.ignoreFaults()
  }

  function onMemoryFault(listener: Listener): Disposable {
    if (typeof listener !== 'function') throw door.invalidListener(listener)
    const entry: Entry = { listener, next: null, isGone: false }
    door.listenForFaults(answer)
    add(entry)
    return disposable(() => {
      if (!entry.isGone) remove(entry)
    })
  }
  defineFunction(native, 'onMemoryFault', onMemoryFault)
}
