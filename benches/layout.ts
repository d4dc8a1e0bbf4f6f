/** Where the measured memory lies and which addresses are met: the same for all, in `rust/src/layout.rs` too. */

export const REGION_SIZE = 1 << 20
/** A gap follows each region, so that no division finds it. */
const STRIDE = 0x14_0000
/** As in a machine, the upper half lies above the PCI hole. */
const HIGH = 0x1_0000_0000

export const ADDRESS_COUNT = 4096
export const ADDRESS_MASK = ADDRESS_COUNT - 1

export function regionStart(index: number, count: number): number {
  return index * STRIDE + (count > 1 && index >= count / 2 ? HIGH : 0)
}

export function regionStarts(count: number): number[] {
  return Array.from({ length: count }, (_, index) => regionStart(index, count))
}

/** xorshift32 */
function makeRandom(): () => number {
  let state = 0x9e37_79b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Multiples of 8, in random regions. */
export function randomAddresses(count: number): Float64Array {
  const random = makeRandom()
  return Float64Array.from({ length: ADDRESS_COUNT }, () => {
    const start = regionStart(random() % count, count)
    return start + (random() % (REGION_SIZE / 8)) * 8
  })
}

/** Two regions without a gap, for copies. */
export const COPY_REGION_SIZE = 4 << 20

export const COPY_PLACES = 64
export const COPY_MASK = COPY_PLACES - 1

/** Within the first region, or around the border between the two. */
export function copyAddresses(size: number, where: 'one' | 'two'): Float64Array {
  // So that they meet the pages of the other side at many offsets: some of those are slow.
  const step = size < 4096 ? 1 : size / 64 + 64
  return Float64Array.from({ length: COPY_PLACES }, (_, index) =>
    where === 'one'
      ? (index * 0x1_0000 + index * 192) % (COPY_REGION_SIZE - size)
      : COPY_REGION_SIZE - size / 2 + ((index % 16) - 8) * step,
  )
}

/** A virtqueue's ring of 256 indices. */
export const RING_START = 0x2004
export const RING_MASK = 255
