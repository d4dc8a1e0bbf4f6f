/** The block device (virtio 1.2, section 5.2): its configuration and its requests. */

export const SECTOR_SIZE = 512

// 5.2.3 Feature bits
export const VIRTIO_BLK_F_SEG_MAX = 2
export const VIRTIO_BLK_F_RO = 5
export const VIRTIO_BLK_F_BLK_SIZE = 6
export const VIRTIO_BLK_F_FLUSH = 9
export const VIRTIO_BLK_F_MQ = 12
export const VIRTIO_BLK_F_DISCARD = 13
export const VIRTIO_BLK_F_WRITE_ZEROES = 14

// 5.2.4 Device configuration layout: struct virtio_blk_config { le64 capacity; le32 size_max, seg_max; … }
export const VIRTIO_BLK_CONFIG_SIZE = 60
export const VIRTIO_BLK_CONFIG_CAPACITY = 0
export const VIRTIO_BLK_CONFIG_SEG_MAX = 12
export const VIRTIO_BLK_CONFIG_BLK_SIZE = 20
export const VIRTIO_BLK_CONFIG_NUM_QUEUES = 34
export const VIRTIO_BLK_CONFIG_MAX_DISCARD_SECTORS = 36
export const VIRTIO_BLK_CONFIG_MAX_DISCARD_SEG = 40
export const VIRTIO_BLK_CONFIG_DISCARD_SECTOR_ALIGNMENT = 44
export const VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SECTORS = 48
export const VIRTIO_BLK_CONFIG_MAX_WRITE_ZEROES_SEG = 52
export const VIRTIO_BLK_CONFIG_WRITE_ZEROES_MAY_UNMAP = 56

// 5.2.6 Device Operation: struct virtio_blk_req { le32 type; le32 reserved; le64 sector; u8 data[]; u8 status; }
export const VIRTIO_BLK_REQ_HEADER_SIZE = 16
export const VIRTIO_BLK_REQ_TYPE = 0
export const VIRTIO_BLK_REQ_RESERVED = 4
export const VIRTIO_BLK_REQ_SECTOR = 8

export const VIRTIO_BLK_T_IN = 0
export const VIRTIO_BLK_T_OUT = 1
export const VIRTIO_BLK_T_FLUSH = 4
export const VIRTIO_BLK_T_GET_ID = 8
export const VIRTIO_BLK_T_DISCARD = 11
export const VIRTIO_BLK_T_WRITE_ZEROES = 13

// The data of DISCARD and WRITE_ZEROES: struct virtio_blk_discard_write_zeroes { le64 sector; le32 num_sectors; le32
// flags; }[]
export const VIRTIO_BLK_RANGE_SIZE = 16
export const VIRTIO_BLK_RANGE_SECTOR = 0
export const VIRTIO_BLK_RANGE_NUM_SECTORS = 8
export const VIRTIO_BLK_RANGE_FLAGS = 12
/** The blocks may be given back. */
export const VIRTIO_BLK_RANGE_F_UNMAP = 1

/** Length of the identification string of GET_ID; a shorter one is padded with zeros. */
export const VIRTIO_BLK_ID_BYTES = 20

export const VIRTIO_BLK_S_OK = 0
export const VIRTIO_BLK_S_IOERR = 1
export const VIRTIO_BLK_S_UNSUPP = 2
