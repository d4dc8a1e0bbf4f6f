// The virtqueue and the block device of examples/machine, each half against the other and against a hostile guest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import test, { type ExecutionContext } from 'ava'

import { BlkDevice } from '../examples/machine/blk-device.js'
import { BlkDriver } from '../examples/machine/blk-driver.js'
import { DeviceQueue, VirtqError } from '../examples/virtio/device-queue.js'
import { DriverQueue } from '../examples/machine/driver-queue.js'
import { readFully, writeFully } from '../examples/machine/positioned-io.js'
import * as blk from '../examples/virtio/virtio-blk.js'
import * as virtq from '../examples/virtio/virtq.js'
import {
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MmapRegion,
  PROT_READ,
} from '../index.js'
import { temporaryFile } from './temporary-file.js'

const QUEUE_BASE = 0x1000
const HEADER = 0x8000
const STATUS = 0x8010
const DATA = 0x9000
const RAM_SIZE = 0x20000
/** A second region right after the first, then read-only memory, then nothing. */
const UPPER_BASE = RAM_SIZE
const UPPER_SIZE = 0x10000
const READ_ONLY = 0x40000
const UNMAPPED = 0x80000
const SECTORS = 64

interface Descriptor {
  addr: number | bigint
  len: number
  flags?: number
  next?: number
}

function addressSpace(): GuestMemoryAtomic {
  const readOnly = MmapRegion.build(null, 0x10000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
  const ram = GuestMemoryMmap.fromRanges([
    [0, RAM_SIZE],
    [UPPER_BASE, UPPER_SIZE],
  ])
  return new GuestMemoryAtomic(ram.insertRegion(new GuestRegionMmap(readOnly, READ_ONLY)))
}

/** A driver's queue and a device's on the same memory. */
function queuePair(size: number) {
  const atomic = addressSpace()
  const layout = virtq.layOutVirtq(QUEUE_BASE, size)
  return { atomic, layout, driver: new DriverQueue(atomic, layout), device: new DeviceQueue(layout) }
}

/** A block device with a disk where each sector is filled with its number, and a guest that writes what it likes. */
function machine(t: ExecutionContext, size = 8) {
  const content = Buffer.alloc(SECTORS * blk.SECTOR_SIZE)
  for (let sector = 0; sector < SECTORS; sector++) {
    content.fill(sector, sector * blk.SECTOR_SIZE, (sector + 1) * blk.SECTOR_SIZE)
  }
  const fd = temporaryFile(t, content)
  const atomic = addressSpace()
  const guest = atomic.memory()
  t.teardown(() => guest.dispose())
  const layout = virtq.layOutVirtq(QUEUE_BASE, size)
  const device = new BlkDevice(atomic, layout, { fd, sectors: SECTORS, id: 'a disk' })
  let available = 0
  return {
    atomic,
    guest,
    layout,
    device,
    content,
    fd,
    describe(index: number, { addr, len, flags = 0, next = 0 }: Descriptor): void {
      guest.writeObj(virtq.VirtqDesc, { addr, len, flags, next }, layout.desc + virtq.VirtqDesc.size * index)
    },
    /** Writes the descriptors as one chain from index 0 on. */
    chain(...descriptors: Descriptor[]): void {
      for (const [index, descriptor] of descriptors.entries()) {
        const more = index + 1 < descriptors.length
        const flags = (descriptor.flags ?? 0) | (more ? virtq.VIRTQ_DESC_F_NEXT : 0)
        this.describe(index, { ...descriptor, flags, next: more ? index + 1 : 0 })
      }
    },
    header(type: number, sector: number | bigint, at = HEADER): void {
      guest.writeU32(type, at)
      guest.writeU32(0, at + 4)
      guest.writeU64(sector, at + 8)
    },
    /** Makes the chain at `head` available, notifies the device and lets it serve. */
    serve(head = 0): boolean {
      guest.writeU8(0xff, STATUS)
      guest.writeU16(head, layout.avail + virtq.VIRTQ_AVAIL_RING + 2 * (available % layout.size))
      available = virtq.nextIndex(available)
      guest.writeU16(available, layout.avail + virtq.VIRTQ_AVAIL_IDX)
      device.notify()
      return device.serveOne()
    },
    get status(): number {
      return guest.readU8(STATUS)
    },
    get used(): { idx: number; id: number; len: number } {
      const idx = guest.readU16(layout.used + virtq.VIRTQ_USED_IDX)
      const entry =
        layout.used + virtq.VIRTQ_USED_RING + virtq.VirtqUsedElem.size * (((idx - 1) & 0xffff) % layout.size)
      return { idx, ...guest.readObj(virtq.VirtqUsedElem, entry) }
    },
  }
}

const WRITE = virtq.VIRTQ_DESC_F_WRITE
const header = { addr: HEADER, len: 16 }
const status = { addr: STATUS, len: 1, flags: WRITE }

function bytesAt(memory: GuestMemoryMmap, addr: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  memory.readSlice(bytes, addr)
  return bytes
}

test('the parts of a queue have the sizes and alignments of the standard', (t) => {
  const layout = virtq.layOutVirtq(0x1001, 8)
  t.deepEqual(layout, { size: 8, desc: 0x1010, avail: 0x1090, used: 0x10a8, end: 0x10a8 + 6 + 8 * 8 })
  const largest = virtq.layOutVirtq(0, virtq.VIRTQ_MAX_SIZE)
  t.is(largest.avail, 16 * 32768)
  t.is(largest.used % 4, 0)
})

test('both halves go on when the 16-bit indices wrap', (t) => {
  const { atomic, layout, driver, device } = queuePair(4)
  using memory = atomic.memory()
  const rounds = 70_000
  let wrong = 0
  for (let round = 0; round < rounds; round++) {
    const head = driver.add([{ addr: DATA + (round % 256), len: 16 }], [{ addr: STATUS, len: 1 }])
    driver.publish()
    const chain = device.pop(memory)
    if (chain === null || chain.head !== head || chain.readable[0]?.addr !== BigInt(DATA + (round % 256))) wrong++
    if (device.pop(memory) !== null) wrong++
    device.push(memory, chain?.head ?? 0, round)
    const used = driver.take()
    if (used?.head !== head || used?.len !== round || driver.take() !== null) wrong++
  }
  t.is(wrong, 0)
  t.is(memory.readU16(layout.avail + virtq.VIRTQ_AVAIL_IDX), rounds % 65536)
  t.is(memory.readU16(layout.used + virtq.VIRTQ_USED_IDX), rounds % 65536)
})

test('a full queue stays full across the wrap, and refuses one more', (t) => {
  const { atomic, driver, device } = queuePair(2)
  using memory = atomic.memory()
  const buffer = [{ addr: DATA, len: 1 }]
  for (let round = 0; round < 32_768; round++) {
    driver.add(buffer, [])
    driver.add([], buffer)
    if (driver.add(buffer, []) !== null || driver.free !== 0) t.fail(`round ${round}: a third chain in a queue of two`)
    driver.publish()
    for (let chain = device.pop(memory); chain !== null; chain = device.pop(memory)) device.push(memory, chain.head, 0)
    if (driver.take() === null || driver.take() === null) t.fail(`round ${round}: a chain was lost`)
  }
  t.is(driver.free, 2)
})

test('chains may come back in any order, and all their descriptors with them', (t) => {
  const { atomic, driver, device } = queuePair(8)
  using memory = atomic.memory()
  const pieces = (count: number) => Array.from({ length: count }, (_, piece) => ({ addr: DATA + piece, len: 1 }))
  const heads = [driver.add(pieces(3), []), driver.add(pieces(1), pieces(1)), driver.add([], pieces(3))]
  t.is(driver.free, 0)
  t.is(driver.add(pieces(1), []), null)
  driver.publish()
  const chains = [device.pop(memory), device.pop(memory), device.pop(memory)]
  t.deepEqual(
    chains.map((chain) => [chain?.head, chain?.readable.length, chain?.writable.length]),
    [
      [heads[0], 3, 0],
      [heads[1], 1, 1],
      [heads[2], 0, 3],
    ],
  )
  for (const [position, chain] of chains.toReversed().entries()) device.push(memory, chain?.head ?? -1, position)
  t.deepEqual(
    [driver.take(), driver.take(), driver.take(), driver.take()],
    [
      { head: heads[2] as number, len: 0 },
      { head: heads[1] as number, len: 1 },
      { head: heads[0] as number, len: 2 },
      null,
    ],
  )
  t.is(driver.free, 8)
  t.not(driver.add(pieces(8), []), null)
  driver.publish()
  t.is(device.pop(memory)?.readable.length, 8, 'a chain may take the whole table')
})

test('a driver does not believe a device that gives back what is not in flight', (t) => {
  const { atomic, driver, device } = queuePair(8)
  using memory = atomic.memory()
  driver.add([{ addr: DATA, len: 1 }], [])
  driver.publish()
  for (const head of [5, 8, 0xffff_ffff]) {
    const slot = virtq.layOutVirtq(QUEUE_BASE, 8).used + virtq.VIRTQ_USED_RING
    memory.writeU32(head, slot)
    memory.writeU16(1, slot - 2)
    t.throws(() => driver.take(), { message: /which heads no chain in flight/ })
  }
  t.is(device.pop(memory)?.head, 0)
})

test('notifications and interrupts are sent only when the other side asks for them', (t) => {
  const { atomic, layout, driver, device } = queuePair(8)
  using memory = atomic.memory()
  const add = () => driver.add([{ addr: DATA, len: 1 }], [])
  add()
  t.true(driver.publish())
  device.disableNotifications(memory)
  add()
  t.false(driver.publish())
  t.true(device.enableNotifications(memory), 'a chain came in before notifications were on again')
  const heads = [device.pop(memory)?.head ?? -1, device.pop(memory)?.head ?? -1]
  t.false(device.enableNotifications(memory))
  add()
  t.true(driver.publish())
  t.true(device.push(memory, heads[0] as number, 0))
  memory.writeU16(virtq.VIRTQ_AVAIL_F_NO_INTERRUPT, layout.avail + virtq.VIRTQ_AVAIL_FLAGS)
  t.false(device.push(memory, heads[1] as number, 0))
})

test('a block driver reads, writes, flushes and asks for the id', (t) => {
  const { atomic, guest, device, content, fd } = machine(t)
  const driver = new BlkDriver(atomic, virtq.layOutVirtq(QUEUE_BASE, 8), 0x7000)
  const request = (type: number, sector: number, data: { addr: number; len: number }[]) => {
    const token = driver.submit(type, sector, data)
    t.not(token, null)
    if (driver.publish()) device.notify()
    t.true(device.serveOne())
    t.false(device.serveOne())
    const done = driver.complete()
    t.is(done?.token, token as number)
    return [done?.status, done?.len]
  }
  t.deepEqual(request(blk.VIRTIO_BLK_T_IN, 5, [{ addr: DATA, len: 1024 }]), [blk.VIRTIO_BLK_S_OK, 1025])
  t.deepEqual(bytesAt(guest, DATA, 1024), content.subarray(5 * 512, 7 * 512))
  guest.writeSlice(Buffer.alloc(512, 'x'), DATA)
  t.deepEqual(request(blk.VIRTIO_BLK_T_OUT, 63, [{ addr: DATA, len: 512 }]), [blk.VIRTIO_BLK_S_OK, 1])
  const written = Buffer.alloc(512)
  fs.readSync(fd, written, 0, 512, 63 * 512)
  t.deepEqual(written, Buffer.alloc(512, 'x'))
  t.deepEqual(request(blk.VIRTIO_BLK_T_FLUSH, 0, []), [blk.VIRTIO_BLK_S_OK, 1])
  t.deepEqual(request(blk.VIRTIO_BLK_T_GET_ID, 0, [{ addr: DATA, len: 20 }]), [blk.VIRTIO_BLK_S_OK, 21])
  t.is(bytesAt(guest, DATA, 20).toString('latin1'), 'a disk'.padEnd(20, '\0'))
  t.is(device.needsReset, null)
})

test('a request may be framed in any way', (t) => {
  const m = machine(t)
  m.header(blk.VIRTIO_BLK_T_IN, 3)
  // The header in three pieces, one of them empty, and the status as the last byte of the data's descriptor.
  m.chain(
    { addr: HEADER, len: 1 },
    { addr: HEADER + 1, len: 0 },
    { addr: HEADER + 1, len: 15 },
    { addr: DATA, len: 100, flags: WRITE },
    { addr: DATA + 100, len: 413, flags: WRITE },
  )
  m.guest.writeU8(0xff, DATA + 512)
  t.true(m.serve())
  t.is(m.guest.readU8(DATA + 512), blk.VIRTIO_BLK_S_OK)
  t.deepEqual(m.used, { idx: 1, id: 0, len: 513 })
  t.deepEqual(bytesAt(m.guest, DATA, 512), Buffer.alloc(512, 3))

  // Header and data of a write in one descriptor.
  m.header(blk.VIRTIO_BLK_T_OUT, 9, DATA - 16)
  m.guest.writeSlice(Buffer.alloc(512, 'y'), DATA)
  m.chain({ addr: DATA - 16, len: 528 }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_OK)
  const written = Buffer.alloc(512)
  fs.readSync(m.fd, written, 0, 512, 9 * 512)
  t.deepEqual(written, Buffer.alloc(512, 'y'))
})

test('transfers go on where one system call stops: at more pieces than IOV_MAX', (t) => {
  const { guest, content, fd } = machine(t)
  const pieces = 3000
  const views = Array.from({ length: pieces }, (_, piece) => guest.views(DATA + 7 * piece, 5)).flat()
  t.is(readFully(fd, views, 100), 5 * pieces)
  t.deepEqual(Buffer.concat(views), content.subarray(100, 100 + 5 * pieces))
  // Between the pieces nothing was written.
  t.deepEqual(bytesAt(guest, DATA + 5, 2), Buffer.alloc(2))
  t.is(readFully(fd, views, content.length - 6000), 6000, 'fewer at the end of the file')

  for (const [piece, view] of views.entries()) view.fill(piece)
  t.is(writeFully(fd, views, 300), 5 * pieces)
  const written = Buffer.alloc(5 * pieces + 2)
  fs.readSync(fd, written, 0, written.length, 299)
  t.deepEqual(written.subarray(1, -1), Buffer.concat(views))
  t.deepEqual([written[0], written.at(-1)], [content[299], content[300 + 5 * pieces]])
})

test('data may lie across the border of two regions', (t) => {
  const m = machine(t)
  m.header(blk.VIRTIO_BLK_T_IN, 1)
  m.chain(header, { addr: UPPER_BASE - 700, len: 1536, flags: WRITE }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_OK)
  t.deepEqual(bytesAt(m.guest, UPPER_BASE - 700, 1536), m.content.subarray(512, 2048))
})

const outsideMemory: [string, number | bigint][] = [
  ['at an unmapped address', UNMAPPED],
  ['that runs out of memory', UPPER_BASE + UPPER_SIZE - 100],
  ['at the end of the address space', 2n ** 64n - 512n],
  ['in read-only memory', READ_ONLY],
]

for (const [where, addr] of outsideMemory) {
  test(`a read into a buffer ${where} is an I/O error, and the next request is served`, (t) => {
    const m = machine(t)
    m.header(blk.VIRTIO_BLK_T_IN, 1)
    m.chain(header, { addr, len: 512, flags: WRITE }, status)
    t.true(m.serve())
    t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
    // No byte of the data was written, so none at all from the first writable one on.
    t.deepEqual(m.used, { idx: 1, id: 0, len: 0 })
    m.chain(header, { addr: DATA, len: 512, flags: WRITE }, status)
    t.true(m.serve())
    t.is(m.status, blk.VIRTIO_BLK_S_OK)
    t.deepEqual(bytesAt(m.guest, DATA, 512), Buffer.alloc(512, 1))
    t.is(m.device.needsReset, null)
  })
}

test('a write from unmapped memory is an I/O error and leaves the disk alone', (t) => {
  const m = machine(t)
  m.header(blk.VIRTIO_BLK_T_OUT, 1)
  m.chain(header, { addr: DATA, len: 256 }, { addr: UNMAPPED, len: 256 }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
  t.deepEqual(m.used, { idx: 1, id: 0, len: 1 })
  const disk = Buffer.alloc(m.content.length)
  fs.readSync(m.fd, disk, 0, disk.length, 0)
  t.deepEqual(disk, m.content)
})

test('a write from read-only memory is done', (t) => {
  const m = machine(t)
  m.header(blk.VIRTIO_BLK_T_OUT, 1)
  m.chain(header, { addr: READ_ONLY, len: 512 }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_OK)
  const written = Buffer.alloc(512, 'z')
  fs.readSync(m.fd, written, 0, 512, 512)
  t.deepEqual(written, Buffer.alloc(512))
})

test('a header outside of memory is an I/O error', (t) => {
  const m = machine(t)
  m.chain({ addr: UNMAPPED, len: 16 }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
  t.deepEqual(m.used, { idx: 1, id: 0, len: 1 })
})

const refusedRequests: [string, number, number | bigint, number][] = [
  ['past the end of the disk', blk.VIRTIO_BLK_T_IN, SECTORS, 512],
  ['across the end of the disk', blk.VIRTIO_BLK_T_IN, SECTORS - 1, 1024],
  ['at a sector that no file can have', blk.VIRTIO_BLK_T_IN, 2n ** 64n - 1n, 512],
  ['of half a sector', blk.VIRTIO_BLK_T_IN, 0, 256],
]

for (const [what, type, sector, len] of refusedRequests) {
  test(`a request ${what} is an I/O error`, (t) => {
    const m = machine(t)
    m.guest.writeSlice(Buffer.alloc(len, 0x77), DATA)
    m.header(type, sector)
    m.chain(header, { addr: DATA, len, flags: WRITE }, status)
    t.true(m.serve())
    t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
    t.deepEqual(bytesAt(m.guest, DATA, len), Buffer.alloc(len, 0x77))
  })
}

test('a header that is too short is an I/O error', (t) => {
  const m = machine(t)
  m.chain({ addr: HEADER, len: 15 }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
})

test('a request of an unknown type is not supported', (t) => {
  const m = machine(t)
  for (const type of [2, 11, 0xffff_ffff]) {
    m.header(type, 0)
    m.chain(header, status)
    t.true(m.serve())
    t.is(m.status, blk.VIRTIO_BLK_S_UNSUPP)
  }
})

test('a disk image that became shorter is an I/O error', (t) => {
  const m = machine(t)
  fs.ftruncateSync(m.fd, 512)
  m.header(blk.VIRTIO_BLK_T_IN, 1)
  m.chain(header, { addr: DATA, len: 512, flags: WRITE }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
})

test('a disk image that cannot be written is an I/O error', (t) => {
  const m = machine(t)
  const readOnlyFd = fs.openSync(process.execPath, 'r')
  t.teardown(() => fs.closeSync(readOnlyFd))
  const device = new BlkDevice(m.atomic, m.layout, { fd: readOnlyFd, sectors: SECTORS, id: '' })
  m.header(blk.VIRTIO_BLK_T_OUT, 0)
  m.chain(header, { addr: DATA, len: 512 }, status)
  m.guest.writeU16(1, m.layout.avail + virtq.VIRTQ_AVAIL_IDX)
  device.notify()
  t.true(device.serveOne())
  t.is(m.status, blk.VIRTIO_BLK_S_IOERR)
})

test('each request sees the memory as it is then: gone when unplugged, there when plugged', (t) => {
  const m = machine(t)
  m.header(blk.VIRTIO_BLK_T_IN, 2)
  m.chain(header, { addr: UPPER_BASE, len: 512, flags: WRITE }, status)
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_OK)

  m.atomic.update((current) => current.removeRegion(UPPER_BASE, UPPER_SIZE)[0])
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_IOERR)

  const region = GuestRegionMmap.fromRange(UPPER_BASE, UPPER_SIZE)
  m.atomic.update((current) => current.insertRegion(region))
  t.true(m.serve())
  t.is(m.status, blk.VIRTIO_BLK_S_OK)
  t.is(region.readU8(511), 2)
})

const brokenQueues: [string, RegExp, (m: ReturnType<typeof machine>) => void][] = [
  [
    'a chain with a loop',
    /descriptor 0 has a loop/,
    (m) => {
      m.describe(0, { addr: HEADER, len: 16, flags: virtq.VIRTQ_DESC_F_NEXT, next: 1 })
      m.describe(1, { addr: HEADER, len: 16, flags: virtq.VIRTQ_DESC_F_NEXT, next: 0 })
      m.serve()
    },
  ],
  [
    'a descriptor that is its own next',
    /has a loop/,
    (m) => {
      m.describe(3, { addr: STATUS, len: 1, flags: virtq.VIRTQ_DESC_F_NEXT | WRITE, next: 3 })
      m.serve(3)
    },
  ],
  ['a head out of range', /descriptor 8 is out of range/, (m) => m.serve(8)],
  [
    'a next out of range',
    /descriptor 65535 is out of range/,
    (m) => {
      m.describe(0, { addr: HEADER, len: 16, flags: virtq.VIRTQ_DESC_F_NEXT, next: 0xffff })
      m.serve()
    },
  ],
  [
    'an available index too far ahead',
    /9 ahead in a queue of 8/,
    (m) => {
      m.guest.writeU16(9, m.layout.avail + virtq.VIRTQ_AVAIL_IDX)
      m.device.notify()
      m.device.serveOne()
    },
  ],
  [
    'an indirect descriptor',
    /indirect/,
    (m) => {
      m.chain({ addr: DATA, len: 16, flags: virtq.VIRTQ_DESC_F_INDIRECT })
      m.serve()
    },
  ],
  [
    'a readable descriptor after a writable one',
    /readable after a writable one/,
    (m) => {
      m.chain(status, header)
      m.serve()
    },
  ],
  [
    'a chain of more than 2^32 bytes',
    /longer than 2\^32 bytes/,
    (m) => {
      m.chain({ addr: 0, len: 0xffff_ffff }, { addr: 0, len: 2 }, status)
      m.serve()
    },
  ],
  [
    'a descriptor that wraps around',
    /wraps around/,
    (m) => {
      m.chain({ addr: 2n ** 64n - 1n, len: 2 }, status)
      m.serve()
    },
  ],
  [
    'a chain without room for the status',
    /no room for the status/,
    (m) => {
      m.chain(header)
      m.serve()
    },
  ],
  [
    'a status byte in unmapped memory',
    /./,
    (m) => {
      m.header(blk.VIRTIO_BLK_T_FLUSH, 0)
      m.chain(header, { addr: UNMAPPED, len: 1, flags: WRITE })
      m.serve()
    },
  ],
  [
    'a status byte in read-only memory',
    /./,
    (m) => {
      m.header(blk.VIRTIO_BLK_T_FLUSH, 0)
      m.chain(header, { addr: READ_ONLY, len: 1, flags: WRITE })
      m.serve()
    },
  ],
  [
    'a queue whose memory is gone',
    /./,
    (m) => {
      m.atomic.update((current) => current.removeRegion(0, RAM_SIZE)[0])
      m.device.notify()
      m.device.serveOne()
    },
  ],
]

for (const [what, reason, breakQueue] of brokenQueues) {
  test(`${what} stops the device and uses nothing`, (t) => {
    const m = machine(t)
    breakQueue(m)
    t.regex(m.device.needsReset ?? '', reason)
    t.is(m.used.idx, 0)
    // It stays so, whatever comes.
    m.header(blk.VIRTIO_BLK_T_FLUSH, 0)
    m.chain(header, status)
    t.false(m.serve())
    t.is(m.used.idx, 0)
  })
}

test('an available index that goes back stops the device after what it served', (t) => {
  const m = machine(t)
  m.header(blk.VIRTIO_BLK_T_FLUSH, 0)
  m.chain(header, status)
  t.true(m.serve())
  t.true(m.serve())
  m.guest.writeU16(1, m.layout.avail + virtq.VIRTQ_AVAIL_IDX)
  m.device.notify()
  t.false(m.device.serveOne())
  t.regex(m.device.needsReset ?? '', /65535 ahead in a queue of 8/)
  t.is(m.used.idx, 2)
})

test('a loop is found in the largest queue too', (t) => {
  const size = virtq.VIRTQ_MAX_SIZE
  const layout = virtq.layOutVirtq(0, size)
  const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x100000]]))
  using memory = atomic.memory()
  for (let index = 0; index < size; index++) {
    const entry = layout.desc + virtq.VirtqDesc.size * index
    memory.writeU16(virtq.VIRTQ_DESC_F_NEXT, entry + virtq.VirtqDesc.offsets.flags)
    memory.writeU16((index + 1) % size, entry + virtq.VirtqDesc.offsets.next)
  }
  memory.writeU16(1, layout.avail + virtq.VIRTQ_AVAIL_IDX)
  const device = new DeviceQueue(layout)
  t.throws(() => device.pop(memory), { instanceOf: VirtqError, message: /has a loop/ })
})
