import { MmapRegion, type VolatileSlice } from '../../index.js'

/** Memory that holds `bytes` and is as long as they are (upstream `VolatileSlice::from(&mut bytes[..])`). */
export function volatileSlice(bytes: Uint8Array): VolatileSlice {
  // No mapping is empty, but a slice of one may be.
  const slice = new MmapRegion(Math.max(bytes.length, 1)).getSlice(0, bytes.length)
  slice.write(bytes, 0)
  return slice
}

/** A copy of what a slice holds, by the same reads that the tests are about. */
export function contents(slice: VolatileSlice): Uint8Array {
  const bytes = new Uint8Array(slice.len)
  slice.readSlice(bytes, 0)
  return bytes
}
