// The other side of a vhost-user connection: a virtual machine that is only memory and a block driver.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'

import { makeEventFd } from '../../examples/host/descriptor-calls.js'
import { signal } from '../../examples/host/event-fd.js'
import { Connection, Listener, type Part } from '../../examples/host/unix-socket.js'
import { Counters } from '../../examples/vhost-user-blk/counters.js'
import * as message from '../../examples/vhost-user-blk/message.js'
import { Request, type MemoryRegion } from '../../examples/vhost-user-blk/message.js'
import { Session } from '../../examples/vhost-user-blk/session.js'
import * as virtq from '../../examples/virtio/virtq.js'
import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, memfdCreate } from '../../index.js'

export const RAM_SIZE = 0x10_0000
/** More memory, to be plugged. */
export const DIMM_BASE = 0x4000_0000
/** Where the front-end pretends to have guest address 0. */
const USER_BASE = 0x7000_0000_0000n
export const SECTORS = 1024

/** Queues start here in guest memory, each in a part of its own. */
export const queueBase = (index: number): number => 0x1000 + 0x4000 * index
export const QUEUE_SIZE = 16

/** The end of a back-end that serves one connection, and of all that it has. */
export interface BackEnd {
  readonly connection: Connection
  readonly session: Session
  readonly log: readonly string[]
  readonly image: number
  /** Ends the connection, and waits until the back-end has taken that in. */
  end(): Promise<void>
}

export interface BackEndOptions {
  readonly queues?: number
  readonly readOnly?: boolean
}

export async function startBackEnd(
  t: ExecutionContext,
  { queues = 2, readOnly = false }: BackEndOptions = {},
): Promise<BackEnd> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-vhost-'))
  const image = path.join(folder, 'disk.img')
  fs.writeFileSync(
    image,
    Uint8Array.from({ length: SECTORS * 512 }, (_, index) => (index >> 9) ^ index),
  )
  const fd = fs.openSync(image, 'r+')
  const listener = new Listener(path.join(folder, 'socket'))
  const connection = Connection.connect(path.join(folder, 'socket'))
  const accepted = await listener.accept()
  if (accepted === null) throw new Error('nobody came')
  listener.close()
  await listener.accept()
  const log: string[] = []
  const disk = { fd, sectors: SECTORS, id: 'a disk', readOnly }
  const session = new Session(accepted, {
    disk,
    queues,
    memSlots: true,
    counters: new Counters(),
    log: (line) => log.push(line),
  })
  const done = session.run()
  let ended = false
  const end = async (): Promise<void> => {
    if (ended) return
    ended = true
    connection.close()
    await done
    fs.closeSync(fd)
    fs.rmSync(folder, { recursive: true })
  }
  t.teardown(end)
  return { connection, session, log, image: fd, end }
}

/** Guest memory on a memfd. */
export class Ram {
  readonly name: string
  readonly base: number
  readonly fd: number
  readonly region: MemoryRegion

  constructor(t: ExecutionContext, name: string, base: number, size = RAM_SIZE, seal = true) {
    this.name = name
    this.base = base
    this.fd = memfdCreate(name, size, { seal })
    t.teardown(() => fs.closeSync(this.fd))
    this.region = {
      guestAddress: BigInt(base),
      size: BigInt(size),
      userAddress: USER_BASE + BigInt(base),
      mmapOffset: 0n,
    }
  }
}

/** The guest's own view of its memory. */
export function guestMemory(...rams: readonly Ram[]): GuestMemoryAtomic {
  return new GuestMemoryAtomic(
    GuestMemoryMmap.fromRanges(
      rams.map(({ base, fd, region }) => [base, region.size, new FileOffset(fd, 0)]),
      // Tests truncate it.
      { recoverFaults: true },
    ),
  )
}

export interface GuestQueue {
  readonly layout: virtq.VirtqLayout
  readonly kick: number
  readonly call: number
  readonly err: number
}

/** Memory that tells which requests are in flight. */
export interface Inflight {
  readonly fd: number
  readonly description: message.InflightDescription
  readonly memory: GuestMemoryMmap
}

/** Sends what a front-end sends. */
export class FrontEnd {
  readonly #connection: Connection
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext, { connection }: Pick<BackEnd, 'connection'>) {
    this.#t = t
    this.#connection = connection
  }

  /** A request that has an answer of its own: its payload. */
  async ask(request: number, payload: Uint8Array = new Uint8Array(0), fds?: readonly number[]): Promise<Buffer> {
    this.#connection.send(message.encodeRequest(request, payload), fds)
    return (await this.#reply(request)).bytes
  }

  /** Memory for the requests in flight, of the back-end's making. */
  async getInflight(numQueues = 1, queueSize = QUEUE_SIZE): Promise<Inflight> {
    const asked = { mmapSize: 0n, mmapOffset: 0n, numQueues, queueSize }
    this.#connection.send(message.encodeRequest(Request.GET_INFLIGHT_FD, message.encodeInflight(asked)))
    const { bytes, fds } = await this.#reply(Request.GET_INFLIGHT_FD)
    const [fd = -1] = fds
    this.#t.is(fds.length, 1)
    this.#t.teardown(() => fs.closeSync(fd))
    const description = message.decodeInflight(bytes)
    const memory = GuestMemoryMmap.fromRanges([[0, description.mmapSize, new FileOffset(fd, description.mmapOffset)]])
    return { fd, description, memory }
  }

  /** The memory that another back-end has left behind. */
  setInflight({ fd, description }: Pick<Inflight, 'fd' | 'description'>): Promise<boolean> {
    return this.tell(Request.SET_INFLIGHT_FD, message.encodeInflight(description), [fd])
  }

  /** A request that is acknowledged: whether it was done. */
  async tell(request: number, payload: Uint8Array, fds?: readonly number[]): Promise<boolean> {
    this.#connection.send(message.encodeRequest(request, payload, true), fds)
    return message.decodeU64((await this.#reply(request)).bytes) === 0n
  }

  /** With all features, or with those that are not in `without`. */
  async negotiate(without = 0n): Promise<void> {
    const features = message.decodeU64(await this.ask(Request.GET_FEATURES))
    const protocolFeatures = await this.ask(Request.GET_PROTOCOL_FEATURES)
    this.#connection.send(message.encodeRequest(Request.SET_PROTOCOL_FEATURES, protocolFeatures))
    this.#t.true(await this.tell(Request.SET_FEATURES, message.encodeU64(features & ~without)))
  }

  setMemory(...rams: readonly Ram[]): Promise<boolean> {
    const table = message.encodeMemoryTable(rams.map(({ region }) => region))
    return this.tell(
      Request.SET_MEM_TABLE,
      table,
      rams.map(({ fd }) => fd),
    )
  }

  addMemory({ region, fd }: Ram): Promise<boolean> {
    return this.tell(Request.ADD_MEM_REG, message.encodeMemoryRegion(region), [fd])
  }

  removeMemory({ region }: Ram): Promise<boolean> {
    return this.tell(Request.REM_MEM_REG, message.encodeMemoryRegion(region))
  }

  async startQueue(index: number, base = 0): Promise<GuestQueue> {
    const { queue, told } = await this.tryToStartQueue(index, base)
    this.#t.deepEqual(told, Array(told.length).fill(true))
    return queue
  }

  /** With what the back-end says to each message, the kick being the last but two. */
  async tryToStartQueue(index: number, base = 0): Promise<{ queue: GuestQueue; told: boolean[] }> {
    const layout = virtq.layOutVirtq(queueBase(index), QUEUE_SIZE)
    const [kick, call, err] = [makeEventFd(), makeEventFd(), makeEventFd()]
    this.#t.teardown(() => [kick, call, err].forEach((fd) => fs.closeSync(fd)))
    const user = (address: number): bigint => USER_BASE + BigInt(address)
    const addresses = { desc: user(layout.desc), avail: user(layout.avail), used: user(layout.used) }
    const told = [
      await this.tell(Request.SET_VRING_NUM, message.encodeVringState({ index, num: QUEUE_SIZE })),
      await this.tell(Request.SET_VRING_BASE, message.encodeVringState({ index, num: base })),
      await this.tell(Request.SET_VRING_ADDR, message.encodeVringAddress({ index, flags: 0, ...addresses })),
      await this.tell(Request.SET_VRING_ERR, message.encodeVringFd({ index, hasFd: true }), [err]),
      await this.tell(Request.SET_VRING_KICK, message.encodeVringFd({ index, hasFd: true }), [kick]),
      await this.tell(Request.SET_VRING_CALL, message.encodeVringFd({ index, hasFd: true }), [call]),
      await this.tell(Request.SET_VRING_ENABLE, message.encodeVringState({ index, num: 1 })),
    ]
    return { queue: { layout, kick, call, err }, told }
  }

  /** The available index that the queue has come to. */
  async stopQueue(index: number): Promise<number> {
    const state = await this.ask(Request.GET_VRING_BASE, message.encodeVringState({ index, num: 0 }))
    return message.decodeVringState(state).num
  }

  async #reply(request: number): Promise<Part> {
    const head = await this.#connection.receive(message.VHOST_USER_HEADER_SIZE)
    if (head === null) throw new Error('the back-end has closed the connection')
    const reply = message.decodeReply(head.bytes)
    this.#t.is(reply.request, request)
    const body = await this.#connection.receive(reply.size)
    if (body === null) throw new Error('the back-end has closed the connection')
    return { ...body, fds: [...head.fds, ...body.fds] }
  }
}

/** How often an eventfd was signalled since it was last asked. */
export function takeSignals(fd: number): number {
  const count = Buffer.alloc(8)
  try {
    fs.readSync(fd, count)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
  return Number(count.readBigUInt64LE())
}

/** What `take` gives, once that is not null. */
export async function soon<T>(take: () => T | null): Promise<T> {
  for (let turn = 0; turn < 5000; turn++) {
    const value = take()
    if (value !== null) return value
    await sleep(1)
  }
  throw new Error('it never came')
}

export { signal }
