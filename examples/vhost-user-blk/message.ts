/** The vhost-user protocol: what its messages look like. Names are those of its specification. */

import type { LogDescription } from './dirty-log.js'

export const VHOST_USER_HEADER_SIZE = 12
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
export interface MemoryRegion {
  readonly guestAddress: bigint
  readonly size: bigint
  readonly userAddress: bigint
  readonly mmapOffset: bigint
}
const MEMORY_REGION_SIZE = 32

export interface VringState {
  readonly index: number
  readonly num: number
}

/** Of the flags of a queue's addresses: what is written to the used ring is to be logged. */
export const VHOST_VRING_F_LOG = 1

/** Addresses as the front-end has them. */
export interface VringAddress {
  readonly index: number
  readonly flags: number
  readonly desc: bigint
  readonly used: bigint
  readonly avail: bigint
  /** Where the used ring lies in the log: a guest address. */
  readonly log: bigint
}

/** Where nothing is logged, there is no place for it. */
export type NewVringAddress = Omit<VringAddress, 'log'> & Partial<Pick<VringAddress, 'log'>>

export interface VringFd {
  readonly index: number
  readonly hasFd: boolean
}

export interface ConfigAccess {
  readonly offset: number
  readonly size: number
  readonly flags: number
}
const CONFIG_HEADER_SIZE = 12
export const CONFIG_MAX = 256

/** The record of the requests in flight: where in its descriptor it lies, and for how many queues. */
export interface InflightDescription {
  readonly mmapSize: bigint
  readonly mmapOffset: bigint
  readonly numQueues: number
  readonly queueSize: number
}
/** Bytes of it in a message: without padding at the end, and with it, as front-ends in C send it. */
const INFLIGHT_SIZES: readonly number[] = [20, 24]

export function decodeHeader(bytes: Buffer): Header {
  const flags = bytes.readUInt32LE(4)
  const size = bytes.readUInt32LE(8)
  if ((flags & VERSION_MASK) !== VERSION) throw new ProtocolError(`a message of version ${flags & VERSION_MASK}`)
  if (flags & FLAG_REPLY) throw new ProtocolError('a reply to nothing')
  if (size > PAYLOAD_MAX) throw new ProtocolError(`a payload of ${size} bytes`)
  return { request: bytes.readUInt32LE(0), needReply: (flags & FLAG_NEED_REPLY) !== 0, size }
}

function encode(request: number, flags: number, payload: Uint8Array): Buffer {
  const message = Buffer.from(new ArrayBuffer(VHOST_USER_HEADER_SIZE + payload.length))
  message.writeUInt32LE(request, 0)
  message.writeUInt32LE(VERSION | flags, 4)
  message.writeUInt32LE(payload.length, 8)
  message.set(payload, VHOST_USER_HEADER_SIZE)
  return message
}

export const encodeReply = (request: number, payload: Uint8Array): Buffer => encode(request, FLAG_REPLY, payload)

/** What the front-end sends. */
export const encodeRequest = (request: number, payload: Uint8Array, needReply = false): Buffer =>
  encode(request, needReply ? FLAG_NEED_REPLY : 0, payload)

/** The reply's payload. */
export function decodeReply(bytes: Buffer): { request: number; size: number } {
  if ((bytes.readUInt32LE(4) & FLAG_REPLY) === 0) throw new ProtocolError('not a reply')
  return { request: bytes.readUInt32LE(0), size: bytes.readUInt32LE(8) }
}

function expectSize(payload: Buffer, size: number): void {
  if (payload.length !== size) throw new ProtocolError(`a payload of ${payload.length} bytes instead of ${size}`)
}

export function encodeU64(value: bigint): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeBigUInt64LE(value)
  return payload
}

export function decodeU64(payload: Buffer): bigint {
  expectSize(payload, 8)
  return payload.readBigUInt64LE()
}

export function encodeVringState({ index, num }: VringState): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32LE(index, 0)
  payload.writeUInt32LE(num, 4)
  return payload
}

export function decodeVringState(payload: Buffer): VringState {
  expectSize(payload, 8)
  return { index: payload.readUInt32LE(0), num: payload.readUInt32LE(4) }
}

export function encodeVringAddress({ index, flags, desc, used, avail, log = 0n }: NewVringAddress): Buffer {
  const payload = Buffer.alloc(40)
  payload.writeUInt32LE(index, 0)
  payload.writeUInt32LE(flags, 4)
  payload.writeBigUInt64LE(desc, 8)
  payload.writeBigUInt64LE(used, 16)
  payload.writeBigUInt64LE(avail, 24)
  payload.writeBigUInt64LE(log, 32)
  return payload
}

export function decodeVringAddress(payload: Buffer): VringAddress {
  expectSize(payload, 40)
  return {
    index: payload.readUInt32LE(0),
    flags: payload.readUInt32LE(4),
    desc: payload.readBigUInt64LE(8),
    used: payload.readBigUInt64LE(16),
    avail: payload.readBigUInt64LE(24),
    log: payload.readBigUInt64LE(32),
  }
}

export const encodeVringFd = ({ index, hasFd }: VringFd): Buffer => encodeU64(BigInt(index) | (hasFd ? 0n : VRING_NOFD))

export function decodeVringFd(payload: Buffer): VringFd {
  const value = decodeU64(payload)
  if ((value & ~(VRING_INDEX_MASK | VRING_NOFD)) !== 0n) throw new ProtocolError(`0x${value.toString(16)} for a queue`)
  return { index: Number(value & VRING_INDEX_MASK), hasFd: (value & VRING_NOFD) === 0n }
}

function writeRegion(payload: Buffer, region: MemoryRegion, at: number): void {
  payload.writeBigUInt64LE(region.guestAddress, at)
  payload.writeBigUInt64LE(region.size, at + 8)
  payload.writeBigUInt64LE(region.userAddress, at + 16)
  payload.writeBigUInt64LE(region.mmapOffset, at + 24)
}

function readRegion(payload: Buffer, at: number): MemoryRegion {
  const region = {
    guestAddress: payload.readBigUInt64LE(at),
    size: payload.readBigUInt64LE(at + 8),
    userAddress: payload.readBigUInt64LE(at + 16),
    mmapOffset: payload.readBigUInt64LE(at + 24),
  }
  if (region.size === 0n) throw new ProtocolError('a memory region of 0 bytes')
  if (region.userAddress + region.size > 1n << 64n) throw new ProtocolError('a memory region beyond the address space')
  return region
}

export function encodeMemoryTable(regions: readonly MemoryRegion[]): Buffer {
  const payload = Buffer.alloc(8 + MEMORY_REGION_SIZE * regions.length)
  payload.writeUInt32LE(regions.length, 0)
  regions.forEach((region, index) => writeRegion(payload, region, 8 + MEMORY_REGION_SIZE * index))
  return payload
}

export function decodeMemoryTable(payload: Buffer): MemoryRegion[] {
  if (payload.length < 8) throw new ProtocolError(`a memory table of ${payload.length} bytes`)
  const count = payload.readUInt32LE(0)
  expectSize(payload, 8 + MEMORY_REGION_SIZE * count)
  return Array.from({ length: count }, (_, index) => readRegion(payload, 8 + MEMORY_REGION_SIZE * index))
}

export function encodeMemoryRegion(region: MemoryRegion): Buffer {
  const payload = Buffer.alloc(8 + MEMORY_REGION_SIZE)
  writeRegion(payload, region, 8)
  return payload
}

export function decodeMemoryRegion(payload: Buffer): MemoryRegion {
  expectSize(payload, 8 + MEMORY_REGION_SIZE)
  return readRegion(payload, 8)
}

/** `content` is padded with zeros, or cut, to the size that is asked for. */
export function encodeConfig({ offset, size, flags }: ConfigAccess, content: Uint8Array): Buffer {
  const payload = Buffer.alloc(CONFIG_HEADER_SIZE + size)
  payload.writeUInt32LE(offset, 0)
  payload.writeUInt32LE(size, 4)
  payload.writeUInt32LE(flags, 8)
  payload.set(content.subarray(offset, offset + size), CONFIG_HEADER_SIZE)
  return payload
}

export function decodeConfig(payload: Buffer): ConfigAccess {
  if (payload.length < CONFIG_HEADER_SIZE) throw new ProtocolError(`a configuration of ${payload.length} bytes`)
  const [offset, size, flags] = [payload.readUInt32LE(0), payload.readUInt32LE(4), payload.readUInt32LE(8)]
  if (offset + size > CONFIG_MAX) throw new ProtocolError(`bytes ${offset} to ${offset + size} of the configuration`)
  expectSize(payload, CONFIG_HEADER_SIZE + size)
  return { offset, size, flags }
}

export function encodeLog({ mmapSize, mmapOffset }: LogDescription): Buffer {
  const payload = Buffer.alloc(16)
  payload.writeBigUInt64LE(mmapSize, 0)
  payload.writeBigUInt64LE(mmapOffset, 8)
  return payload
}

export function decodeLog(payload: Buffer): LogDescription {
  expectSize(payload, 16)
  return { mmapSize: payload.readBigUInt64LE(0), mmapOffset: payload.readBigUInt64LE(8) }
}

/** Encodes it in `length` bytes, which are one of the sizes that front-ends send. */
export function encodeInflight(
  { mmapSize, mmapOffset, numQueues, queueSize }: InflightDescription,
  length = Math.max(...INFLIGHT_SIZES),
): Buffer {
  const payload = Buffer.alloc(length)
  payload.writeBigUInt64LE(mmapSize, 0)
  payload.writeBigUInt64LE(mmapOffset, 8)
  payload.writeUInt16LE(numQueues, 16)
  payload.writeUInt16LE(queueSize, 18)
  return payload
}

export function decodeInflight(payload: Buffer): InflightDescription {
  if (!INFLIGHT_SIZES.includes(payload.length)) {
    throw new ProtocolError(`a payload of ${payload.length} bytes instead of ${INFLIGHT_SIZES.join(' or ')}`)
  }
  return {
    mmapSize: payload.readBigUInt64LE(0),
    mmapOffset: payload.readBigUInt64LE(8),
    numQueues: payload.readUInt16LE(16),
    queueSize: payload.readUInt16LE(18),
  }
}
