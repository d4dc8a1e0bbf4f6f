/** Native methods that are there for the fast paths alone. They are taken off the classes. */
import type * as VmMemory from '../../index'
import { take } from '../take'
import type { Source } from './window'

/** What tells about memory, of one class. */
export interface Layout extends Source {
  layout(): Float64Array
  /** From which access on views are worth their making. */
  readonly worthFrom: number
}

/** What load guards are made with. */
export interface SlotMethods {
  generationCell(): ArrayBuffer
  watchSlot(slot: number): void
  pinSnapshot(slot: number): VmMemory.GuestMemoryLoadGuard
  forgetSlot(slot: number): void
  setStaleCallback(callback: (slot: number) => void): void
}

export function takeLayout(prototype: object, { isPageAligned = true, worthFrom = 2 } = {}): Layout {
  return {
    isPageAligned,
    worthFrom,
    layout: take<Layout, 'layout'>(prototype, 'layout'),
    openWindow: take<Layout, 'openWindow'>(prototype, 'openWindow'),
    dirtyMarker: take<Layout, 'dirtyMarker'>(prototype, 'dirtyMarker'),
  }
}

export function takeSlotMethods({ prototype }: typeof VmMemory.GuestMemoryAtomic): SlotMethods {
  return {
    generationCell: take<SlotMethods, 'generationCell'>(prototype, 'generationCell'),
    watchSlot: take<SlotMethods, 'watchSlot'>(prototype, 'watchSlot'),
    pinSnapshot: take<SlotMethods, 'pinSnapshot'>(prototype, 'pinSnapshot'),
    forgetSlot: take<SlotMethods, 'forgetSlot'>(prototype, 'forgetSlot'),
    setStaleCallback: take<SlotMethods, 'setStaleCallback'>(prototype, 'setStaleCallback'),
  }
}
