/** The block device (virtio 1.2, section 5.2): its configuration and its requests. */

import { struct } from '../../index.js'

export const SECTOR_SIZE = 512

// 5.2.3 Feature bits
export const VIRTIO_BLK_F_SEG_MAX = 2
export const VIRTIO_BLK_F_RO = 5
export const VIRTIO_BLK_F_BLK_SIZE = 6
export const VIRTIO_BLK_F_FLUSH = 9
export const VIRTIO_BLK_F_MQ = 12
export const VIRTIO_BLK_F_DISCARD = 13
export const VIRTIO_BLK_F_WRITE_ZEROES = 14

/** 5.2.4 Device configuration layout */
export const VirtioBlkConfig = struct(
  {
    capacity: 'le64',
    sizeMax: 'le32',
    segMax: 'le32',
    cylinders: 'le16',
    heads: 'u8',
    sectors: 'u8',
    blkSize: 'le32',
    physicalBlockExp: 'u8',
    alignmentOffset: 'u8',
    minIoSize: 'le16',
    optIoSize: 'le32',
    writeback: 'u8',
    unused0: 'u8',
    numQueues: 'le16',
    maxDiscardSectors: 'le32',
    maxDiscardSeg: 'le32',
    discardSectorAlignment: 'le32',
    maxWriteZeroesSectors: 'le32',
    maxWriteZeroesSeg: 'le32',
    writeZeroesMayUnmap: 'u8',
    unused1: ['u8', 3],
  },
  // The standard has no padding; its last field is followed by others that this device does not have.
  { packed: true },
)

/** 5.2.6 Device Operation: what a request begins with. Its data follow, and a byte for the status. */
export const VirtioBlkReq = struct({ type: 'le32', reserved: 'le32', sector: 'le64' })

export const VIRTIO_BLK_T_IN = 0
export const VIRTIO_BLK_T_OUT = 1
export const VIRTIO_BLK_T_FLUSH = 4
export const VIRTIO_BLK_T_GET_ID = 8
export const VIRTIO_BLK_T_DISCARD = 11
export const VIRTIO_BLK_T_WRITE_ZEROES = 13

/** One element of the data of DISCARD and WRITE_ZEROES: struct virtio_blk_discard_write_zeroes. */
export const VirtioBlkRange = struct({ sector: 'le64', numSectors: 'le32', flags: 'le32' })
/** The blocks may be given back. */
export const VIRTIO_BLK_RANGE_F_UNMAP = 1

/** Length of the identification string of GET_ID; a shorter one is padded with zeros. */
export const VIRTIO_BLK_ID_BYTES = 20

export const VIRTIO_BLK_S_OK = 0
export const VIRTIO_BLK_S_IOERR = 1
export const VIRTIO_BLK_S_UNSUPP = 2
