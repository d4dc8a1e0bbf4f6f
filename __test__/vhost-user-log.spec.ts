// The log of what the device writes, for a guest that is moved: examples/vhost-user-blk/dirty-log.ts, by itself and as a
// front-end sees it. QEMU moves guests with it in __test__/qemu/migrations.ts.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import test, { type ExecutionContext } from 'ava'

import { BlkDriver } from '../examples/machine/blk-driver.js'
import { DirtyLog, DirtyLogError } from '../examples/vhost-user-blk/dirty-log.js'
import * as message from '../examples/vhost-user-blk/message.js'
import { Request } from '../examples/vhost-user-blk/message.js'
import * as blk from '../examples/virtio/virtio-blk.js'
import * as virtq from '../examples/virtio/virtq.js'
import { type GuestMemoryAtomic, memfdCreate } from '../index.js'
import {
  FrontEnd,
  guestMemory,
  type GuestQueue,
  queueBase,
  QUEUE_SIZE,
  Ram,
  RAM_SIZE,
  signal,
  soon,
  startBackEnd,
} from './vhost-user/front-end.js'

const PAGE = 4096
const LOG_SIZE = 64
/** Where requests and their data lie; queues are below. */
const SLOTS = 0x2_0000
const DATA = 0x3_0000

/** The log as the front-end has it. */
class Log {
  readonly fd: number

  constructor(t: ExecutionContext, size = LOG_SIZE, content?: number) {
    this.fd = memfdCreate('log', Math.max(size, PAGE))
    if (content !== undefined) fs.writeSync(this.fd, Buffer.alloc(size, content), 0, size, 0)
    t.teardown(() => fs.closeSync(this.fd))
  }

  /** The pages in it, which are taken out. */
  take(): number[] {
    const bytes = Buffer.alloc(PAGE)
    fs.readSync(this.fd, bytes, 0, PAGE, 0)
    fs.writeSync(this.fd, Buffer.alloc(PAGE), 0, PAGE, 0)
    return Array.from({ length: 8 * PAGE }, (_, page) => page).filter(
      (page) => ((bytes[page >> 3] as number) >> (page & 7)) & 1,
    )
  }
}

const pagesOf = (addr: number, count: number): number[] =>
  Array.from({ length: Math.floor((addr + count - 1) / PAGE) - Math.floor(addr / PAGE) + 1 }, (_, index) =>
    Math.floor(addr / PAGE + index),
  )

test('a log has a bit for each page that was written, and no other', (t) => {
  const log = new Log(t)
  const dirty = new DirtyLog()
  dirty.isWanted = true
  dirty.mark(0, PAGE)
  t.deepEqual(log.take(), [])
  dirty.use(log.fd, { mmapSize: BigInt(LOG_SIZE), mmapOffset: 0n })
  for (const [addr, count] of [
    [0, 1],
    [PAGE - 1, 2],
    [7 * PAGE, 1],
    [8 * PAGE - 1, 2],
    [3 * PAGE + 5, 12 * PAGE],
    [8 * LOG_SIZE * PAGE - 1, 1],
  ] as const) {
    dirty.mark(addr, count)
    t.deepEqual(log.take(), pagesOf(addr, count))
    dirty.mark(BigInt(addr), count)
    t.deepEqual(log.take(), pagesOf(addr, count))
  }
  dirty.mark(PAGE, 0)
  // What there are no bits for.
  dirty.mark(8 * LOG_SIZE * PAGE, 1)
  dirty.mark(2n ** 64n - 1n, 2 ** 32)
  dirty.mark(8 * LOG_SIZE * PAGE - PAGE, 2 ** 32)
  t.deepEqual(log.take(), [8 * LOG_SIZE - 1])
  dirty.isWanted = false
  dirty.mark(0, PAGE)
  t.deepEqual(log.take(), [])
})

test('bits that somebody has set stay', (t) => {
  const log = new Log(t, LOG_SIZE, 0b1000_0001)
  const dirty = new DirtyLog()
  dirty.isWanted = true
  dirty.use(log.fd, { mmapSize: 1n, mmapOffset: 0n })
  dirty.mark(3 * PAGE, 1)
  t.deepEqual(log.take().slice(0, 3), [0, 3, 7])
})

test('what is no log is refused, and the one before stays', (t) => {
  const log = new Log(t)
  const dirty = new DirtyLog()
  dirty.isWanted = true
  dirty.use(log.fd, { mmapSize: BigInt(LOG_SIZE), mmapOffset: 0n })
  for (const [mmapSize, mmapOffset] of [
    [0n, 0n],
    [2n ** 40n, 0n],
    [2n ** 64n - 1n, 0n],
    [BigInt(2 * PAGE), 0n],
    [1n, 2n ** 63n],
    [1n, 1n],
  ] as const) {
    t.throws(() => dirty.use(log.fd, { mmapSize, mmapOffset }), { instanceOf: DirtyLogError })
  }
  dirty.mark(0, 1)
  t.deepEqual(log.take(), [0])
})

interface Guest {
  readonly frontEnd: FrontEnd
  readonly memory: GuestMemoryAtomic
  readonly queue: GuestQueue
  readonly driver: BlkDriver
  readonly ram: Ram
  readonly features: bigint
}

const LOG_ALL = 1n << BigInt(message.VHOST_F_LOG_ALL)

async function startGuest(t: ExecutionContext, without = 0n): Promise<Guest> {
  const backEnd = await startBackEnd(t)
  const frontEnd = new FrontEnd(t, backEnd)
  await frontEnd.negotiate(LOG_ALL | without)
  const features = message.decodeU64(await frontEnd.ask(Request.GET_FEATURES)) & ~without
  const ram = new Ram(t, 'log-ram', 0)
  t.true(await frontEnd.setMemory(ram))
  const memory = guestMemory(ram)
  const queue = await frontEnd.startQueue(0)
  return { frontEnd, memory, queue, driver: new BlkDriver(memory, queue.layout, SLOTS), ram, features }
}

async function serve({ driver, queue }: Guest, type: number, addr: number, len: number): Promise<number> {
  driver.submit(type, 0, len === 0 ? [] : [{ addr, len }])
  if (driver.publish()) signal(queue.kick)
  return (await soon(() => driver.complete())).status
}

const setLog = async ({ frontEnd }: Guest, log: Log, size = LOG_SIZE, fds = [log.fd]): Promise<bigint> => {
  const payload = message.encodeLog({ mmapSize: BigInt(size), mmapOffset: 0n })
  return message.decodeU64(await frontEnd.ask(Request.SET_LOG_BASE, payload, fds))
}

const setFeatures = (guest: Guest, features: bigint): Promise<boolean> =>
  guest.frontEnd.tell(Request.SET_FEATURES, message.encodeU64(features))

/** Where the used ring is logged; nowhere without flags. */
function setAddresses({ frontEnd, queue, ram }: Guest, flags: number, log: number, moved = 0): Promise<boolean> {
  const user = (address: number): bigint => ram.region.userAddress + BigInt(address)
  const { desc, avail, used } = queue.layout
  const address = {
    index: 0,
    flags,
    desc: user(desc + moved),
    avail: user(avail),
    used: user(used),
    log: BigInt(log),
  }
  return frontEnd.tell(Request.SET_VRING_ADDR, message.encodeVringAddress(address))
}

test.serial('a front-end that moves a guest finds all that the device writes in its log', async (t) => {
  for (const without of [0n, 1n << BigInt(virtq.VIRTIO_F_EVENT_IDX)]) {
    const guest = await startGuest(t, without)
    const { used } = guest.queue.layout
    const usedPages = pagesOf(used, virtq.VIRTQ_USED_RING + 8 * QUEUE_SIZE + 2)
    const log = new Log(t)
    t.is(await serve(guest, blk.VIRTIO_BLK_T_IN, DATA, 512), blk.VIRTIO_BLK_S_OK)
    // QEMU's order: the log, the features, the queues, which run.
    t.is(await setLog(guest, log), 0n)
    t.deepEqual(log.take(), [])
    t.true(await setFeatures(guest, guest.features))
    t.true(await setAddresses(guest, 1, used))
    for (const [type, count, written] of [
      [blk.VIRTIO_BLK_T_IN, 3 * PAGE, pagesOf(DATA + 512, 3 * PAGE)],
      [blk.VIRTIO_BLK_T_OUT, 3 * PAGE, []],
      [blk.VIRTIO_BLK_T_FLUSH, 0, []],
      [blk.VIRTIO_BLK_T_GET_ID, 20, pagesOf(DATA + 512, 20)],
      // Fails; it may have written before.
      [blk.VIRTIO_BLK_T_IN, PAGE - 512 + 1, pagesOf(DATA + 512, PAGE - 512 + 1)],
    ] as const) {
      await serve(guest, type, DATA + 512, count)
      // With the status, which lies with the request.
      const expected = [...new Set([...usedPages, ...pagesOf(SLOTS, 1), ...written])].toSorted((a, b) => a - b)
      // Whether it wants to be told comes after the answer.
      const found = await soon(() => {
        const pages = log.take()
        return pages.length > 0 ? pages : null
      })
      t.deepEqual(found, expected, `type ${type}`)
      await guest.frontEnd.ask(Request.GET_FEATURES)
      await new Promise((resolve) => setTimeout(resolve, 20))
      t.deepEqual(
        log.take().filter((page) => !usedPages.includes(page)),
        [],
      )
    }
    // The ring alone is not logged; then nothing is.
    t.true(await setAddresses(guest, 0, 0))
    await serve(guest, blk.VIRTIO_BLK_T_IN, DATA, 512)
    t.deepEqual(log.take(), [...pagesOf(SLOTS, 1), ...pagesOf(DATA, 512)])
    t.true(await setFeatures(guest, guest.features & ~LOG_ALL))
    t.true(await setAddresses(guest, 1, used))
    await serve(guest, blk.VIRTIO_BLK_T_IN, DATA, 512)
    t.deepEqual(log.take(), [])
  }
})

test.serial('the used ring is logged where the front-end says, also of a queue that starts', async (t) => {
  const guest = await startGuest(t)
  const log = new Log(t)
  await setLog(guest, log)
  t.true(await setFeatures(guest, guest.features))
  const base = await guest.frontEnd.stopQueue(0)
  t.true(await setAddresses(guest, 1, 0x1f_0000))
  t.is(base, 0)
  const kick = message.encodeVringFd({ index: 0, hasFd: true })
  t.true(await guest.frontEnd.tell(Request.SET_VRING_KICK, kick, [guest.queue.kick]))
  await serve(guest, blk.VIRTIO_BLK_T_FLUSH, 0, 0)
  t.true(log.take().includes(0x1f0))
})

test.serial('a log that is replaced gets nothing more, and the new one all', async (t) => {
  const guest = await startGuest(t)
  const logs = [new Log(t), new Log(t)] as const
  t.true(await setFeatures(guest, guest.features))
  for (let round = 0; round < 6; round += 1) {
    const [log, other] = round % 2 === 0 ? logs : ([logs[1], logs[0]] as const)
    t.is(await setLog(guest, log), 0n)
    other.take()
    await serve(guest, blk.VIRTIO_BLK_T_IN, DATA, PAGE)
    t.true(log.take().includes(DATA / PAGE))
    t.deepEqual(other.take(), [])
  }
})

test.serial('what is no log, or no place for one, is refused, and the queue goes on', async (t) => {
  const guest = await startGuest(t)
  const log = new Log(t)
  t.true(await setFeatures(guest, guest.features))
  t.is(await setLog(guest, log, 0), 1n)
  t.is(await setLog(guest, log, 2 * PAGE), 1n)
  t.is(await setLog(guest, log, LOG_SIZE, []), 1n)
  t.is(await setLog(guest, log, LOG_SIZE, [log.fd, log.fd]), 1n)
  t.false(await setAddresses(guest, 2, 0))
  t.false(await setAddresses(guest, 1, 2 ** 60))
  // Of a queue that runs, only what is logged may change.
  t.false(await setAddresses(guest, 1, 0, 16))
  t.true(await guest.frontEnd.tell(Request.SET_LOG_FD, new Uint8Array(0), [guest.queue.call]))
  t.is(await serve(guest, blk.VIRTIO_BLK_T_IN, DATA, 512), blk.VIRTIO_BLK_S_OK)
  t.deepEqual(log.take(), [])
  t.true(RAM_SIZE > DATA + PAGE && queueBase(0) < SLOTS)
})
