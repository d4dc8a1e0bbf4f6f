// The back-end of examples/vhost-user-blk against a front-end in this process: its messages, its disk, and what a hostile
// front-end or guest can do to it. QEMU drives it in __test__/qemu.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

import { makeEventFd } from '../examples/host/descriptor-calls.js'
import { SystemError } from '../examples/host/libc.js'
import { BlkDriver, type Completion } from '../examples/machine/blk-driver.js'
import { SeededRandom } from '../examples/machine/seeded-random.js'
import * as message from '../examples/vhost-user-blk/message.js'
import { ProtocolError, Request } from '../examples/vhost-user-blk/message.js'
import { DeviceQueue, VirtqError } from '../examples/virtio/device-queue.js'
import * as blk from '../examples/virtio/virtio-blk.js'
import * as virtq from '../examples/virtio/virtq.js'
import { GuestMemoryMmap, type GuestMemoryAtomic } from '../index.js'
import { eventually, mappingsOf, openDescriptors } from './process-resources.js'
import { temporaryFile } from './temporary-file.js'
import {
  DIMM_BASE,
  FrontEnd,
  guestMemory,
  queueBase,
  QUEUE_SIZE,
  Ram,
  RAM_SIZE,
  SECTORS,
  signal,
  soon,
  startBackEnd,
  takeSignals,
  type BackEnd,
  type GuestQueue,
} from './vhost-user/front-end.js'

const EVENT_IDX = 1n << BigInt(virtq.VIRTIO_F_EVENT_IDX)
const SLOTS = 0x9000
const DATA = 0x2_0000

// ---------------------------------------------------------------------------------------------------------- messages

const region = { guestAddress: 0x1000n, size: 0x2000n, userAddress: 0x7f00_0000_0000n, mmapOffset: 0xc000_0000n }

test('what is encoded is decoded', (t) => {
  const u64 = 0xfedc_ba98_7654_3210n
  t.is(message.decodeU64(message.encodeU64(u64)), u64)
  const state = { index: 3, num: 0xffff_ffff }
  t.deepEqual(message.decodeVringState(message.encodeVringState(state)), state)
  const address = { index: 1, flags: 1, desc: 16n, used: 4n, avail: 2n, log: 0xffff_0000n }
  t.deepEqual(message.decodeVringAddress(message.encodeVringAddress(address)), address)
  for (const hasFd of [true, false]) {
    t.deepEqual(message.decodeVringFd(message.encodeVringFd({ index: 255, hasFd })), { index: 255, hasFd })
  }
  t.deepEqual(message.decodeMemoryRegion(message.encodeMemoryRegion(region)), region)
  const log = { mmapSize: 4096n, mmapOffset: 0x10_0000n }
  t.deepEqual(message.decodeLog(message.encodeLog(log)), log)
  const table = [region, { ...region, guestAddress: 0x8000n }]
  t.deepEqual(message.decodeMemoryTable(message.encodeMemoryTable(table)), table)
  const config = { offset: 8, size: 4, flags: 1 }
  const content = Uint8Array.from({ length: 60 }, (_, index) => index)
  const encoded = message.encodeConfig(config, content)
  t.deepEqual(message.decodeConfig(encoded), config)
  t.deepEqual([...encoded.subarray(-4)], [8, 9, 10, 11])
  const request = message.encodeRequest(Request.SET_OWNER, new Uint8Array(5), true)
  t.deepEqual(message.decodeHeader(request), { request: Request.SET_OWNER, needReply: true, size: 5 })
})

test('the bytes of a message are those of the specification', (t) => {
  const request = message.encodeRequest(Request.SET_VRING_NUM, message.encodeVringState({ index: 1, num: 256 }), true)
  t.is(request.toString('hex'), '0800000009000000080000000100000000010000')
  t.is(
    message.encodeReply(Request.GET_FEATURES, message.encodeU64(1n)).toString('hex').slice(0, 24),
    '010000000500000008000000',
  )
})

const refusedPayloads: Readonly<Record<string, () => unknown>> = {
  'u64 of 7 bytes': () => message.decodeU64(Buffer.alloc(7)),
  'vring state of 9 bytes': () => message.decodeVringState(Buffer.alloc(9)),
  'vring address of 32 bytes': () => message.decodeVringAddress(Buffer.alloc(32)),
  'vring descriptor with other bits': () => message.decodeVringFd(message.encodeU64(0x200n)),
  'memory table without a count': () => message.decodeMemoryTable(Buffer.alloc(4)),
  'memory table with fewer regions than it says': () =>
    message.decodeMemoryTable(message.encodeMemoryTable([region]).fill(2, 0, 1)),
  'memory table of 2^32 - 1 regions': () => message.decodeMemoryTable(Buffer.alloc(40, 0xff)),
  'empty region': () => message.decodeMemoryRegion(message.encodeMemoryRegion({ ...region, size: 0n })),
  'region beyond the address space': () =>
    message.decodeMemoryRegion(message.encodeMemoryRegion({ ...region, size: 2n ** 64n - 1n })),
  'configuration beyond its end': () =>
    message.decodeConfig(message.encodeConfig({ offset: 255, size: 2, flags: 0 }, new Uint8Array(0))),
  'configuration with fewer bytes than it says': () =>
    message.decodeConfig(message.encodeConfig({ offset: 0, size: 4, flags: 0 }, new Uint8Array(0)).subarray(0, 15)),
  'header of another version': () => message.decodeHeader(Buffer.from('010000000200000000000000', 'hex')),
  'header of a reply': () => message.decodeHeader(Buffer.from('010000000500000000000000', 'hex')),
  'header of a large payload': () => message.decodeHeader(Buffer.from('010000000100000000000100', 'hex')),
}
for (const [what, decode] of Object.entries(refusedPayloads)) {
  test(`refused: ${what}`, (t) => {
    t.throws(decode, { instanceOf: ProtocolError })
  })
}

// -------------------------------------------------------------------------------------------------------------- rings

interface Descriptor {
  readonly addr: number | bigint
  readonly len: number
  readonly flags?: number
  readonly next?: number
}
const { VIRTQ_DESC_F_NEXT: NEXT, VIRTQ_DESC_F_WRITE: WRITE, VIRTQ_DESC_F_INDIRECT: INDIRECT } = virtq
const TABLE = 0x8000

function writeDescriptors(memory: GuestMemoryMmap, at: number, descriptors: readonly Descriptor[]): void {
  descriptors.forEach(({ addr, len, flags = 0, next = 0 }, index) => {
    memory.writeObj(virtq.VirtqDesc, { addr, len, flags, next }, at + virtq.VirtqDesc.size * index)
  })
}

/** Makes the chain at descriptor 0 available, as the `nth` one. */
function offer(memory: GuestMemoryMmap, layout: virtq.VirtqLayout, nth = 1): void {
  memory.writeU16(0, layout.avail + virtq.VIRTQ_AVAIL_RING + 2 * ((nth - 1) % layout.size))
  memory.writeU16(nth, layout.avail + virtq.VIRTQ_AVAIL_IDX)
}

function pop(direct: readonly Descriptor[], table: readonly Descriptor[], indirect = true) {
  const memory = GuestMemoryMmap.fromRanges([[0, RAM_SIZE]])
  const layout = virtq.layOutVirtq(queueBase(0), QUEUE_SIZE)
  writeDescriptors(memory, layout.desc, direct)
  writeDescriptors(memory, TABLE, table)
  offer(memory, layout)
  return new DeviceQueue(layout, { indirect }).pop(memory)
}

const indirectTo = (entries: number): Descriptor => ({ addr: TABLE, len: 16 * entries, flags: INDIRECT })

test('a chain goes on in a table of indirect descriptors', (t) => {
  const table = [
    { addr: 0x200, len: 2, flags: NEXT, next: 2 },
    { addr: 0x400, len: 4, flags: WRITE },
    { addr: 0x300, len: 3, flags: NEXT | WRITE, next: 1 },
  ]
  const chain = pop([{ addr: 0x100, len: 1, flags: NEXT, next: 1 }, indirectTo(3)], table)
  t.is(chain?.head, 0)
  t.deepEqual(chain?.readable, [
    { addr: 0x100n, len: 1 },
    { addr: 0x200n, len: 2 },
  ])
  t.deepEqual(chain?.writable, [
    { addr: 0x300n, len: 3 },
    { addr: 0x400n, len: 4 },
  ])
})

const brokenChains: Readonly<Record<string, [direct: Descriptor[], table?: Descriptor[], message?: RegExp]>> = {
  'a loop': [[{ addr: 0, len: 1, flags: NEXT, next: 0 }], [], /loop/],
  'a loop in the indirect table': [[indirectTo(2)], [{ addr: 0, len: 1, flags: NEXT, next: 0 }], /loop/],
  'a next descriptor beyond the indirect table': [
    [indirectTo(1)],
    [{ addr: 0, len: 1, flags: NEXT, next: 1 }],
    /range/,
  ],
  'an indirect table in an indirect table': [[indirectTo(1)], [indirectTo(1)], /indirect itself/],
  'an indirect table and a next descriptor': [[{ ...indirectTo(1), flags: INDIRECT | NEXT, next: 1 }], [], /next/],
  'an indirect table of no entries': [[indirectTo(0)], [], /0 bytes/],
  'an indirect table of half an entry': [[{ ...indirectTo(1), len: 24 }], [], /24 bytes/],
  'an indirect table of 2^28 entries': [[{ ...indirectTo(1), len: 0xffff_fff0 }], [], /bytes/],
  'an indirect table that wraps': [[{ ...indirectTo(2), addr: 2n ** 64n - 16n }], [], /wraps/],
  'a buffer that wraps': [[indirectTo(1)], [{ addr: 2n ** 64n - 1n, len: 2 }], /wraps/],
}
for (const [what, [direct, table = [], expected]] of Object.entries(brokenChains)) {
  test(`a chain with ${what} breaks the queue`, (t) => {
    t.throws(() => pop(direct, table), { instanceOf: VirtqError, message: expected })
  })
}

test('an indirect table is refused unless it was negotiated, and where there is no memory', (t) => {
  t.throws(() => pop([indirectTo(1)], [{ addr: 0, len: 1 }], false), { instanceOf: VirtqError })
  t.throws(() => pop([{ ...indirectTo(1), addr: RAM_SIZE }], []), { name: 'GuestMemoryError' })
})

test('with the event index, the driver is told of the element that it waits for, and tells when the device wants it', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, RAM_SIZE]])
  const layout = virtq.layOutVirtq(queueBase(0), QUEUE_SIZE)
  const usedEvent = layout.avail + virtq.VIRTQ_AVAIL_RING + 2 * QUEUE_SIZE
  const availEvent = layout.used + virtq.VIRTQ_USED_RING + 8 * QUEUE_SIZE
  // Free-running indices wrap on the way.
  const queue = new DeviceQueue(layout, { eventIdx: true, nextAvail: 0xffff, usedIdx: 0xfffe })
  memory.writeU16(0xffff, layout.avail + virtq.VIRTQ_AVAIL_IDX)
  memory.writeU16(0, usedEvent)
  t.deepEqual(
    [1, 2, 3, 4].map((head) => queue.push(memory, head, 0)),
    [false, false, true, false],
  )
  queue.disableNotifications(memory)
  t.is(memory.readU16(layout.used + virtq.VIRTQ_USED_FLAGS), 0)
  t.false(queue.enableNotifications(memory))
  t.is(memory.readU16(availEvent), 0xffff)
  memory.writeU16(0, layout.avail + virtq.VIRTQ_AVAIL_IDX)
  t.true(queue.enableNotifications(memory))
})

// --------------------------------------------------------------------------------------------------------------- disk

interface Guest {
  readonly frontEnd: FrontEnd
  readonly backEnd: BackEnd
  readonly ram: Ram
  readonly memory: GuestMemoryAtomic
  readonly queue: GuestQueue
  readonly driver: BlkDriver
}

let names = 0
const freshName = (): string => `vhost-user-${process.pid}-${(names += 1)}`

/** A guest with one queue, whose driver can do without the event index. */
async function startGuest(t: ExecutionContext, seal = true): Promise<Guest> {
  const backEnd = await startBackEnd(t)
  const frontEnd = new FrontEnd(t, backEnd)
  await frontEnd.negotiate(EVENT_IDX)
  const ram = new Ram(t, freshName(), 0, undefined, seal)
  t.true(await frontEnd.setMemory(ram))
  const memory = guestMemory(ram)
  const driver = new BlkDriver(memory, virtq.layOutVirtq(queueBase(0), QUEUE_SIZE), SLOTS)
  const queue = await frontEnd.startQueue(0)
  return { frontEnd, backEnd, ram, memory, queue, driver }
}

async function request(
  { driver, queue }: Guest,
  type: number,
  sector: number,
  addr = DATA,
  len = 512,
): Promise<Completion> {
  const data = len === 0 ? [] : [{ addr, len }]
  if (driver.submit(type, sector, data) === null) throw new Error('the queue is full')
  if (driver.publish()) signal(queue.kick)
  return soon(() => driver.complete())
}

/** The log comes from another thread. */
const logged = ({ log }: BackEnd, start: string): Promise<true> =>
  soon(() => (log.some((line) => line.startsWith(start)) ? true : null))

function bytesAt(memory: GuestMemoryAtomic, addr: number, len: number): Buffer {
  using guest = memory.memory()
  const bytes = Buffer.alloc(len)
  guest.readSlice(bytes, addr)
  return bytes
}

function sectors(fd: number, sector: number, count: number): Buffer {
  const bytes = Buffer.alloc(512 * count)
  fs.readSync(fd, bytes, 0, bytes.length, 512 * sector)
  return bytes
}

test.serial('a guest reads and writes its disk', async (t) => {
  const guest = await startGuest(t)
  const { memory, backEnd, queue } = guest
  // The first signal says that the descriptor is in use.
  t.is(takeSignals(queue.call), 1)
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 5, DATA, 4096), { status: blk.VIRTIO_BLK_S_OK, len: 4097 })
  t.deepEqual(bytesAt(memory, DATA, 4096), sectors(backEnd.image, 5, 8))
  t.is(takeSignals(queue.call), 1)

  memory.memory().writeSlice(new Uint8Array(1024).fill(0xa5), DATA)
  t.like(await request(guest, blk.VIRTIO_BLK_T_OUT, SECTORS - 2, DATA, 1024), { status: blk.VIRTIO_BLK_S_OK, len: 1 })
  t.deepEqual(sectors(backEnd.image, SECTORS - 2, 2), Buffer.alloc(1024, 0xa5))
  t.like(await request(guest, blk.VIRTIO_BLK_T_FLUSH, 0, DATA, 0), { status: blk.VIRTIO_BLK_S_OK })
  t.like(await request(guest, blk.VIRTIO_BLK_T_GET_ID, 0, DATA, 20), { status: blk.VIRTIO_BLK_S_OK, len: 21 })
  t.is(bytesAt(memory, DATA, 20).toString(), 'a disk'.padEnd(20, '\0'))
  t.is(await guest.frontEnd.stopQueue(0), 4)
})

test.serial('the configuration tells the size of the disk', async (t) => {
  const frontEnd = new FrontEnd(t, await startBackEnd(t))
  const access = { offset: 0, size: 60, flags: 0 }
  const config = await frontEnd.ask(Request.GET_CONFIG, message.encodeConfig(access, new Uint8Array(0)))
  t.is(config.readBigUInt64LE(12), BigInt(SECTORS))
  t.is(config.readUInt16LE(12 + blk.VirtioBlkConfig.offsets.numQueues), 2)
  t.is(message.decodeU64(await frontEnd.ask(Request.GET_QUEUE_NUM)), 2n)
  // The specification's answer to what cannot be had.
  t.is((await frontEnd.ask(Request.GET_CONFIG, Buffer.alloc(3))).length, 0)
})

test.serial('a region is added, used across its border, and removed', async (t) => {
  const guest = await startGuest(t)
  const { frontEnd, ram, backEnd } = guest
  const upper = new Ram(t, freshName(), RAM_SIZE)
  const memory = guestMemory(ram, upper)
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 0, RAM_SIZE), { status: blk.VIRTIO_BLK_S_IOERR })
  t.true(await frontEnd.addMemory(upper))
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 3, RAM_SIZE - 700, 1536), { status: blk.VIRTIO_BLK_S_OK })
  t.deepEqual(bytesAt(memory, RAM_SIZE - 700, 1536), sectors(backEnd.image, 3, 3))
  t.true(await frontEnd.removeMemory(upper))
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 0, RAM_SIZE), { status: blk.VIRTIO_BLK_S_IOERR })
  t.is(backEnd.session.mapChanges, 3)
  await logged(backEnd, 'queue 0: request at descriptor')
})

test.serial('requests in flight go on with the memory that they began with', async (t) => {
  const guest = await startGuest(t)
  const { frontEnd, driver, queue, memory, ram, backEnd } = guest
  const dimm = new Ram(t, freshName(), DIMM_BASE)
  const view = guestMemory(dimm)
  // Too much to be read at once from the page cache: all four are taken before the first is done.
  const length = 0x1_8000
  for (let round = 0; round < 50; round++) {
    t.true(await frontEnd.setMemory(ram, dimm))
    view.memory().writeSlice(new Uint8Array(4 * length), DIMM_BASE)
    for (let part = 0; part < 4; part++) {
      driver.submit(blk.VIRTIO_BLK_T_IN, 192 * part, [{ addr: DIMM_BASE + part * length, len: length }])
    }
    if (driver.publish()) signal(queue.kick)
    const [first] = [await soon(() => driver.complete()), await frontEnd.setMemory(ram)]
    const others = [
      await soon(() => driver.complete()),
      await soon(() => driver.complete()),
      await soon(() => driver.complete()),
    ]
    t.deepEqual(
      [first, ...others].map(({ status }) => status),
      [0, 0, 0, 0],
    )
    t.deepEqual(bytesAt(view, DIMM_BASE, 4 * length), sectors(backEnd.image, 0, 768))
  }
  t.is(memory.memory().numRegions, 1)
})

test.serial('the buffers of a request may lie anywhere, neighbours or not', async (t) => {
  const guest = await startGuest(t)
  const { driver, queue, memory, backEnd } = guest
  const pieces = [
    { addr: DATA, len: 700 },
    { addr: DATA + 700, len: 324 },
    { addr: DATA + 0x2000, len: 512 },
    { addr: DATA + 0x1000, len: 512 },
  ]
  driver.submit(blk.VIRTIO_BLK_T_IN, 11, pieces)
  if (driver.publish()) signal(queue.kick)
  t.like(await soon(() => driver.complete()), { status: blk.VIRTIO_BLK_S_OK, len: 2049 })
  const read = Buffer.concat(pieces.map(({ addr, len }) => bytesAt(memory, addr, len)))
  t.deepEqual(read, sectors(backEnd.image, 11, 4))
  t.deepEqual(bytesAt(memory, DATA + 0x1000 + 512, 512), Buffer.alloc(512))
})

test.serial('a queue that is stopped has given everything back that it took', async (t) => {
  const guest = await startGuest(t)
  const { frontEnd, driver, memory } = guest
  let { kick, layout } = guest.queue
  let done = 0
  for (let round = 1; round <= 20; round++) {
    for (let part = 0; part < 3; part++) {
      driver.submit(blk.VIRTIO_BLK_T_OUT, 32 * part, [{ addr: DATA + 0x4000 * part, len: 0x4000 }])
    }
    // Takes its time.
    driver.submit(blk.VIRTIO_BLK_T_FLUSH, 0, [])
    driver.publish()
    signal(kick)
    // Some rounds stop it before it has seen the kick, some after.
    await sleep(round % 4)
    const base = await frontEnd.stopQueue(0)
    t.is(memory.memory().readU16(layout.used + virtq.VIRTQ_USED_IDX), base)
    ;({ kick, layout } = await frontEnd.startQueue(0, base))
    // What it had not taken before, it takes now.
    for (; done < 4 * round; done++) t.is((await soon(() => driver.complete())).status, blk.VIRTIO_BLK_S_OK)
  }
})

test.serial('nothing is left of a front-end that has gone', async (t) => {
  const before = openDescriptors().length
  const guest = await startGuest(t)
  const { ram, backEnd, frontEnd } = guest
  t.true(await frontEnd.addMemory(new Ram(t, freshName(), DIMM_BASE)))
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 0), { status: blk.VIRTIO_BLK_S_OK })
  t.is(mappingsOf(ram.name), 2)
  await backEnd.end()
  // The guest's own mapping stays.
  t.true(await eventually(() => mappingsOf(ram.name) === 1))
  // Its memfd and the DIMM's, the duplicate for its mapping, and the queue's three eventfds.
  t.true(await eventually(() => openDescriptors().length <= before + 6), `${before} ${openDescriptors().join(' ')}`)
})

// ------------------------------------------------------------------------------------------------------------ hostile

test.serial('what a front-end must not send is refused, and what comes after it is served', async (t) => {
  const guest = await startGuest(t)
  const { frontEnd, ram, queue } = guest
  const file = temporaryFile(t, new Uint8Array(4096))
  const vringFd = message.encodeVringFd({ index: 1, hasFd: true })
  const address = {
    index: 1,
    flags: 0,
    desc: ram.region.userAddress,
    used: ram.region.userAddress,
    avail: ram.region.userAddress,
  }
  const changed = (part: Partial<message.MemoryRegion>) =>
    message.encodeMemoryRegion({ ...ram.region, guestAddress: 1n << 40n, ...part })
  const refused: readonly [what: string, request: number, payload: Uint8Array, fds?: readonly number[]][] = [
    ['unknown', 99, new Uint8Array(3)],
    ['features that were not offered', Request.SET_FEATURES, message.encodeU64(1n << 63n)],
    ['protocol features that were not offered', Request.SET_PROTOCOL_FEATURES, message.encodeU64(1n << 63n)],
    ['no payload', Request.SET_VRING_NUM, new Uint8Array(0)],
    ['no such queue', Request.SET_VRING_NUM, message.encodeVringState({ index: 2, num: 16 })],
    ['no power of two', Request.SET_VRING_NUM, message.encodeVringState({ index: 1, num: 48 })],
    ['a running queue', Request.SET_VRING_NUM, message.encodeVringState({ index: 0, num: 16 })],
    ['too many entries', Request.SET_VRING_NUM, message.encodeVringState({ index: 1, num: 65536 })],
    ['an index of 17 bits', Request.SET_VRING_BASE, message.encodeVringState({ index: 1, num: 65536 })],
    ['a ring that is nowhere', Request.SET_VRING_ADDR, message.encodeVringAddress({ ...address, desc: 0n })],
    [
      'a ring that is not aligned',
      Request.SET_VRING_ADDR,
      message.encodeVringAddress({ ...address, used: address.used + 2n }),
    ],
    ['unknown flags', Request.SET_VRING_ADDR, message.encodeVringAddress({ ...address, flags: 2 })],
    ['a kick for a queue that is nowhere', Request.SET_VRING_KICK, vringFd, [queue.kick]],
    ['no kick', Request.SET_VRING_KICK, message.encodeVringFd({ index: 1, hasFd: false })],
    ['a call without its descriptor', Request.SET_VRING_CALL, vringFd],
    ['two descriptors', Request.SET_VRING_CALL, vringFd, [queue.call, queue.call]],
    ['a call that is a file', Request.SET_VRING_CALL, vringFd, [file]],
    ['a kick that is a file', Request.SET_VRING_KICK, message.encodeVringFd({ index: 0, hasFd: true }), [file]],
    ['a region without a descriptor', Request.ADD_MEM_REG, changed({})],
    ['a region beyond the end of its file', Request.ADD_MEM_REG, changed({ size: 8192n }), [file]],
    ['a region at no page', Request.ADD_MEM_REG, changed({ size: 512n, mmapOffset: 512n }), [file]],
    ['a region that is an eventfd', Request.ADD_MEM_REG, changed({}), [queue.err]],
    ['a region over another', Request.ADD_MEM_REG, message.encodeMemoryRegion(ram.region), [ram.fd]],
    [
      'a region at the end of the address space',
      Request.ADD_MEM_REG,
      changed({ guestAddress: 2n ** 64n - 1n }),
      [ram.fd],
    ],
    ['a region that is not there', Request.REM_MEM_REG, changed({})],
    ['a table without descriptors', Request.SET_MEM_TABLE, message.encodeMemoryTable([ram.region])],
    [
      'a table that overlaps',
      Request.SET_MEM_TABLE,
      message.encodeMemoryTable([ram.region, ram.region]),
      [ram.fd, ram.fd],
    ],
  ]
  const before = openDescriptors().length
  for (const [what, request, payload, fds] of refused) t.false(await frontEnd.tell(request, payload, fds), what)
  // Duplicates that were made for mappings go with their objects.
  t.true(await eventually(() => openDescriptors().length <= before))
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 0), { status: blk.VIRTIO_BLK_S_OK })
})

const lastWords: Readonly<Record<string, Buffer>> = {
  'a message of another version': Buffer.from('010000000200000000000000', 'hex'),
  'a payload without end': Buffer.from('0100000001000000ffffffff', 'hex'),
  'a reply': message.encodeReply(Request.GET_FEATURES, message.encodeU64(0n)),
  'half a message': message.encodeRequest(Request.SET_FEATURES, message.encodeU64(0n)).subarray(0, 14),
  'half a header': Buffer.from('0100', 'hex'),
  'the base of a queue that is not there': message.encodeRequest(
    Request.GET_VRING_BASE,
    message.encodeVringState({ index: 9, num: 0 }),
  ),
}
for (const [what, bytes] of Object.entries(lastWords)) {
  test.serial(`the connection ends after ${what}`, async (t) => {
    const backEnd = await startBackEnd(t)
    const before = openDescriptors().length
    // With a descriptor that nobody asked for.
    backEnd.connection.send(bytes, [backEnd.image])
    if (!what.startsWith('half')) t.is(await backEnd.connection.receive(1), null)
    await backEnd.end()
    t.is(backEnd.log.length, 1, backEnd.log.join('\n'))
    t.regex(backEnd.log[0] ?? '', /closing the connection/)
    t.true(openDescriptors().length <= before)
  })
}

test.serial('a broken queue stops, its front-end is told, and other queues go on', async (t) => {
  const guest = await startGuest(t)
  const { frontEnd, memory, backEnd } = guest
  const broken = await frontEnd.startQueue(1)
  {
    using ram = memory.memory()
    writeDescriptors(ram, broken.layout.desc, [{ addr: DATA, len: 16, flags: NEXT, next: 0 }])
    offer(ram, broken.layout)
  }
  signal(broken.kick)
  await soon(() => (takeSignals(broken.err) > 0 ? true : null))
  await logged(backEnd, 'queue 1: stopped: the chain at descriptor 0 has a loop')
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 7), { status: blk.VIRTIO_BLK_S_OK })
  t.is(await frontEnd.stopQueue(1), 0)
  // Put right, it starts again.
  {
    using ram = memory.memory()
    writeDescriptors(ram, broken.layout.desc, [
      { addr: SLOTS + 0x800, len: 16, flags: NEXT, next: 1 },
      { addr: DATA, len: 513, flags: WRITE },
    ])
  }
  const again = await frontEnd.startQueue(1)
  signal(again.kick)
  await soon(() => (memory.memory().readU16(again.layout.used + virtq.VIRTQ_USED_IDX) === 1 ? true : null))
  t.deepEqual(bytesAt(memory, DATA, 512), sectors(backEnd.image, 0, 1))
})

const brokenRings: Readonly<Record<string, (memory: GuestMemoryMmap, layout: virtq.VirtqLayout) => void>> = {
  'an available index that is too far ahead': (memory, { avail }) =>
    memory.writeU16(QUEUE_SIZE + 1, avail + virtq.VIRTQ_AVAIL_IDX),
  'a head out of range': (memory, layout) => {
    offer(memory, layout)
    memory.writeU16(QUEUE_SIZE, layout.avail + virtq.VIRTQ_AVAIL_RING)
  },
  'a status that is nowhere': (memory, layout) => {
    writeDescriptors(memory, layout.desc, [
      { addr: SLOTS, len: 16, flags: NEXT, next: 1 },
      { addr: 0x9000_0000_0000n, len: 1, flags: WRITE },
    ])
    offer(memory, layout)
  },
  'no status': (memory, layout) => {
    writeDescriptors(memory, layout.desc, [{ addr: SLOTS, len: 16 }])
    offer(memory, layout)
  },
}
for (const [what, breakRing] of Object.entries(brokenRings)) {
  test.serial(`a queue stops at ${what}`, async (t) => {
    const { frontEnd, memory, backEnd } = await startGuest(t)
    const queue = await frontEnd.startQueue(1)
    breakRing(memory.memory(), queue.layout)
    signal(queue.kick)
    await soon(() => (takeSignals(queue.err) > 0 ? true : null))
    await logged(backEnd, 'queue 1: stopped: ')
    t.is(memory.memory().readU16(queue.layout.used + virtq.VIRTQ_USED_IDX), 0)
  })
}

test.serial('a queue that begins where addresses are numbers, and ends beyond, does not start', async (t) => {
  const guest = await startGuest(t)
  const { frontEnd } = guest
  const high = new Ram(t, 'high', 2 ** 53 - RAM_SIZE / 2)
  t.true(await frontEnd.addMemory(high))
  const user = (fromLimit: number): bigint => high.region.userAddress + BigInt(RAM_SIZE / 2 + fromLimit)
  const low = { index: 1, flags: 0, desc: user(-0x3000), avail: user(-0x2000), used: user(-0x1000) }
  // Of its own: of two queues that listen to one descriptor, either may take a signal.
  const kickFd = makeEventFd()
  t.teardown(() => fs.closeSync(kickFd))
  const kick = (): Promise<boolean> =>
    frontEnd.tell(Request.SET_VRING_KICK, message.encodeVringFd({ index: 1, hasFd: true }), [kickFd])
  t.true(await frontEnd.tell(Request.SET_VRING_NUM, message.encodeVringState({ index: 1, num: QUEUE_SIZE })))
  for (const beyond of [
    { desc: user(-16) },
    { desc: user(-16 * QUEUE_SIZE + 16) },
    { avail: user(-2) },
    { avail: user(-4 - 2 * QUEUE_SIZE) },
    { used: user(-4) },
    { used: user(-4 - 8 * QUEUE_SIZE) },
  ]) {
    const address = message.encodeVringAddress({ ...low, ...beyond })
    t.true(await frontEnd.tell(Request.SET_VRING_ADDR, address))
    t.false(await kick())
  }
  t.true(await frontEnd.tell(Request.SET_VRING_ADDR, message.encodeVringAddress(low)))
  t.true(await kick())
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 3), { status: blk.VIRTIO_BLK_S_OK })
})

const brokenRequests: Readonly<
  Record<string, [type: number, sector: number, addr: number, len: number, status: number]>
> = {
  'past the end of the disk': [blk.VIRTIO_BLK_T_IN, SECTORS, DATA, 512, blk.VIRTIO_BLK_S_IOERR],
  'at a sector beyond all numbers': [blk.VIRTIO_BLK_T_OUT, 2 ** 53 - 1, DATA, 512, blk.VIRTIO_BLK_S_IOERR],
  'of half a sector': [blk.VIRTIO_BLK_T_IN, 0, DATA, 256, blk.VIRTIO_BLK_S_IOERR],
  'with data that is nowhere': [blk.VIRTIO_BLK_T_IN, 0, DIMM_BASE, 512, blk.VIRTIO_BLK_S_IOERR],
  'with data that runs out of memory': [blk.VIRTIO_BLK_T_OUT, 0, RAM_SIZE - 512, 1024, blk.VIRTIO_BLK_S_IOERR],
  'of an unknown type': [77, 0, DATA, 512, blk.VIRTIO_BLK_S_UNSUPP],
}
for (const [what, size, act] of [
  ['its rings', 0, ({ queue }: Guest) => signal(queue.kick)],
  ['what is read into', DATA, (guest: Guest) => void request(guest, blk.VIRTIO_BLK_T_IN, 0).catch(() => {})],
  ['what is written', DATA, (guest: Guest) => void request(guest, blk.VIRTIO_BLK_T_OUT, 0).catch(() => {})],
] as const) {
  test.serial(`a front-end that truncates ${what} loses its connection, and the next one is served`, async (t) => {
    const guest = await startGuest(t, false)
    t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 0), { status: blk.VIRTIO_BLK_S_OK })
    fs.ftruncateSync(guest.ram.fd, size)
    act(guest)
    await logged(guest.backEnd, 'memory of the front-end is lost')
    t.is(await guest.backEnd.connection.receive(1), null)
    const told = guest.backEnd.log.filter((line) => !/^queue 0 (?:started|stopped)/.test(line))
    t.is(told.length, 1, told.join('\n'))
    await guest.backEnd.end()
    const next = await startGuest(t)
    t.like(await request(next, blk.VIRTIO_BLK_T_IN, 0), { status: blk.VIRTIO_BLK_S_OK })
  })
}

test.serial('requests that cannot be done fail one by one', async (t) => {
  const guest = await startGuest(t)
  for (const [what, [type, sector, addr, len, status]] of Object.entries(brokenRequests)) {
    t.is((await request(guest, type, sector, addr, len)).status, status, what)
  }
  t.like(await request(guest, blk.VIRTIO_BLK_T_IN, 0), { status: blk.VIRTIO_BLK_S_OK })
})

function pick<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T
}

test.serial('no message that a front-end can make up ends the process', async (t) => {
  const random = new SeededRandom(1)
  const requests = Object.values(Request).filter((each) => typeof each === 'number')
  for (let round = 0; round < 8; round++) {
    const guest = await startGuest(t)
    const { connection } = guest.backEnd
    const given = [guest.ram.fd, guest.queue.kick, guest.backEnd.image]
    try {
      for (let turn = 0; turn < 60; turn++) {
        const payload = Buffer.alloc(pick(random, [0, 4, 8, 8, 8, 12, 40, 40, 72]))
        // Mostly small numbers: they get further.
        for (let at = 0; at < payload.length; at += 4)
          payload.writeUInt32LE(pick(random, [0, 0, 1, 2, 16, 0x1000, 0xffff_ffff]), at)
        const fds = Array.from({ length: pick(random, [0, 0, 1, 1, 2]) }, () => pick(random, given))
        connection.send(message.encodeRequest(pick(random, requests), payload, true), fds)
      }
    } catch (error) {
      // The back-end has had enough.
      t.true(error instanceof SystemError)
    }
    await guest.backEnd.end()
    t.true(guest.backEnd.log.length > 0)
  }
})

test.serial('no ring that a guest can make up ends the process', async (t) => {
  const random = new SeededRandom(2)
  const { frontEnd, memory, backEnd } = await startGuest(t)
  const words = [0, 1, 2, 3, 4, 5, 16, 512, 0x8000, RAM_SIZE - 8, RAM_SIZE, 0xffff_ffff]
  for (let round = 0; round < 40; round++) {
    const { layout, kick } = await frontEnd.startQueue(1)
    using ram = memory.memory()
    for (const [from, to] of [
      [layout.desc, layout.used],
      [TABLE, TABLE + 0x400],
    ] as const) {
      for (let at = from; at < to; at += 8) {
        ram.writeU32(pick(random, words), at)
        // The upper half of an address, or flags and the next descriptor.
        const isAddress = (at - from) % virtq.VirtqDesc.size === 0
        ram.writeU32(isAddress ? pick(random, [0, 0, 0, 1]) : (random.below(8) << 16) | random.below(8), at + 4)
      }
    }
    ram.writeU16(random.below(QUEUE_SIZE + 1), layout.avail + virtq.VIRTQ_AVAIL_IDX)
    signal(kick)
    await frontEnd.stopQueue(1)
  }
  t.true(backEnd.log.some((line) => line.startsWith('queue 1: stopped: ')))
  await backEnd.end()
})
