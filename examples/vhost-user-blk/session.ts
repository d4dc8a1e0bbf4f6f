import { closeSync } from 'node:fs'
import { memfdCreate } from '../../index.js'
import { checkEventFd } from '../host/event-fd.js'
import { SystemError } from '../host/libc.js'
import { closeAll, EndOfStream, type Connection } from '../host/unix-socket.js'
import { decode, encode } from '../virtio/plain-data.js'
import * as blk from '../virtio/virtio-blk.js'
import * as virtq from '../virtio/virtq.js'
import { RANGE_LIMITS } from './blk-requests.js'
import type { Counters } from './counters.js'
import type { Disk } from './disk.js'
import { inflightSize } from './inflight.js'
import type { Log } from './line-limit.js'
import { MAX_MEM_SLOTS, MemoryTable } from './memory-table.js'
import * as message from './message.js'
import { ProtocolError, Request } from './message.js'
import type { QueueDescriptor } from './served-queue.js'
import { QueueWorker, RefusedError } from './worker-commands.js'

export interface SessionOptions {
  readonly disk: Disk
  readonly queues: number
  /** Whether memory can be added and removed a region at a time, or only told anew as a whole. */
  readonly memSlots: boolean
  readonly counters: Counters
  /** Front-ends and guests can cause lines at will. */
  readonly log: Log
}

/** What the front-end has said of a queue, which counts when the queue starts. */
interface Vring {
  size: number
  nextAvail: number
  addresses: Omit<virtq.VirtqLayout, 'size'> | null
  /** Where the used ring lies in the log; null where it is not logged. */
  usedLog: number | null
  enabled: boolean
  running: boolean
  /** For a queue that does not run yet. */
  readonly descriptors: Map<QueueDescriptor, number>
}

/** The answer to a message. */
interface Reply {
  readonly payload: Uint8Array
  /** Is sent with it, and closed then. */
  readonly fd?: number
}

/** A driver puts header, data and status into three parts (5.2.6); what is left of 128 entries is for data. */
const SEG_MAX = 126

/**
 * Sectors in a block of most file systems. A range with other bounds reads as zeros, too, but keeps blocks that it has
 * in part.
 */
const DISCARD_ALIGNMENT = 8

const bit = (number: number): bigint => 1n << BigInt(number)
const hasBit = (features: bigint, number: number): boolean => (features & bit(number)) !== 0n

/** Errors that a front-end can bring about at will; each is one message refused. */
function isExpected(error: unknown): error is Error {
  if (error instanceof ProtocolError || error instanceof RefusedError || error instanceof SystemError) return true
  if (error instanceof TypeError || error instanceof RangeError) return true
  return error instanceof Error && ['GuestMemoryError', 'MmapError', 'MmapRegionError'].includes(error.name)
}

/** All that is between one front-end and this back-end, from its connection to the end of it. */
export class Session {
  readonly #connection: Connection
  readonly #options: SessionOptions
  readonly #table = new MemoryTable()
  readonly #worker: QueueWorker
  readonly #vrings: readonly Vring[]
  readonly #features: bigint
  readonly #protocolFeatures: bigint
  #ackedFeatures = 0n
  #ackedProtocolFeatures = 0n
  #isStopping = false

  constructor(connection: Connection, options: SessionOptions) {
    const { disk, queues, memSlots, counters, log } = options
    this.#connection = connection
    this.#options = options
    this.#worker = new QueueWorker(
      { memory: this.#table.memory.share(), disk, counters: counters.buffer },
      log,
      (why) => this.#lose(why),
      () => connection.close(),
    )
    this.#vrings = Array.from({ length: queues }, () => ({
      size: 0,
      nextAvail: 0,
      addresses: null,
      usedLog: null,
      enabled: false,
      running: false,
      descriptors: new Map(),
    }))
    this.#features =
      bit(virtq.VIRTIO_F_VERSION_1) |
      bit(virtq.VIRTIO_F_INDIRECT_DESC) |
      bit(virtq.VIRTIO_F_EVENT_IDX) |
      bit(message.VHOST_F_LOG_ALL) |
      bit(message.VHOST_USER_F_PROTOCOL_FEATURES) |
      bit(blk.VIRTIO_BLK_F_SEG_MAX) |
      bit(blk.VIRTIO_BLK_F_BLK_SIZE) |
      bit(blk.VIRTIO_BLK_F_FLUSH) |
      (queues > 1 ? bit(blk.VIRTIO_BLK_F_MQ) : 0n) |
      (disk.readOnly ? bit(blk.VIRTIO_BLK_F_RO) : bit(blk.VIRTIO_BLK_F_DISCARD) | bit(blk.VIRTIO_BLK_F_WRITE_ZEROES))
    this.#protocolFeatures =
      bit(message.VHOST_USER_PROTOCOL_F_MQ) |
      bit(message.VHOST_USER_PROTOCOL_F_LOG_SHMFD) |
      bit(message.VHOST_USER_PROTOCOL_F_REPLY_ACK) |
      bit(message.VHOST_USER_PROTOCOL_F_CONFIG) |
      bit(message.VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) |
      (memSlots ? bit(message.VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) : 0n)
  }

  get mapChanges(): number {
    return this.#table.changes
  }

  get regions(): number {
    return this.#table.size
  }

  /**
   * Serves until the front-end goes, sends what cannot be understood, or the session is told to stop. Then nothing of
   * the session is left.
   *
   * The connection is closed after the queues have stopped. When it is closed, a front-end that reconnects reads the
   * used index, and lets the next back-end go on from there. A request that is in flight at that moment, or given back
   * later, would be served twice, or would look like another one.
   */
  async run(): Promise<void> {
    try {
      while (await this.#serveMessage());
    } catch (error) {
      if (!isExpected(error) && !(error instanceof EndOfStream)) throw error
      this.#options.log(`${error.message}; closing the connection`)
    } finally {
      try {
        await this.#worker.end()
      } finally {
        this.#connection.close()
        for (const { descriptors } of this.#vrings) closeAll([...descriptors.values()])
        await this.#table.clear()
      }
    }
  }

  /** Ends the connection of a front-end that has truncated its memory, or whose host has no more of it. */
  #lose(why: string): void {
    // Many requests may meet the loss.
    if (this.#isStopping) return
    this.#options.log(`memory of the front-end is lost: ${why}; closing the connection`)
    this.stop()
  }

  /** Ends `run` as if the front-end had gone. What is in flight is served first. */
  stop(): void {
    this.#isStopping = true
    this.#connection.stopReceiving()
  }

  /** False at the end. What it throws leaves no way to know where the next message begins, or what it would mean. */
  async #serveMessage(): Promise<boolean> {
    const head = await this.#connection.receive(message.VHOST_USER_HEADER_SIZE)
    if (head === null) return false
    const { fds } = head
    try {
      const { request, needReply, size } = message.decodeHeader(head.bytes)
      const body = await this.#connection.receive(size)
      if (body === null) {
        if (this.#isStopping) return false
        throw new EndOfStream(`the connection ended before a payload of ${size} bytes`)
      }
      fds.push(...body.fds)
      await this.#answer(request, body.bytes, head.lost || body.lost ? null : fds, needReply)
    } finally {
      // What was made of them has its own.
      closeAll(fds)
    }
    return true
  }

  /** Answers a message; `fds` is null when some of its descriptors were lost. */
  async #answer(request: number, payload: Buffer, fds: number[] | null, needReply: boolean): Promise<void> {
    let reply: Reply | null = null
    let failed = false
    try {
      if (fds === null) throw new ProtocolError('its descriptors are more than this process may open')
      reply = await this.#handle(request, payload, fds)
    } catch (error) {
      if (!isExpected(error)) throw error
      const name = Request[request] ?? `request ${request}`
      // The front-end waits for an answer that there is not; all others can do without.
      if (request === Request.GET_VRING_BASE) throw new ProtocolError(`${name}: ${error.message}`, { cause: error })
      this.#options.log(`${name} refused: ${error.message}`)
      reply = refusal(request)
      failed = true
    }
    const acknowledges = needReply && hasBit(this.#ackedProtocolFeatures, message.VHOST_USER_PROTOCOL_F_REPLY_ACK)
    if (reply === null && acknowledges) reply = { payload: message.encodeU64(failed ? 1n : 0n) }
    if (reply === null) return
    const given = reply.fd === undefined ? [] : [reply.fd]
    try {
      this.#connection.send(message.encodeReply(request, reply.payload), given)
    } finally {
      closeAll(given)
    }
  }

  /** Returns the reply, for requests that have one of their own. May take descriptors out of `fds`. */
  async #handle(request: number, payload: Buffer, fds: number[]): Promise<Reply | null> {
    switch (request) {
      case Request.GET_FEATURES:
        return { payload: message.encodeU64(this.#features) }
      case Request.SET_FEATURES:
        this.#ackedFeatures = subset(message.decodeU64(payload), this.#features)
        // Changes while queues run: when the guest begins to move, and when it has stayed.
        await this.#worker.send({ do: 'log-writes', isWanted: hasBit(this.#ackedFeatures, message.VHOST_F_LOG_ALL) })
        return null
      case Request.GET_PROTOCOL_FEATURES:
        return { payload: message.encodeU64(this.#protocolFeatures) }
      case Request.SET_PROTOCOL_FEATURES:
        this.#ackedProtocolFeatures = subset(message.decodeU64(payload), this.#protocolFeatures)
        return null
      case Request.SET_OWNER:
        return null
      case Request.GET_QUEUE_NUM:
        return { payload: message.encodeU64(BigInt(this.#vrings.length)) }
      case Request.GET_MAX_MEM_SLOTS:
        return { payload: message.encodeU64(BigInt(MAX_MEM_SLOTS)) }
      case Request.GET_CONFIG:
        return { payload: message.encodeConfig(message.decodeConfig(payload), this.#config()) }
      case Request.SET_MEM_TABLE:
        this.#table.set(message.decodeMemoryTable(payload), fds)
        return null
      case Request.ADD_MEM_REG:
        this.#table.add(message.decodeMemoryRegion(payload), fds)
        return null
      case Request.REM_MEM_REG:
        this.#table.remove(message.decodeMemoryRegion(payload))
        return null
      case Request.SET_LOG_BASE: {
        const [fd, ...more] = fds
        if (fd === undefined || more.length > 0) throw new ProtocolError(`${fds.length} descriptors for a log`)
        await this.#worker.send({ do: 'log', fd, description: message.decodeLog(payload) })
        // By then nothing goes to the log before, which the front-end reads for the last time.
        return { payload: message.encodeU64(0n) }
      }
      case Request.SET_LOG_FD:
        // Would be told of each write: front-ends look at the log when they want to know.
        if (fds.length > 1) throw new ProtocolError(`${fds.length} descriptors for one`)
        return null
      case Request.GET_INFLIGHT_FD:
        return this.#makeInflight(message.decodeInflight(payload), payload.length)
      case Request.SET_INFLIGHT_FD: {
        const [fd, ...more] = fds
        if (fd === undefined || more.length > 0) {
          throw new ProtocolError(`${fds.length} descriptors for requests in flight`)
        }
        await this.#worker.send({ do: 'track', fd, description: message.decodeInflight(payload) })
        return null
      }
      case Request.SET_VRING_NUM: {
        const { index, num } = message.decodeVringState(payload)
        if (num === 0 || num > virtq.VIRTQ_MAX_SIZE || (num & (num - 1)) !== 0) {
          throw new ProtocolError(`${num} entries`)
        }
        this.#idleVring(index).size = num
        return null
      }
      case Request.SET_VRING_BASE: {
        const { index, num } = message.decodeVringState(payload)
        if (num > 0xffff) throw new ProtocolError(`an available index of ${num}`)
        this.#idleVring(index).nextAvail = num
        return null
      }
      case Request.SET_VRING_ADDR: {
        await this.#setAddresses(message.decodeVringAddress(payload))
        return null
      }
      case Request.SET_VRING_KICK:
        await this.#setDescriptor('kick', payload, fds)
        return null
      case Request.SET_VRING_CALL:
        await this.#setDescriptor('call', payload, fds)
        return null
      case Request.SET_VRING_ERR:
        await this.#setDescriptor('err', payload, fds)
        return null
      case Request.SET_VRING_ENABLE: {
        const { index, num } = message.decodeVringState(payload)
        const vring = this.#vring(index)
        vring.enabled = num !== 0
        if (vring.running) await this.#worker.send({ do: 'enable', queue: index, enabled: vring.enabled })
        return null
      }
      case Request.GET_VRING_BASE: {
        const { index } = message.decodeVringState(payload)
        const num = await this.#stop(index)
        return { payload: message.encodeVringState({ index, num }) }
      }
      default:
        throw new ProtocolError('not known here')
    }
  }

  #config(): Uint8Array {
    const { sectors, readOnly } = this.#options.disk
    const config = {
      ...decode(blk.VirtioBlkConfig, new Uint8Array(blk.VirtioBlkConfig.size)),
      capacity: sectors,
      segMax: SEG_MAX,
      blkSize: blk.SECTOR_SIZE,
      numQueues: this.#vrings.length,
    }
    if (readOnly) return encode(blk.VirtioBlkConfig, config)
    return encode(blk.VirtioBlkConfig, {
      ...config,
      maxDiscardSectors: RANGE_LIMITS.sectors,
      maxDiscardSeg: RANGE_LIMITS.ranges,
      discardSectorAlignment: DISCARD_ALIGNMENT,
      maxWriteZeroesSectors: RANGE_LIMITS.sectors,
      maxWriteZeroesSeg: RANGE_LIMITS.ranges,
      writeZeroesMayUnmap: 1,
    })
  }

  /**
   * Makes the record of the requests in flight, and uses it from now on. The front-end may send it back, but need not.
   */
  async #makeInflight(asked: message.InflightDescription, length: number): Promise<Reply> {
    const { numQueues, queueSize } = asked
    if (numQueues === 0 || numQueues > this.#vrings.length || queueSize === 0 || queueSize > virtq.VIRTQ_MAX_SIZE) {
      throw new ProtocolError(`${numQueues} queues of ${queueSize} entries`)
    }
    const size = inflightSize(asked)
    const fd = memfdCreate('vhost-user-inflight', size)
    try {
      const description = { numQueues, queueSize, mmapSize: BigInt(size), mmapOffset: 0n }
      await this.#worker.send({ do: 'track', fd, description })
      return { payload: message.encodeInflight(description, length), fd }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  #vring(index: number): Vring {
    const vring = this.#vrings[index]
    if (vring === undefined) throw new ProtocolError(`queue ${index} of ${this.#vrings.length}`)
    return vring
  }

  #idleVring(index: number): Vring {
    const vring = this.#vring(index)
    if (vring.running) throw new ProtocolError(`queue ${index} is running`)
    return vring
  }

  /** Of a queue that runs, only what is logged may change. */
  async #setAddresses({ index, flags, desc, avail, used, log }: message.VringAddress): Promise<void> {
    const vring = this.#vring(index)
    if ((flags & ~message.VHOST_VRING_F_LOG) !== 0) throw new ProtocolError(`flags 0x${flags.toString(16)}`)
    if (desc % 16n !== 0n || avail % 2n !== 0n || used % 4n !== 0n) throw new ProtocolError('unaligned rings')
    const usedLog = flags === 0 ? null : Number(log)
    if (usedLog !== null && !Number.isSafeInteger(usedLog)) {
      throw new ProtocolError(`a used ring at 0x${log.toString(16)} of the log`)
    }
    const addresses = {
      desc: this.#table.toGuest(desc),
      avail: this.#table.toGuest(avail),
      used: this.#table.toGuest(used),
    }
    if (vring.running) {
      const { addresses: now } = vring
      const isSame = now?.desc === addresses.desc && now.avail === addresses.avail && now.used === addresses.used
      if (!isSame) throw new ProtocolError(`queue ${index} is running`)
      await this.#worker.send({ do: 'log-used', queue: index, at: usedLog })
    }
    vring.addresses = addresses
    vring.usedLog = usedLog
  }

  async #setDescriptor(what: QueueDescriptor, payload: Buffer, fds: number[]): Promise<void> {
    const { index, hasFd } = message.decodeVringFd(payload)
    const vring = this.#vring(index)
    if (fds.length !== (hasFd ? 1 : 0)) throw new ProtocolError(`${fds.length} descriptors for queue ${index}`)
    if (what === 'kick' && !hasFd) throw new ProtocolError(`queue ${index} without a kick, which is not offered`)
    const [fd] = fds
    if (fd !== undefined) checkEventFd(fd)
    if (what === 'kick' && !vring.running) await this.#start(index, vring)
    fds.length = 0
    if (vring.running) {
      await this.#worker.send({ do: 'descriptor', queue: index, what, fd: fd ?? null })
      return
    }
    const former = vring.descriptors.get(what)
    if (former !== undefined) closeSync(former)
    if (fd === undefined) vring.descriptors.delete(what)
    else vring.descriptors.set(what, fd)
  }

  /** A queue runs from its kick on. */
  async #start(index: number, vring: Vring): Promise<void> {
    const { size, nextAvail, addresses, usedLog, descriptors } = vring
    if (addresses === null || size === 0) throw new ProtocolError(`queue ${index} is to start, but where is it?`)
    // Without protocol features there is no message that could enable it.
    const enabled = vring.enabled || !hasBit(this.#ackedFeatures, message.VHOST_USER_F_PROTOCOL_FEATURES)
    await this.#worker.send({
      do: 'start',
      queue: index,
      start: {
        layout: { size, ...addresses },
        nextAvail,
        enabled,
        usedLog,
        indirect: hasBit(this.#ackedFeatures, virtq.VIRTIO_F_INDIRECT_DESC),
        eventIdx: hasBit(this.#ackedFeatures, virtq.VIRTIO_F_EVENT_IDX),
      },
    })
    vring.running = true
    for (const [what, fd] of descriptors) await this.#worker.send({ do: 'descriptor', queue: index, what, fd })
    descriptors.clear()
    this.#options.log(`queue ${index} started with ${size} entries`)
  }

  async #stop(index: number): Promise<number> {
    const vring = this.#vring(index)
    if (!vring.running) return vring.nextAvail
    vring.running = false
    vring.addresses = null
    vring.nextAvail = await this.#worker.send({ do: 'stop', queue: index })
    this.#options.log(`queue ${index} stopped`)
    return vring.nextAvail
  }
}

/** What was chosen, if all of it was offered. */
function subset(chosen: bigint, offered: bigint): bigint {
  const others = chosen & ~offered
  if (others !== 0n) throw new ProtocolError(`features 0x${others.toString(16)}, which were not offered`)
  return chosen
}

/** Returns the answer to a message that was refused, for those that the front-end waits for. */
function refusal(request: number): Reply | null {
  switch (request) {
    // The specification's answer to a configuration that cannot be had.
    case Request.GET_CONFIG:
      return { payload: new Uint8Array(0) }
    // Front-ends wait for it, and do not look at what it says.
    case Request.SET_LOG_BASE:
      return { payload: message.encodeU64(1n) }
    // Memory of no size: there is none.
    case Request.GET_INFLIGHT_FD:
      return { payload: message.encodeInflight({ mmapSize: 0n, mmapOffset: 0n, numQueues: 0, queueSize: 0 }) }
    default:
      return null
  }
}
