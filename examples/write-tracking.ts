import type { GuestMemoryMmap, WriteTracker } from '../index.js'

/** Tracks writes to a memory; null where the kernel cannot. */
export function trackerOf(memory: GuestMemoryMmap): WriteTracker | null {
  try {
    return memory.trackWrites()
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_UNSUPPORTED') return null
    throw error
  }
}
