/** What `release` of a mapping leaves to this thread: to close its windows at once, and to forget its buffers. Other threads are told. */
import type * as VmMemory from '../index'
import type { Door } from './door'
import { heed, isCalm } from './fast/ends'
import { uncurryThis } from './intrinsics'
import { forgetBuffers } from './lasting'
import { defineMethod } from './protocols'

export function installRelease({ GuestRegionMmap, MmapRegion }: typeof VmMemory, { answerEnds }: Door): void {
  answerEnds(heed)
  for (const prototype of [GuestRegionMmap.prototype, MmapRegion.prototype]) {
    const native = uncurryThis(prototype.release)
    const release = function (this: VmMemory.GuestRegionMmap | VmMemory.MmapRegion): void {
      try {
        native(this)
      } finally {
        if (!isCalm()) heed()
      }
      forgetBuffers(this)
    }
    defineMethod(prototype, 'release', release)
  }
}
