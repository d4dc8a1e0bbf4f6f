import type { SeededRandom } from './seeded-random.js'
import * as blk from '../virtio/virtio-blk.js'

/** The longest request in sectors: 128 KiB. */
const LONGEST = 256

/** A request to be made; sectors are 0 where the type has none. */
export interface RequestPlan {
  readonly type: number
  readonly sector: number
  readonly sectors: number
  /** Descriptors that its data is to be spread over, when there are enough. */
  readonly pieces: number
}

/** `count` reads, writes and a few other requests, anywhere on the disk. */
export function* mixedRequests(count: number, diskSectors: number, random: SeededRandom): Generator<RequestPlan> {
  for (let issued = 0; issued < count; issued++) {
    const draw = random.below(100)
    if (draw < 1) {
      yield { type: blk.VIRTIO_BLK_T_FLUSH, sector: 0, sectors: 0, pieces: 0 }
    } else if (draw < 3) {
      yield { type: blk.VIRTIO_BLK_T_GET_ID, sector: 0, sectors: 0, pieces: random.between(1, 2) }
    } else {
      const sectors = random.between(1, Math.min(LONGEST, diskSectors))
      const type = draw < 52 ? blk.VIRTIO_BLK_T_IN : blk.VIRTIO_BLK_T_OUT
      yield { type, sector: random.below(diskSectors - sectors + 1), sectors, pieces: random.between(1, 4) }
    }
  }
}

/** Reads the first `sectors` of the disk from front to back. */
export function* sequentialReads(sectors: number): Generator<RequestPlan> {
  for (let sector = 0; sector < sectors; sector += LONGEST) {
    yield { type: blk.VIRTIO_BLK_T_IN, sector, sectors: Math.min(LONGEST, sectors - sector), pieces: 1 }
  }
}
