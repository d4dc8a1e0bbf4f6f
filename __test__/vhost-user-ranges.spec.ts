// DISCARD and WRITE_ZEROES of examples/vhost-user-blk: what the disk reads as afterwards, and the blocks that its image
// has.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'

import { BlkDriver, type Completion } from '../examples/machine/blk-driver.js'
import { RANGE_LIMITS } from '../examples/vhost-user-blk/blk-requests.js'
import { discard, writeZeroes } from '../examples/vhost-user-blk/disk.js'
import * as message from '../examples/vhost-user-blk/message.js'
import { Request } from '../examples/vhost-user-blk/message.js'
import * as blk from '../examples/virtio/virtio-blk.js'
import * as virtq from '../examples/virtio/virtq.js'
import type { GuestMemoryAtomic } from '../index.js'
import { temporaryFile } from './temporary-file.js'
import {
  FrontEnd,
  guestMemory,
  queueBase,
  QUEUE_SIZE,
  Ram,
  SECTORS,
  signal,
  soon,
  startBackEnd,
  type BackEnd,
  type BackEndOptions,
  type GuestQueue,
} from './vhost-user/front-end.js'

const { VIRTIO_BLK_T_DISCARD: DISCARD, VIRTIO_BLK_T_WRITE_ZEROES: WRITE_ZEROES } = blk
const { VIRTIO_BLK_S_OK: OK, VIRTIO_BLK_S_IOERR: IOERR, VIRTIO_BLK_S_UNSUPP: UNSUPP } = blk
const UNMAP = blk.VIRTIO_BLK_RANGE_F_UNMAP
const SLOTS = 0x9000
const DATA = 0x2_0000

interface Guest {
  readonly backEnd: BackEnd
  readonly frontEnd: FrontEnd
  readonly memory: GuestMemoryAtomic
  readonly driver: BlkDriver
  readonly queue: GuestQueue
}

let names = 0
async function startGuest(t: ExecutionContext, options?: BackEndOptions): Promise<Guest> {
  const backEnd = await startBackEnd(t, options)
  const frontEnd = new FrontEnd(t, backEnd)
  await frontEnd.negotiate(1n << BigInt(virtq.VIRTIO_F_EVENT_IDX))
  const ram = new Ram(t, `ranges-${process.pid}-${(names += 1)}`, 0)
  t.true(await frontEnd.setMemory(ram))
  const memory = guestMemory(ram)
  const driver = new BlkDriver(memory, virtq.layOutVirtq(queueBase(0), QUEUE_SIZE), SLOTS)
  return { backEnd, frontEnd, memory, driver, queue: await frontEnd.startQueue(0) }
}

type Range = readonly [sector: number | bigint, count: number, flags?: number]

async function empty({ memory, driver, queue }: Guest, type: number, ranges: readonly Range[]): Promise<Completion> {
  const payload = Buffer.alloc(16 * ranges.length)
  ranges.forEach(([sector, count, flags = 0], index) => {
    payload.writeBigUInt64LE(BigInt(sector), 16 * index)
    payload.writeUInt32LE(count, 16 * index + 8)
    payload.writeUInt32LE(flags, 16 * index + 12)
  })
  return send({ memory, driver, queue }, type, payload)
}

async function send(
  { memory, driver, queue }: Pick<Guest, 'memory' | 'driver' | 'queue'>,
  type: number,
  payload: Uint8Array,
): Promise<Completion> {
  memory.memory().writeSlice(payload, DATA)
  driver.submit(type, 0, payload.length === 0 ? [] : [{ addr: DATA, len: payload.length }])
  if (driver.publish()) signal(queue.kick)
  return soon(() => driver.complete())
}

const contentOf = ({ backEnd }: Guest): Buffer => {
  const bytes = Buffer.alloc(512 * SECTORS)
  fs.readSync(backEnd.image, bytes, 0, bytes.length, 0)
  return bytes
}

/** In units of 512 bytes. */
const blocksOf = ({ backEnd }: Guest): number => fs.fstatSync(backEnd.image).blocks

for (const [what, type, flags] of [
  ['DISCARD', DISCARD, 0],
  ['WRITE_ZEROES with unmap', WRITE_ZEROES, UNMAP],
] as const) {
  test.serial(`${what} makes zeros, and gives blocks back`, async (t) => {
    const guest = await startGuest(t)
    const [content, blocks] = [contentOf(guest), blocksOf(guest)]
    const ranges = [
      [64, 128, flags],
      [512, 256, flags],
    ] as const
    t.deepEqual(await empty(guest, type, ranges), { token: 0, status: OK, len: 1 })
    for (const [sector, count] of ranges) content.fill(0, 512 * sector, 512 * (sector + count))
    t.true(contentOf(guest).equals(content))
    t.is(blocksOf(guest), blocks - 128 - 256)
    t.is(fs.fstatSync(guest.backEnd.image).size, 512 * SECTORS)
  })
}

test.serial('WRITE_ZEROES without unmap makes zeros, and keeps blocks', async (t) => {
  const guest = await startGuest(t)
  const [content, blocks] = [contentOf(guest), blocksOf(guest)]
  t.is((await empty(guest, WRITE_ZEROES, [[64, 128]])).status, OK)
  content.fill(0, 512 * 64, 512 * 192)
  t.true(contentOf(guest).equals(content))
  t.true(blocksOf(guest) >= blocks)
})

test.serial('a single sector, the whole disk, and nothing', async (t) => {
  for (const type of [DISCARD, WRITE_ZEROES]) {
    const guest = await startGuest(t)
    const content = contentOf(guest)
    const nothing = [
      [SECTORS, 0],
      [0, 0],
    ] as const
    t.is((await empty(guest, type, nothing)).status, OK)
    t.true(contentOf(guest).equals(content))
    t.is((await empty(guest, type, [[3, 1]])).status, OK)
    content.fill(0, 512 * 3, 512 * 4)
    t.true(contentOf(guest).equals(content))
    t.is((await empty(guest, type, [[0, SECTORS]])).status, OK)
    t.true(contentOf(guest).equals(Buffer.alloc(512 * SECTORS)))
  }
})

const refused: Readonly<Record<string, [type: number, ranges: readonly Range[], status: number]>> = {
  'DISCARD with unmap': [DISCARD, [[0, 8, UNMAP]], UNSUPP],
  'DISCARD with an unknown flag': [DISCARD, [[0, 8, 0x8000_0000]], UNSUPP],
  'WRITE_ZEROES with an unknown flag': [WRITE_ZEROES, [[0, 8, 3]], UNSUPP],
  'DISCARD past the end': [DISCARD, [[SECTORS - 1, 2]], IOERR],
  'WRITE_ZEROES at the end of all numbers': [WRITE_ZEROES, [[2n ** 64n - 1n, 1]], IOERR],
  'DISCARD of too many sectors': [DISCARD, [[0, RANGE_LIMITS.sectors + 1]], IOERR],
  'WRITE_ZEROES of 2^32 - 1 sectors': [WRITE_ZEROES, [[0, 0xffff_ffff]], IOERR],
  'DISCARD of too many ranges': [
    DISCARD,
    Array.from({ length: RANGE_LIMITS.ranges + 1 }, () => [0, 8] as const),
    IOERR,
  ],
  'a bad range behind a good one': [
    WRITE_ZEROES,
    [
      [0, 8],
      [SECTORS, 1],
    ],
    IOERR,
  ],
}
test.serial('what cannot be emptied is refused, and nothing is', async (t) => {
  const guest = await startGuest(t)
  const content = contentOf(guest)
  for (const [what, [type, ranges, status]] of Object.entries(refused)) {
    t.is((await empty(guest, type, ranges)).status, status, what)
  }
  for (const type of [DISCARD, WRITE_ZEROES]) {
    for (const length of [0, 15, 24]) t.is((await send(guest, type, new Uint8Array(length))).status, IOERR, `${length}`)
  }
  t.true(contentOf(guest).equals(content))
})

test.serial('what the device can do is in its features and its configuration', async (t) => {
  for (const readOnly of [false, true]) {
    const guest = await startGuest(t, { readOnly })
    const features = message.decodeU64(await guest.frontEnd.ask(Request.GET_FEATURES))
    const has = (bit: number): boolean => (features & (1n << BigInt(bit))) !== 0n
    t.is(has(blk.VIRTIO_BLK_F_DISCARD), !readOnly)
    t.is(has(blk.VIRTIO_BLK_F_WRITE_ZEROES), !readOnly)
    const asked = message.encodeConfig({ offset: 0, size: blk.VirtioBlkConfig.size, flags: 0 }, new Uint8Array(0))
    const config = (await guest.frontEnd.ask(Request.GET_CONFIG, asked)).subarray(12)
    t.deepEqual(
      [36, 40, 44, 48, 52].map((offset) => config.readUInt32LE(offset)),
      readOnly
        ? [0, 0, 0, 0, 0]
        : [RANGE_LIMITS.sectors, RANGE_LIMITS.ranges, 8, RANGE_LIMITS.sectors, RANGE_LIMITS.ranges],
    )
    t.is(config.readUInt8(56), readOnly ? 0 : 1)
    for (const type of readOnly ? [DISCARD, WRITE_ZEROES] : []) {
      t.is((await empty(guest, type, [[0, 8]])).status, IOERR)
    }
  }
})

// ------------------------------------------------------------------------------------------------- where fallocate
// fails

test('zeros are written where no call makes them', async (t) => {
  // tmpfs punches holes, but has no FALLOC_FL_ZERO_RANGE.
  const file = fs.openSync(path.join('/dev/shm', `vm-memory-${process.pid}`), 'w+')
  fs.unlinkSync(path.join('/dev/shm', `vm-memory-${process.pid}`))
  t.teardown(() => fs.closeSync(file))
  const size = 3 * 2 ** 20
  fs.writeSync(file, Buffer.alloc(size, 7))
  const [position, length] = [4096, 600 * 1024 + 512]
  await promisify(writeZeroes)(file, position, length, false)
  const content = Buffer.alloc(size)
  fs.readSync(file, content, 0, size, 0)
  t.true(content.equals(Buffer.alloc(size, 7).fill(0, position, position + length)))
  t.is(fs.fstatSync(file).blocks, size / 512)
})

test('a discard that is not possible is none; one that fails, fails', async (t) => {
  // A regular file of a file system that cannot.
  const file = fs.openSync('/proc/self/oom_score_adj', 'r+')
  t.teardown(() => fs.closeSync(file))
  await t.notThrowsAsync(promisify(discard)(file, 0, 512))
  await t.throwsAsync(promisify(discard)(2 ** 31 - 1, 0, 512), { code: 'EBADF' })
  const readable = fs.openSync(`/proc/self/fd/${temporaryFile(t, new Uint8Array(4096))}`, 'r')
  t.teardown(() => fs.closeSync(readable))
  await t.throwsAsync(promisify(writeZeroes)(readable, 0, 512, true), { code: 'EBADF' })
})
