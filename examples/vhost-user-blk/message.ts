/** The vhost-user protocol: what its messages look like. Names are those of its specification. */

import { struct, type StructType, type ValueOf } from '../../index.js'
import { decode, encode } from '../virtio/plain-data.js'
import { LogDescription } from './dirty-log.js'

const MessageHeader = struct({ request: 'le32', flags: 'le32', size: 'le32' })
export const VHOST_USER_HEADER_SIZE = MessageHeader.size
const VERSION = 1
const VERSION_MASK = 0x3
const FLAG_REPLY = 0x4
const FLAG_NEED_REPLY = 0x8
/** No message that this backend knows has so much; a front-end that says so is not to be believed. */
export const PAYLOAD_MAX = 4096

export enum Request {
  GET_FEATURES = 1,
  SET_FEATURES = 2,
  SET_OWNER = 3,
  RESET_OWNER = 4,
  SET_MEM_TABLE = 5,
  SET_LOG_BASE = 6,
  SET_LOG_FD = 7,
  SET_VRING_NUM = 8,
  SET_VRING_ADDR = 9,
  SET_VRING_BASE = 10,
  GET_VRING_BASE = 11,
  SET_VRING_KICK = 12,
  SET_VRING_CALL = 13,
  SET_VRING_ERR = 14,
  GET_PROTOCOL_FEATURES = 15,
  SET_PROTOCOL_FEATURES = 16,
  GET_QUEUE_NUM = 17,
  SET_VRING_ENABLE = 18,
  GET_CONFIG = 24,
  SET_CONFIG = 25,
  GET_INFLIGHT_FD = 31,
  SET_INFLIGHT_FD = 32,
  GET_MAX_MEM_SLOTS = 36,
  ADD_MEM_REG = 37,
  REM_MEM_REG = 38,
}

/** Among the features of the device: it logs what it writes. */
export const VHOST_F_LOG_ALL = 26
/** Among the features of the device: there are protocol features. */
export const VHOST_USER_F_PROTOCOL_FEATURES = 30

export const VHOST_USER_PROTOCOL_F_MQ = 0
export const VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1
export const VHOST_USER_PROTOCOL_F_REPLY_ACK = 3
export const VHOST_USER_PROTOCOL_F_CONFIG = 9
export const VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12
export const VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15

/** Of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR: the queue, and whether there is no descriptor. */
const VRING_INDEX_MASK = 0xffn
const VRING_NOFD = 0x100n

/** The front-end broke the protocol. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

export interface Header {
  readonly request: number
  readonly needReply: boolean
  /** Of the payload that follows. */
  readonly size: number
}

/** Memory of the front-end: its guest address, its address there, and where in the descriptor it starts. */
const MemoryRegion = struct({ guestAddress: 'le64', size: 'le64', userAddress: 'le64', mmapOffset: 'le64' })
export type MemoryRegion = Readonly<ValueOf<typeof MemoryRegion>>
/** What stands before one region, and before a table of them. */
const MemoryTableHeader = struct({ count: 'le32', padding: 'le32' })

const VringState = struct({ index: 'le32', num: 'le32' })
export type VringState = Readonly<ValueOf<typeof VringState>>

/** Of the flags of a queue's addresses: what is written to the used ring is to be logged. */
export const VHOST_VRING_F_LOG = 1

/** Addresses as the front-end has them; `log` is where the used ring lies in the log, a guest address. */
const VringAddress = struct({ index: 'le32', flags: 'le32', desc: 'le64', used: 'le64', avail: 'le64', log: 'le64' })
export type VringAddress = Readonly<ValueOf<typeof VringAddress>>

/** Where nothing is logged, there is no place for it. */
export type NewVringAddress = Omit<VringAddress, 'log'> & Partial<Pick<VringAddress, 'log'>>

export interface VringFd {
  readonly index: number
  readonly hasFd: boolean
}

const ConfigAccess = struct({ offset: 'le32', size: 'le32', flags: 'le32' })
export type ConfigAccess = Readonly<ValueOf<typeof ConfigAccess>>
export const CONFIG_MAX = 256

/** The record of the requests in flight: where in its descriptor it lies, and for how many queues. */
const InflightDescription = struct({ mmapSize: 'le64', mmapOffset: 'le64', numQueues: 'le16', queueSize: 'le16' })
export type InflightDescription = Readonly<ValueOf<typeof InflightDescription>>
/** Without the padding at the end, which front-ends in C send. */
const PackedInflight = struct(InflightDescription.fields, { packed: true })
const INFLIGHT_SIZES: readonly number[] = [PackedInflight.size, InflightDescription.size]

export function decodeHeader(bytes: Buffer): Header {
  const { request, flags, size } = decode(MessageHeader, bytes)
  if ((flags & VERSION_MASK) !== VERSION) throw new ProtocolError(`a message of version ${flags & VERSION_MASK}`)
  if (flags & FLAG_REPLY) throw new ProtocolError('a reply to nothing')
  if (size > PAYLOAD_MAX) throw new ProtocolError(`a payload of ${size} bytes`)
  return { request, needReply: (flags & FLAG_NEED_REPLY) !== 0, size }
}

const encodeMessage = (request: number, flags: number, payload: Uint8Array): Buffer =>
  Buffer.concat([encode(MessageHeader, { request, flags: VERSION | flags, size: payload.length }), payload])

export const encodeReply = (request: number, payload: Uint8Array): Buffer => encodeMessage(request, FLAG_REPLY, payload)

/** What the front-end sends. */
export const encodeRequest = (request: number, payload: Uint8Array, needReply = false): Buffer =>
  encodeMessage(request, needReply ? FLAG_NEED_REPLY : 0, payload)

/** The reply's payload. */
export function decodeReply(bytes: Buffer): { request: number; size: number } {
  const { request, flags, size } = decode(MessageHeader, bytes)
  if ((flags & FLAG_REPLY) === 0) throw new ProtocolError('not a reply')
  return { request, size }
}

function expectSize(payload: Buffer, size: number): void {
  if (payload.length !== size) throw new ProtocolError(`a payload of ${payload.length} bytes instead of ${size}`)
}

/** Reads a struct that is all of the payload. */
function decodeWhole<T extends StructType>(type: T, payload: Buffer): ValueOf<T> {
  expectSize(payload, type.size)
  return decode(type, payload)
}

const U64 = struct({ value: 'le64' })

export const encodeU64 = (value: bigint): Buffer => encode(U64, { value })
export const decodeU64 = (payload: Buffer): bigint => decodeWhole(U64, payload).value

export const encodeVringState = (state: VringState): Buffer => encode(VringState, state)
export const decodeVringState = (payload: Buffer): VringState => decodeWhole(VringState, payload)

export const encodeVringAddress = (address: NewVringAddress): Buffer => encode(VringAddress, { log: 0n, ...address })
export const decodeVringAddress = (payload: Buffer): VringAddress => decodeWhole(VringAddress, payload)

export const encodeVringFd = ({ index, hasFd }: VringFd): Buffer => encodeU64(BigInt(index) | (hasFd ? 0n : VRING_NOFD))

export function decodeVringFd(payload: Buffer): VringFd {
  const value = decodeU64(payload)
  if ((value & ~(VRING_INDEX_MASK | VRING_NOFD)) !== 0n) throw new ProtocolError(`0x${value.toString(16)} for a queue`)
  return { index: Number(value & VRING_INDEX_MASK), hasFd: (value & VRING_NOFD) === 0n }
}

function readRegion(payload: Buffer, index: number): MemoryRegion {
  const region = decode(MemoryRegion, payload.subarray(MemoryTableHeader.size + MemoryRegion.size * index))
  if (region.size === 0n) throw new ProtocolError('a memory region of 0 bytes')
  if (region.userAddress + region.size > 1n << 64n) throw new ProtocolError('a memory region beyond the address space')
  return region
}

export const encodeMemoryTable = (regions: readonly MemoryRegion[]): Buffer =>
  Buffer.concat([
    encode(MemoryTableHeader, { count: regions.length, padding: 0 }),
    ...regions.map((region) => encode(MemoryRegion, region)),
  ])

export function decodeMemoryTable(payload: Buffer): MemoryRegion[] {
  if (payload.length < MemoryTableHeader.size) throw new ProtocolError(`a memory table of ${payload.length} bytes`)
  const { count } = decode(MemoryTableHeader, payload)
  expectSize(payload, MemoryTableHeader.size + MemoryRegion.size * count)
  return Array.from({ length: count }, (_, index) => readRegion(payload, index))
}

/** Where a table has its length, one region has padding. */
export const encodeMemoryRegion = (region: MemoryRegion): Buffer =>
  Buffer.concat([encode(MemoryTableHeader, { count: 0, padding: 0 }), encode(MemoryRegion, region)])

export function decodeMemoryRegion(payload: Buffer): MemoryRegion {
  expectSize(payload, MemoryTableHeader.size + MemoryRegion.size)
  return readRegion(payload, 0)
}

/** `content` is padded with zeros, or cut, to the size that is asked for. */
export function encodeConfig(access: ConfigAccess, content: Uint8Array): Buffer {
  const bytes = Buffer.alloc(access.size)
  bytes.set(content.subarray(access.offset, access.offset + access.size))
  return Buffer.concat([encode(ConfigAccess, access), bytes])
}

export function decodeConfig(payload: Buffer): ConfigAccess {
  if (payload.length < ConfigAccess.size) throw new ProtocolError(`a configuration of ${payload.length} bytes`)
  const access = decode(ConfigAccess, payload)
  const end = access.offset + access.size
  if (end > CONFIG_MAX) throw new ProtocolError(`bytes ${access.offset} to ${end} of the configuration`)
  expectSize(payload, ConfigAccess.size + access.size)
  return access
}

export const encodeLog = (log: LogDescription): Buffer => encode(LogDescription, log)
export const decodeLog = (payload: Buffer): LogDescription => decodeWhole(LogDescription, payload)

/** Encodes it in `length` bytes, which are one of the sizes that front-ends send. */
export const encodeInflight = (description: InflightDescription, length = InflightDescription.size): Buffer =>
  encode(InflightDescription, description).subarray(0, length)

export function decodeInflight(payload: Buffer): InflightDescription {
  if (!INFLIGHT_SIZES.includes(payload.length)) {
    throw new ProtocolError(`a payload of ${payload.length} bytes instead of ${INFLIGHT_SIZES.join(' or ')}`)
  }
  return decode(PackedInflight, payload)
}
