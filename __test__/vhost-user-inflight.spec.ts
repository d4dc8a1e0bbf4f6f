// Requests in flight when a back-end of examples/vhost-user-blk dies: the next one serves them, each once and in order.
// The deaths are played at every store, in a model of rings and region; then by a front-end that leaves the memory of a
// dead back-end to a living one; then with a process that is killed. QEMU's guests go through it in
// __test__/qemu/restarts.ts.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

import { Connection } from '../examples/host/unix-socket.js'
import { BlkDriver } from '../examples/machine/blk-driver.js'
import { DriverQueue } from '../examples/machine/driver-queue.js'
import { SeededRandom } from '../examples/machine/seeded-random.js'
import { InflightError, InflightQueue } from '../examples/vhost-user-blk/inflight.js'
import * as message from '../examples/vhost-user-blk/message.js'
import { Request } from '../examples/vhost-user-blk/message.js'
import { DeviceQueue } from '../examples/virtio/device-queue.js'
import * as blk from '../examples/virtio/virtio-blk.js'
import * as virtq from '../examples/virtio/virtq.js'
import { GuestMemoryAtomic, GuestMemoryMmap, memfdCreate } from '../index.js'
import { BackEnd as Program } from './qemu/back-end.js'
import {
  FrontEnd,
  guestMemory,
  queueBase,
  QUEUE_SIZE,
  Ram,
  signal,
  soon,
  startBackEnd,
  type BackEnd,
  type GuestQueue,
  type Inflight,
} from './vhost-user/front-end.js'
import { makePlace } from './vhost-user/place.js'

/** Where the specification has the fields of the region. */
const VERSION = 8
const DESC_NUM = 10
const LAST_BATCH_HEAD = 12
const USED_IDX = 14
const entry = (head: number): number => 16 + 16 * head
const NEXT = 6
const COUNTER = 8

// -------------------------------------------------------------------------------------------------------------- model

class Death extends Error {}

/** How many stores a device has left to live. */
interface Life {
  stores: number
}

/** `memory`, as somebody sees it who dies before a store to it. */
function mortal(memory: GuestMemoryMmap, life: Life): GuestMemoryMmap {
  return new Proxy(memory, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (name === 'store' || String(name).startsWith('write')) {
          if (life.stores === 0) throw new Death()
          life.stores--
        }
        return Reflect.apply(value, target, args)
      }
    },
  })
}

const SIZE = 8
const layout = virtq.layOutVirtq(0x1000, SIZE)

/** A device that takes chains and gives them back out of order, as the back-end does. */
class Device {
  /** The heads of the chains that it has, in the order in which it took them. */
  readonly taken: number[]
  readonly #ring: GuestMemoryMmap
  readonly #queue: DeviceQueue
  readonly #inflight: InflightQueue

  constructor(ring: GuestMemoryMmap, region: GuestMemoryMmap) {
    this.#ring = ring
    this.#inflight = new InflightQueue(region, 0, SIZE)
    const usedIdx = ring.readU16(layout.used + virtq.VIRTQ_USED_IDX)
    this.taken = this.#inflight.recover(usedIdx) ?? []
    this.#queue = new DeviceQueue(layout, { usedIdx, nextAvail: (usedIdx + this.taken.length) & 0xffff })
  }

  takeAll(): void {
    for (let chain; (chain = this.#queue.pop(this.#ring)) !== null;) {
      this.#inflight.take(chain.head)
      this.taken.push(chain.head)
    }
  }

  /** Gives back every `step`th chain that it has, the latest first. */
  giveBack(step: number): void {
    for (let at = this.taken.length - 1; at >= 0; at -= step) {
      const [head] = this.taken.splice(at, 1) as [number]
      this.#inflight.beginReturn(head)
      this.#queue.push(this.#ring, head, 0)
      this.#inflight.endReturn(head, this.#queue.usedIdx)
    }
  }
}

/**
 * Lets a driver and devices run, of which each dies after so many stores. Returns how many stores the last one had
 * left.
 */
function play(t: ExecutionContext, lives: readonly number[]): number {
  const ring = GuestMemoryMmap.fromRanges([[0, 0x3000]])
  const region = GuestMemoryMmap.fromRanges([[0, 0x1000]])
  const driver = new DriverQueue(new GuestMemoryAtomic(ring), layout)
  /** Heads that the driver has made available, and not got back. */
  const offered: number[] = []
  const rest = [...lives]
  const life: Life = { stores: 0 }
  let device: Device | null = null

  const drive = (work: (device: Device) => void): void => {
    for (;;) {
      try {
        if (device === null) {
          life.stores = rest.shift() ?? Infinity
          const next = new Device(mortal(ring, life), mortal(region, life))
          next.takeAll()
          device = next
          const used = usedHeads(ring, driver)
          t.deepEqual(
            next.taken,
            offered.filter((head) => !used.includes(head)),
            `lives of ${lives.join(', ')} stores`,
          )
        }
        return work(device)
      } catch (error) {
        if (!(error instanceof Death)) throw error
        device = null
      }
    }
  }
  for (let round = 0; round < 4; round++) {
    for (let count = 0; count < 3 && driver.free > 0; count++) {
      offered.push(driver.add([], [{ addr: 0x2000, len: 1 }]) as number)
    }
    driver.publish()
    drive((each) => each.takeAll())
    drive((each) => each.giveBack(2))
    for (let used; (used = driver.take()) !== null;) offered.splice(offered.indexOf(used.head), 1)
  }
  const left = life.stores
  drive((each) => each.giveBack(1))
  // `take` throws at a chain that the driver has back already.
  while (driver.take() !== null);
  t.is(driver.free, SIZE)
  return left
}

/** What the device has given back, and the driver has not seen yet. */
function usedHeads(ring: GuestMemoryMmap, driver: DriverQueue): number[] {
  const heads: number[] = []
  const end = ring.readU16(layout.used + virtq.VIRTQ_USED_IDX)
  for (let index = driver.lastUsedIdx; index !== end; index = virtq.nextIndex(index)) {
    heads.push(ring.readU32(layout.used + virtq.VIRTQ_USED_RING + virtq.VirtqUsedElem.size * (index % SIZE)))
  }
  return heads
}

test('a device may die before any of its stores, and the next one as well: nothing is lost, nothing is served twice', (t) => {
  let deaths = 0
  for (let first = 0; play(t, [first]) === Infinity; first++) {
    for (let second = 0; second < 12; second++) play(t, [first, second])
    deaths++
  }
  t.true(deaths > 50, `${deaths} deaths`)
})

test('a batch of several chains is finished, however little of it was noted', (t) => {
  // Chains 4, 6 and 2 were given back at once; 1 and 3 are in flight, 3 first.
  for (let cleared = 0; cleared <= 3; cleared++) {
    const region = GuestMemoryMmap.fromRanges([[0, 0x1000]])
    region.writeU16(1, VERSION)
    region.writeU16(SIZE, DESC_NUM)
    region.writeU16(2, LAST_BATCH_HEAD)
    region.writeU16(0xfffe, USED_IDX)
    for (const [counter, head] of [3, 4, 1, 6, 2].entries()) {
      region.writeU64(100 + counter, entry(head) + COUNTER)
      region.writeU8(1, entry(head))
    }
    for (const [head, next] of [
      [2, 6],
      [6, 4],
      [4, 0],
    ] as const) {
      region.writeU16(next, entry(head) + NEXT)
    }
    for (const head of [2, 6, 4].slice(0, cleared)) region.writeU8(0, entry(head))
    t.deepEqual(new InflightQueue(region, 0, SIZE).recover(1), [3, 1], `${cleared} cleared`)
    t.is(region.readU16(USED_IDX), 1)
    // And once more, as if nothing had been served yet.
    t.deepEqual(new InflightQueue(region, 0, SIZE).recover(1), [3, 1])
  }
})

const impossible: Readonly<Record<string, (region: GuestMemoryMmap) => void>> = {
  'another version': (region) => region.writeU16(2, VERSION),
  'another size': (region) => region.writeU16(SIZE - 1, DESC_NUM),
  'a last batch that begins nowhere': (region) => region.writeU16(SIZE, LAST_BATCH_HEAD),
  'a last batch that goes nowhere': (region) => region.writeU16(0xffff, entry(0) + NEXT),
  'a last batch without end': (region) => region.writeU16(0x8000, USED_IDX),
  'a counter beyond all numbers': (region) => {
    region.writeU8(1, entry(1))
    region.writeU64(2n ** 64n - 1n, entry(1) + COUNTER)
  },
}
for (const [what, change] of Object.entries(impossible)) {
  test(`a region with ${what} is refused`, (t) => {
    const region = GuestMemoryMmap.fromRanges([[0, 0x1000]])
    t.is(new InflightQueue(region, 0, SIZE).recover(0), null)
    change(region)
    t.throws(() => new InflightQueue(region, 0, SIZE).recover(2), { instanceOf: InflightError })
  })
}

test('a fresh region notes where the used ring is', (t) => {
  const region = GuestMemoryMmap.fromRanges([[0, 0x1000]])
  region.writeU8(1, entry(3))
  t.is(new InflightQueue(region, 0, SIZE).recover(0x1234), null)
  t.deepEqual(
    [VERSION, DESC_NUM, USED_IDX].map((field) => region.readU16(field)),
    [1, SIZE, 0x1234],
  )
  t.deepEqual(new InflightQueue(region, 0, SIZE).recover(0x1234), [])
})

// ------------------------------------------------------------------------------------------------------- front-end

const SLOTS = 0x9000
const DATA = 0x2_0000

interface Guest {
  readonly ram: Ram
  readonly memory: GuestMemoryAtomic
  readonly driver: BlkDriver
  readonly layout: virtq.VirtqLayout
}

let names = 0
function makeGuest(t: ExecutionContext): Guest {
  const ram = new Ram(t, `inflight-${process.pid}-${(names += 1)}`, 0)
  const memory = guestMemory(ram)
  const guestLayout = virtq.layOutVirtq(queueBase(0), QUEUE_SIZE)
  return { ram, memory, driver: new BlkDriver(memory, guestLayout, SLOTS), layout: guestLayout }
}

/** What a front-end says before it starts a queue. The driver can do without the event index. */
async function meet(t: ExecutionContext, backEnd: Pick<BackEnd, 'connection'>, { ram }: Guest): Promise<FrontEnd> {
  const frontEnd = new FrontEnd(t, backEnd)
  await frontEnd.negotiate(1n << BigInt(virtq.VIRTIO_F_EVENT_IDX))
  t.true(await frontEnd.setMemory(ram))
  return frontEnd
}

test.serial('the region tells of requests as they are taken and given back', async (t) => {
  const guest = makeGuest(t)
  const frontEnd = await meet(t, await startBackEnd(t), guest)
  const { description, memory } = await frontEnd.getInflight(2)
  t.deepEqual(description, {
    mmapSize: BigInt(2 * (64 * Math.ceil((16 + 16 * QUEUE_SIZE) / 64))),
    mmapOffset: 0n,
    numQueues: 2,
    queueSize: QUEUE_SIZE,
  })
  t.is(memory.readU16(VERSION), 0)
  const queue = await frontEnd.startQueue(0)
  t.deepEqual(
    [VERSION, DESC_NUM, USED_IDX].map((field) => memory.readU16(field)),
    [1, QUEUE_SIZE, 0],
  )
  const heads = Array.from(
    { length: 3 },
    () => guest.driver.submit(blk.VIRTIO_BLK_T_GET_ID, 0, [{ addr: DATA, len: 20 }]) as number,
  )
  if (guest.driver.publish()) signal(queue.kick)
  for (const head of heads) t.is((await soon(() => guest.driver.complete())).token, head)
  await soon(() => (memory.readU16(USED_IDX) === 3 ? true : null))
  const [first = 0, second = 0, third = 0] = heads
  t.is(memory.readU16(LAST_BATCH_HEAD), third)
  t.deepEqual(
    [third, second].map((head) => memory.readU16(entry(head) + NEXT)),
    [second, first],
  )
  t.deepEqual(
    heads.map((head) => memory.readU64(entry(head) + COUNTER)),
    [0n, 1n, 2n],
  )
  for (let head = 0; head < QUEUE_SIZE; head++) t.is(memory.readU8(entry(head)), 0)
})

/** What a dead back-end had stored of the request at `head`, which was the first one of the queue. */
const points: readonly (readonly [
  what: string,
  isDone: boolean,
  (region: GuestMemoryMmap, ring: GuestMemoryMmap, layout: virtq.VirtqLayout, head: number) => void,
])[] = [
  ['nothing', false, () => {}],
  ['its counter', false, (region, _ring, _layout, head) => region.writeU64(0, entry(head) + COUNTER)],
  ['that it is in flight', false, (region, _ring, _layout, head) => region.writeU8(1, entry(head))],
  [
    'that it is the last one',
    false,
    (region, _ring, _layout, head) => {
      region.writeU16(region.readU16(LAST_BATCH_HEAD), entry(head) + NEXT)
      region.writeU16(head, LAST_BATCH_HEAD)
    },
  ],
  [
    'its element in the used ring',
    false,
    (_region, ring, { used }, head) => ring.writeU64(head, used + virtq.VIRTQ_USED_RING),
  ],
  ['the used index', true, (_region, ring, { used }) => ring.writeU16(1, used + virtq.VIRTQ_USED_IDX)],
  ['that it is not in flight', true, (region, _ring, _layout, head) => region.writeU8(0, entry(head))],
  ['the used index in the region', true, (region) => region.writeU16(1, USED_IDX)],
]
for (const [count, [what, isDone]] of points.entries()) {
  test.serial(`a back-end takes over from one that died after it had stored ${what}`, async (t) => {
    const guest = makeGuest(t)
    const region = await regionOf(t)
    region.memory.writeU16(1, VERSION)
    region.memory.writeU16(QUEUE_SIZE, DESC_NUM)
    // Two identifications, for these are served in the order in which they are taken.
    const heads = [0x1000, 0x2000].map(
      (offset) => guest.driver.submit(blk.VIRTIO_BLK_T_GET_ID, 0, [{ addr: DATA + offset, len: 20 }]) as number,
    )
    guest.driver.publish()
    const ring = guest.memory.memory()
    for (const [, , store] of points.slice(0, count + 1)) store(region.memory, ring, guest.layout, heads[0] as number)
    const frontEnd = await meet(t, await startBackEnd(t), guest)
    t.true(await frontEnd.setInflight(region))
    // Where QEMU would go on.
    await frontEnd.startQueue(0, isDone ? 1 : 0)
    const completed = [await soon(() => guest.driver.complete()), await soon(() => guest.driver.complete())]
    t.deepEqual(
      completed.map(({ token }) => token),
      heads,
    )
    // The dead one had not served the first, whatever it said.
    t.deepEqual(
      completed.map(({ status }) => status),
      [isDone ? 0xff : 0, 0],
    )
    t.is(ring.readU16(guest.layout.used + virtq.VIRTQ_USED_IDX), 2)
    t.is(region.memory.readU16(USED_IDX), 2)
    t.is(await frontEnd.stopQueue(0), 2)
  })
}

/** A region as a back-end of the same kind would have made it. */
async function regionOf(t: ExecutionContext): Promise<Inflight> {
  const backEnd = await startBackEnd(t)
  const frontEnd = new FrontEnd(t, backEnd)
  await frontEnd.negotiate()
  const region = await frontEnd.getInflight()
  await backEnd.end()
  return region
}

test.serial('requests are served again in the order in which they were taken', async (t) => {
  const guest = makeGuest(t)
  const region = await regionOf(t)
  region.memory.writeU16(1, VERSION)
  region.memory.writeU16(QUEUE_SIZE, DESC_NUM)
  const heads = Array.from(
    { length: 5 },
    () => guest.driver.submit(blk.VIRTIO_BLK_T_GET_ID, 0, [{ addr: DATA, len: 20 }]) as number,
  )
  guest.driver.publish()
  // The fifth was not taken.
  for (const [index, counter] of [700, 2 ** 40, 3, 701].entries()) {
    region.memory.writeU8(1, entry(heads[index] as number))
    region.memory.writeU64(counter, entry(heads[index] as number) + COUNTER)
  }
  const frontEnd = await meet(t, await startBackEnd(t), guest)
  t.true(await frontEnd.setInflight(region))
  await frontEnd.startQueue(0)
  const served: number[] = []
  while (served.length < 5) served.push((await soon(() => guest.driver.complete())).token)
  t.deepEqual(
    served,
    [2, 0, 3, 1, 4].map((index) => heads[index]),
  )
  t.is(region.memory.readU64(entry(heads[4] as number) + COUNTER), 2n ** 40n + 1n)
})

test.serial('a region that cannot be is refused, and what comes after it is served', async (t) => {
  const guest = makeGuest(t)
  const backEnd = await startBackEnd(t)
  const frontEnd = await meet(t, backEnd, guest)
  const region = await frontEnd.getInflight()
  const changed = (change: Partial<message.InflightDescription>) => ({
    fd: region.fd,
    description: { ...region.description, ...change },
  })
  const refused: readonly [what: string, Pick<Inflight, 'fd' | 'description'>][] = [
    ['one of no queues', changed({ numQueues: 0 })],
    ['one of no entries', changed({ queueSize: 0 })],
    ['one that is too small', changed({ mmapSize: region.description.mmapSize - 1n })],
    ['one for more than there is', changed({ numQueues: 3, mmapSize: 2n ** 63n })],
    ['one at no page', changed({ mmapOffset: 8n })],
    ['one beyond the end', changed({ mmapOffset: 2n ** 32n })],
    ['one at the end of all numbers', changed({ mmapOffset: 2n ** 64n - 4096n })],
  ]
  for (const [what, each] of refused) t.false(await frontEnd.setInflight(each), what)
  const payload = message.encodeInflight(region.description)
  t.false(await frontEnd.tell(Request.SET_INFLIGHT_FD, payload), 'none')
  t.false(await frontEnd.tell(Request.SET_INFLIGHT_FD, payload, [region.fd, region.fd]), 'two')
  t.false(await frontEnd.tell(Request.SET_INFLIGHT_FD, payload.subarray(0, 19), [region.fd]), 'half a message')
  for (const [numQueues, queueSize] of [
    [0, 16],
    [3, 16],
    [1, 0],
    [1, 65535],
  ] as const) {
    const asked = message.encodeInflight({ mmapSize: 0n, mmapOffset: 0n, numQueues, queueSize })
    const answer = message.decodeInflight(await frontEnd.ask(Request.GET_INFLIGHT_FD, asked))
    t.is(answer.mmapSize, 0n, `${numQueues} queues of ${queueSize}`)
  }
  // A queue that it has no room for does not start.
  const small = memfdCreate('small', 4096)
  t.teardown(() => fs.closeSync(small))
  const description = { numQueues: 1, queueSize: QUEUE_SIZE / 2, mmapSize: 4096n, mmapOffset: 0n }
  t.true(await frontEnd.setInflight({ fd: small, description }))
  t.deepEqual((await frontEnd.tryToStartQueue(0)).told, [true, true, true, true, false, true, true])
  t.true(await frontEnd.setInflight(region))
  const queue = await frontEnd.startQueue(0)
  await serveOne(t, guest, queue)
})

async function serveOne(t: ExecutionContext, { driver }: Guest, queue: GuestQueue): Promise<void> {
  driver.submit(blk.VIRTIO_BLK_T_IN, 0, [{ addr: DATA, len: 512 }])
  if (driver.publish()) signal(queue.kick)
  t.is((await soon(() => driver.complete())).status, blk.VIRTIO_BLK_S_OK)
}

// ---------------------------------------------------------------------------------------------------------- process

test.serial('every request comes back once from back-ends that are killed under it', async (t) => {
  const LENGTH = 0x1_8000
  const size = 64 * LENGTH
  const { image, socket } = makePlace(t, new Uint8Array(size))
  const guest = makeGuest(t)
  const random = new SeededRandom(7)
  /** The write that is in flight, or was the last one, at each place of the disk. */
  const content = new Uint8Array(64)
  const inFlight = new Map<number, { readonly slot: number; readonly place: number }>()
  let region: Inflight | null = null
  let served = 0
  const reap = (): void => {
    for (let done; (done = guest.driver.complete()) !== null;) {
      t.is(done.status, blk.VIRTIO_BLK_S_OK)
      t.true(inFlight.delete(done.token))
      served++
    }
  }
  for (let life = 0; life < 5; life++) {
    const program = await Program.start('vhost-user-blk', [image, socket])
    t.teardown(() => program.kill())
    const connection = Connection.connect(socket)
    const frontEnd = await meet(t, { connection }, guest)
    if (region === null) region = await frontEnd.getInflight()
    else t.true(await frontEnd.setInflight(region))
    const usedIdx = guest.memory.memory().readU16(guest.layout.used + virtq.VIRTQ_USED_IDX)
    const queue = await frontEnd.startQueue(0, usedIdx)
    const end = performance.now() + (life === 4 ? 0 : 20 + random.below(60))
    while (performance.now() < end) {
      reap()
      const busy = new Set([...inFlight.values()].map(({ place }) => place))
      const slots = new Set([...inFlight.values()].map(({ slot }) => slot))
      for (let slot = 0; slot < 4; slot++) {
        if (slots.has(slot)) continue
        let place = random.below(64)
        while (busy.has(place)) place = random.below(64)
        busy.add(place)
        content[place] = 1 + random.below(255)
        const addr = DATA + slot * LENGTH
        guest.memory.memory().writeSlice(new Uint8Array(LENGTH).fill(content[place] as number), addr)
        const data = [{ addr, len: LENGTH }]
        const head = guest.driver.submit(blk.VIRTIO_BLK_T_OUT, (place * LENGTH) / 512, data) as number
        inFlight.set(head, { slot, place })
      }
      if (guest.driver.publish()) signal(queue.kick)
      await sleep(random.below(2))
    }
    if (life === 4) {
      await soon(() => {
        reap()
        return inFlight.size === 0 ? true : null
      })
      t.is(await program.stop(), 0)
    } else {
      t.is(await program.kill(), null)
    }
    connection.close()
  }
  t.true(served > 20, `${served} requests`)
  const disk = fs.readFileSync(image)
  for (let place = 0; place < 64; place++) {
    const expected = Buffer.alloc(LENGTH, content[place])
    t.true(disk.subarray(place * LENGTH, (place + 1) * LENGTH).equals(expected), `place ${place}`)
  }
})
