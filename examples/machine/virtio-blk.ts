/** The block device (virtio 1.2, section 5.2): what its requests look like. */

export const SECTOR_SIZE = 512

// 5.2.6 Device Operation: struct virtio_blk_req { le32 type; le32 reserved; le64 sector; u8 data[]; u8 status; }
export const VIRTIO_BLK_REQ_HEADER_SIZE = 16
export const VIRTIO_BLK_REQ_TYPE = 0
export const VIRTIO_BLK_REQ_RESERVED = 4
export const VIRTIO_BLK_REQ_SECTOR = 8

export const VIRTIO_BLK_T_IN = 0
export const VIRTIO_BLK_T_OUT = 1
export const VIRTIO_BLK_T_FLUSH = 4
export const VIRTIO_BLK_T_GET_ID = 8

/** Length of the identification string of GET_ID; a shorter one is padded with zeros. */
export const VIRTIO_BLK_ID_BYTES = 20

export const VIRTIO_BLK_S_OK = 0
export const VIRTIO_BLK_S_IOERR = 1
export const VIRTIO_BLK_S_UNSUPP = 2
