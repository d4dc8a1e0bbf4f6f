/**
 * The split virtqueue as it lies in guest memory (virtio 1.2, section 2.7). Names are those of the standard; its fields
 * are little-endian, as is every host that this package is built for, so native accesses serve.
 */

import { struct } from '../../index.js'

export const VIRTQ_MAX_SIZE = 32768

// 6 Reserved Feature Bits
export const VIRTIO_F_INDIRECT_DESC = 28
export const VIRTIO_F_EVENT_IDX = 29
export const VIRTIO_F_VERSION_1 = 32

/** 2.7.5 The Virtqueue Descriptor Table */
export const VirtqDesc = struct({ addr: 'le64', len: 'le32', flags: 'le16', next: 'le16' })
/** The buffer goes on in the descriptor `next`. */
export const VIRTQ_DESC_F_NEXT = 1
/** The device writes the buffer; otherwise it reads it. */
export const VIRTQ_DESC_F_WRITE = 2
/** The buffer is a table of descriptors; only with VIRTIO_F_INDIRECT_DESC. */
export const VIRTQ_DESC_F_INDIRECT = 4

// 2.7.6 The Virtqueue Available Ring: struct virtq_avail { le16 flags; le16 idx; le16 ring[]; le16 used_event; }
export const VIRTQ_AVAIL_FLAGS = 0
export const VIRTQ_AVAIL_IDX = 2
export const VIRTQ_AVAIL_RING = 4
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1

// 2.7.8 The Virtqueue Used Ring: struct virtq_used { le16 flags; le16 idx; virtq_used_elem ring[]; le16 avail_event; }
export const VIRTQ_USED_FLAGS = 0
export const VIRTQ_USED_IDX = 2
export const VIRTQ_USED_RING = 4
export const VirtqUsedElem = struct({ id: 'le32', len: 'le32' })
export const VIRTQ_USED_F_NO_NOTIFY = 1

/** All that driver and device tell each other about a queue outside of guest memory (`queue_size`, `queue_desc`, …). */
export interface VirtqLayout {
  /** Queue Size: a power of two. */
  readonly size: number
  /** Guest addresses of the Descriptor Area, the Driver Area and the Device Area. */
  readonly desc: number
  readonly avail: number
  readonly used: number
}

export function alignUp(address: number, alignment: number): number {
  return Math.ceil(address / alignment) * alignment
}

/** A queue of `size` entries at `base`, one part after the other with the alignments of 2.7; `end` is the first byte after it. */
export function layOutVirtq(base: number, size: number): VirtqLayout & { readonly end: number } {
  const desc = alignUp(base, 16)
  const avail = desc + VirtqDesc.size * size
  const used = alignUp(avail + VIRTQ_AVAIL_RING + 2 * size + 2, 4)
  return { size, desc, avail, used, end: used + VIRTQ_USED_RING + VirtqUsedElem.size * size + 2 }
}

/** Indices run freely through 16 bits and wrap (2.7.6); the slot in the ring is the index modulo the queue size. */
export function nextIndex(index: number): number {
  return (index + 1) & 0xffff
}
