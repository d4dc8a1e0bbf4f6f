// The program of examples/vhost-user-blk, started as people and management software start it: its options, how it ends,
// what it prints, and which images it takes. What a front-end can ask of it is in vhost-user.spec.ts.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

import { SystemError } from '../examples/host/libc.js'
import * as sockets from '../examples/host/socket-calls.js'
import { Connection } from '../examples/host/unix-socket.js'
import { BlkDriver } from '../examples/machine/blk-driver.js'
import { UsageError } from '../examples/machine/usage-error.js'
import { parseCommandLine } from '../examples/vhost-user-blk/command-line.js'
import { LineLimit } from '../examples/vhost-user-blk/line-limit.js'
import * as message from '../examples/vhost-user-blk/message.js'
import { Request } from '../examples/vhost-user-blk/message.js'
import * as blk from '../examples/virtio/virtio-blk.js'
import * as virtq from '../examples/virtio/virtq.js'
import type { GuestMemoryAtomic } from '../index.js'
import { BackEnd } from './qemu/back-end.js'
import {
  FrontEnd,
  guestMemory,
  queueBase,
  QUEUE_SIZE,
  Ram,
  signal,
  soon,
  type GuestQueue,
} from './vhost-user/front-end.js'
import { makePlace } from './vhost-user/place.js'

const SECTORS = 4096
const SLOTS = 0x9000
const DATA = 0x2_0000

/** The image that most tests have. */
const makeImage = (): Uint8Array => new Uint8Array(512 * SECTORS).fill(7)

async function start(t: ExecutionContext, args: readonly string[], fds?: readonly number[]): Promise<BackEnd> {
  const program = await BackEnd.start('vhost-user-blk', args, fds)
  t.teardown(() => program.kill())
  return program
}

/** What the program prints that does not serve; its exit code comes first. */
async function refused(t: ExecutionContext, args: readonly string[], fds?: readonly number[]): Promise<string> {
  const program = BackEnd.run('vhost-user-blk', args, fds)
  t.teardown(() => program.kill())
  await t.throwsAsync(program.line(/^serving/))
  return [await program.exited, ...program.lines].join('\n')
}

interface Guest {
  readonly connection: Connection
  readonly frontEnd: FrontEnd
  readonly memory: GuestMemoryAtomic
  readonly driver: BlkDriver
  readonly queue: GuestQueue
}

let names = 0
async function connect(t: ExecutionContext, connection: Connection): Promise<Guest> {
  t.teardown(() => connection.close())
  const frontEnd = new FrontEnd(t, { connection })
  await frontEnd.negotiate(1n << BigInt(virtq.VIRTIO_F_EVENT_IDX))
  const ram = new Ram(t, `program-${process.pid}-${(names += 1)}`, 0)
  t.true(await frontEnd.setMemory(ram))
  const memory = guestMemory(ram)
  const driver = new BlkDriver(memory, virtq.layOutVirtq(queueBase(0), QUEUE_SIZE), SLOTS)
  return { connection, frontEnd, memory, driver, queue: await frontEnd.startQueue(0) }
}

const usedIdx = ({ memory, queue }: Guest): number => memory.memory().readU16(queue.layout.used + virtq.VIRTQ_USED_IDX)

/** As many writes as the queue takes, and flushes between them: they take a while. */
function submitMuch({ driver, queue }: Guest): number {
  let count = 0
  for (let at = 0; at < 4; at++) {
    const data = [{ addr: DATA + 0x2_0000 * at, len: 0x2_0000 }]
    if (driver.submit(blk.VIRTIO_BLK_T_OUT, 256 * at, data) !== null) count++
    if (driver.submit(blk.VIRTIO_BLK_T_FLUSH, 0, []) === null) break
    count++
  }
  if (driver.publish()) signal(queue.kick)
  return count
}

async function readId({ driver, memory, queue }: Guest): Promise<string> {
  driver.submit(blk.VIRTIO_BLK_T_GET_ID, 0, [{ addr: DATA, len: 20 }])
  if (driver.publish()) signal(queue.kick)
  await soon(() => driver.complete())
  const bytes = Buffer.alloc(20)
  memory.memory().readSlice(bytes, DATA)
  return bytes.toString('latin1').replace(/\0+$/, '')
}

// -------------------------------------------------------------------------------------------------------------- ending

for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test.serial(`at ${name}, what was taken is given back before the front-end is told`, async (t) => {
    const { image, socket } = makePlace(t, makeImage())
    for (let round = 0; round < 2; round++) {
      const program = await start(t, [image, socket])
      const guest = await connect(t, Connection.connect(socket))
      const count = submitMuch(guest)
      await sleep(2 * round)
      const exited = program.stop(name)
      t.is(await guest.connection.receive(1), null)
      const given = usedIdx(guest)
      t.is(await exited, 0)
      t.is(usedIdx(guest), given)
      for (let left = given; left > 0; left--) t.is(guest.driver.complete()?.status, blk.VIRTIO_BLK_S_OK)
      t.regex(program.lines.at(-1) ?? '', /^disconnected: /)
      // All that were taken, as the program counts them.
      const [writes, flushes] = [/(\d+) writes/, /(\d+) flushes/].map((each) =>
        Number(each.exec(program.lines.at(-1) ?? '')?.[1]),
      )
      t.is((writes ?? 0) + (flushes ?? 0), given)
      t.true(given <= count)
      t.false(fs.existsSync(socket))
    }
  })
}

test.serial('with --once, it ends after the first front-end, having served what it took', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  const program = await start(t, ['--once', image, socket])
  const guest = await connect(t, Connection.connect(socket))
  submitMuch(guest)
  await soon(() => (usedIdx(guest) > 0 ? true : null))
  guest.connection.close()
  t.is(await program.exited, 0)
  const summary = program.lines.at(-1) ?? ''
  const [writes, flushes] = [/(\d+) writes/, /(\d+) flushes/].map((each) => Number(each.exec(summary)?.[1]))
  t.is(usedIdx(guest), (writes ?? 0) + (flushes ?? 0))
})

test.serial('a flood of messages is a handful of lines, with a count', async (t) => {
  const MESSAGES = 20_000
  const { image, socket } = makePlace(t, makeImage())
  const program = await start(t, [image, socket])
  const connection = Connection.connect(socket)
  const bytes = message.encodeRequest(99, new Uint8Array(0))
  for (let sent = 0; sent < MESSAGES; sent++) {
    for (;;) {
      try {
        connection.send(bytes)
        break
      } catch (error) {
        if (!(error instanceof SystemError && error.code === 'EAGAIN')) throw error
        await sleep(1)
      }
    }
  }
  connection.close()
  await program.line(/^disconnected/)
  const lines = program.lines.filter((line) => line.includes('request 99 refused'))
  const counts = program.lines.map((line) => Number(/^(\d+) more lines? like these/.exec(line)?.[1] ?? 0))
  t.is(lines.length + counts.reduce((sum, count) => sum + count, 0), MESSAGES)
  t.true(program.lines.length < 40, `${program.lines.length} lines`)
  t.is(await program.stop(), 0)
})

test.serial('connecting again and again does not get round that', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  const program = await start(t, [image, socket])
  const CONNECTIONS = 4
  for (let turn = 1; turn <= CONNECTIONS; turn++) {
    const connection = Connection.connect(socket)
    for (let sent = 0; sent < 100; sent++) connection.send(message.encodeRequest(99, new Uint8Array(0)))
    // The last word: a message of version 2.
    connection.send(Buffer.from('010000000200000000000000', 'hex'))
    t.is(await connection.receive(1), null)
    connection.close()
    await program.line(/^disconnected/, turn)
  }
  t.is(await program.stop(), 0)
  const lines = program.lines.filter((line) => /refused|closing/.test(line))
  const counts = program.lines.map((line) => Number(/^(\d+) more lines? like these/.exec(line)?.[1] ?? 0))
  t.is(lines.length + counts.reduce((sum, count) => sum + count, 0), CONNECTIONS * 101)
  t.true(lines.length < 30, `${lines.length} lines`)
})

test('the lines of a burst are written, and a flood ends when it ends', async (t) => {
  const lines: (readonly [line: string, count: number])[] = []
  const limit = new LineLimit((line, count = 1) => lines.push([line, count]))
  for (let index = 0; index < 25; index++) limit.write(`${index}`)
  t.is(lines.length, 20)
  // Another limit has left out so many.
  limit.write('7 more lines like these', 7)
  await soon(() => (lines.length === 21 ? true : null))
  t.deepEqual(lines.at(-1), ['12 more lines like these', 12])
  limit.write('one more')
  limit.write('and one that is too many')
  limit.flush()
  t.deepEqual(lines.slice(21), [
    ['one more', 1],
    ['1 more line like these', 1],
  ])
})

// --------------------------------------------------------------------------------------------------------- conventions

test.serial('--print-capabilities prints what the conventions want, whatever else is said', async (t) => {
  for (const others of [[], ['--fd=77', '--nonsense', '/nowhere']]) {
    const program = BackEnd.run('vhost-user-blk', [...others, '--print-capabilities'])
    t.is(await program.exited, 0)
    const capabilities: unknown = JSON.parse(program.lines.join('\n'))
    t.deepEqual(capabilities, { type: 'block', features: ['read-only', 'blk-file'] })
  }
})

test.serial('it has the options that its capabilities promise', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  const program = await start(t, [`--socket-path=${socket}`, `--blk-file=${image}`, '--read-only'])
  const guest = await connect(t, Connection.connect(socket))
  const features = message.decodeU64(await guest.frontEnd.ask(Request.GET_FEATURES))
  t.not(features & (1n << BigInt(blk.VIRTIO_BLK_F_RO)), 0n)
  t.is(await program.stop(), 0)
})

test.serial('--fd takes a socket that listens, and leaves it to whoever made it', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  const fd = sockets.listen(socket, fs.closeSync)
  t.teardown(() => fs.closeSync(fd))
  for (let round = 0; round < 2; round++) {
    const program = await start(t, ['--fd=3', '--blk-file', image], [fd])
    for (let turn = 0; turn < 2; turn++) {
      const { connection } = await connect(t, Connection.connect(socket))
      connection.close()
      await program.line(/^disconnected/, turn + 1)
    }
    t.is(await program.stop(), 0)
    t.true(fs.existsSync(socket))
  }
})

test.serial('--fd takes a socket that is connected, and ends with it', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  const listener = sockets.listen(socket, fs.closeSync)
  t.teardown(() => fs.closeSync(listener))
  const connection = Connection.connect(socket)
  const fd = sockets.accept(listener) ?? -1
  const program = await start(t, ['--fd', '3', image], [fd])
  fs.closeSync(fd)
  const guest = await connect(t, connection)
  t.is(await readId(guest), 'vm-memory-disk')
  connection.close()
  t.is(await program.exited, 0)
})

test('arguments stand for what no option has said', (t) => {
  const whatTakes = (...args: string[]) => {
    const { image, socket } = parseCommandLine(args) ?? {}
    return [image, socket]
  }
  t.deepEqual(whatTakes('a', 'b'), ['a', 'b'])
  t.deepEqual(whatTakes('--blk-file', 'a', 'b'), ['a', 'b'])
  t.deepEqual(whatTakes('--socket-path=b', 'a'), ['a', 'b'])
  t.deepEqual(whatTakes('--socket-path=b', '--blk-file=a'), ['a', 'b'])
  t.deepEqual(whatTakes('--fd=7', 'a'), ['a', 7])
})

const wrongUsage: readonly (readonly [args: string[], message: RegExp])[] = [
  [[], /^missing the image$/],
  [['a'], /^missing the socket$/],
  [['--socket-path', 'b'], /^missing the image$/],
  [['--blk-file=a'], /^missing the socket$/],
  [['a', 'b', 'more'], /^too many arguments/],
  [['--blk-file=a', 'b', 'more'], /^too many arguments: more$/],
  [['--socket-path=b', '--blk-file=a', 'more', 'yet'], /^too many arguments: more yet$/],
  [['--socket-path=b', '--fd=3', 'a'], /--fd.* cannot be used with .*--socket-path/],
  [['--fd=-1', 'a'], /integer from 0 /],
  [['--fd=three', 'a'], /integer from 0 /],
  [['--fd=4294967299', 'a'], /integer from 0 /],
  [['--serial=123456789012345678901', 'a', 'b'], /at most 20 characters/],
  [['--serial=é', 'a', 'b'], /ASCII/],
  [['--queues=0', 'a', 'b'], /integer from 1 to 256/],
  [['--queues=257', 'a', 'b'], /integer from 1 to 256/],
  [['--blk-fil=a', 'b'], /unknown option/],
]
for (const [args, expected] of wrongUsage) {
  test(`wrong usage: vhost-user-blk ${args.join(' ')}`, (t) => {
    t.throws(() => parseCommandLine(args), { instanceOf: UsageError, message: expected })
  })
}

test.serial('a descriptor that is not a UNIX stream socket is refused, with exit code 2', async (t) => {
  const { image } = makePlace(t, makeImage())
  const file = fs.openSync(image, 'r')
  t.teardown(() => fs.closeSync(file))
  t.regex(
    await refused(t, ['--fd=3', image], [file]),
    /^2\nvhost-user-blk: descriptor 3 is not a socket \(.*ENOTSOCK\)$/,
  )
  t.regex(await refused(t, ['--fd=99', image]), /^2\nvhost-user-blk: descriptor 99 is not a socket \(.*EBADF\)$/)
})

test.serial('a socket that cannot be made is refused, with exit code 2', async (t) => {
  const { folder, image, socket } = makePlace(t, makeImage())
  const loop = path.join(folder, 'loop')
  fs.symlinkSync('loop', loop)
  for (const [where, reason] of [
    ['', /a socket's path is not empty$/],
    [path.join(folder, 'x'.repeat(108)), /a socket's path has at most 107 bytes$/],
    [path.join(loop, 'socket'), /cannot listen here \(ELOOP.*\)$/],
    [path.join(folder, 'nothing', 'socket'), /cannot listen here \(bind: ENOENT\)$/],
    [image, /cannot listen here \(bind: EADDRINUSE\)$/],
  ] as const) {
    const said = await refused(t, [image, where])
    t.regex(said, /^2\nvhost-user-blk: .*$/)
    t.regex(said, reason)
  }
  t.true(fs.readFileSync(image).equals(makeImage()))
  // Somebody listens, and so many wait that there is no room for one more: that must not be waited for.
  const listening = sockets.listen(socket, fs.closeSync)
  t.teardown(() => fs.closeSync(listening))
  for (let waiting = 0; ; waiting++) {
    t.regex(await refused(t, [image, socket]), /^2\nvhost-user-blk: .*: somebody listens here already$/)
    if (waiting === 1) break
    t.throws(
      () => {
        for (;;) {
          const connection = Connection.connect(socket)
          t.teardown(() => connection.close())
        }
      },
      { code: 'EAGAIN' },
    )
  }
})

test.serial('a disk has the serial that it is given', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  const program = await start(t, ['--serial=12345678901234567890', image, socket])
  t.is(await readId(await connect(t, Connection.connect(socket))), '12345678901234567890')
  t.is(await program.stop(), 0)
})

// -------------------------------------------------------------------------------------------------------------- images

test.serial('an image has one device that writes, or several that read', async (t) => {
  const { folder, image, socket } = makePlace(t, makeImage())
  const link = path.join(folder, 'link')
  fs.linkSync(image, link)
  const writer = await start(t, [image, socket])
  for (const args of [[], ['--read-only']]) {
    t.regex(await refused(t, [...args, link, `${socket}-2`]), /^2\nvhost-user-blk: .*link: is in use/)
  }
  await writer.kill()
  const readers = [await start(t, ['-r', image, socket]), await start(t, ['-r', link, `${socket}-2`])]
  t.regex(await refused(t, [image, `${socket}-3`]), /^2\nvhost-user-blk: .*disk\.img: is in use/)
  for (const reader of readers) t.is(await reader.stop(), 0)
  t.is(await (await start(t, [image, socket])).stop(), 0)
})

test.serial('what may not be meant is told: a format, and a tail that is no sector', async (t) => {
  const content = new Uint8Array(512 * 9 + 100)
  content.set(Buffer.from('QFI\xfb', 'latin1'))
  const { image, socket } = makePlace(t, content)
  const program = await start(t, [image, socket])
  t.deepEqual(
    program.lines.filter((line) => line.includes('warning')).map((line) => line.replace(image, 'IMAGE')),
    [
      'vhost-user-blk: warning: IMAGE: its last 100 bytes are not a whole sector, and not part of the disk',
      'vhost-user-blk: warning: IMAGE: is a qcow2 image, but served as raw: the guest sees the bytes of the file',
    ],
  )
  t.is(await program.line(/^serving/), `serving 9 sectors of ${image} at ${socket}`)
  t.is(await program.stop(), 0)
})

test.serial('what is no image is refused', async (t) => {
  const { folder, image, socket } = makePlace(t, new Uint8Array(511))
  const fifo = path.join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  for (const [file, reason] of [
    [image, /smaller than one sector/],
    [folder, /is a directory/],
    [fifo, /neither a regular file nor a block device/],
    ['/dev/null', /neither a regular file nor a block device/],
    [path.join(folder, 'nothing'), /no such file/],
  ] as const) {
    t.regex(await refused(t, [file, socket]), reason)
  }
})

test.serial('a block device is served, and its blocks are given back', async (t) => {
  const { image, socket } = makePlace(t, makeImage())
  let device: string
  try {
    device = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch (error) {
    t.log(`not tested: there are no loop devices for this user (${String(error).split('\n')[0]})`)
    return t.pass()
  }
  t.teardown(() => execFileSync('losetup', ['-d', device]))
  const program = await start(t, [device, socket])
  t.is(await program.line(/^serving/), `serving ${SECTORS} sectors of ${device} at ${socket}`)
  const guest = await connect(t, Connection.connect(socket))
  guest.memory.memory().writeSlice(new Uint8Array(4096).fill(9), DATA)
  const range = Buffer.alloc(16)
  range.writeBigUInt64LE(128n, 0)
  range.writeUInt32LE(64, 8)
  guest.memory.memory().writeSlice(range, DATA + 0x1000)
  for (const [type, sector, addr, len] of [
    [blk.VIRTIO_BLK_T_OUT, SECTORS - 8, DATA, 4096],
    [blk.VIRTIO_BLK_T_DISCARD, 0, DATA + 0x1000, 16],
    [blk.VIRTIO_BLK_T_FLUSH, 0, 0, 0],
  ] as const) {
    guest.driver.submit(type, sector, len === 0 ? [] : [{ addr, len }])
    if (guest.driver.publish()) signal(guest.queue.kick)
    t.is((await soon(() => guest.driver.complete())).status, blk.VIRTIO_BLK_S_OK)
  }
  // A second one, and another name of it.
  t.regex(await refused(t, [device, `${socket}-2`]), /is in use/)
  t.is(await program.stop(), 0)
  const expected = Buffer.alloc(512 * SECTORS, 7)
  expected.fill(9, 512 * (SECTORS - 8)).fill(0, 512 * 128, 512 * 192)
  t.true(fs.readFileSync(image).equals(expected))
  t.is(fs.statSync(image).blocks, SECTORS - 64)
})

test.serial(
  'a block device that is mounted is refused, and one that nobody writes to has several readers',
  async (t) => {
    const { folder, image, socket } = makePlace(t, new Uint8Array(2 ** 20))
    const mountPoint = path.join(folder, 'mounted')
    fs.mkdirSync(mountPoint)
    const run = (command: string, ...args: string[]): string =>
      execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).trim()
    let device: string
    try {
      run('mkfs.ext4', '-q', image)
      device = run('losetup', '-f', '--show', image)
      t.teardown(() => run('losetup', '-d', device))
      run('mount', device, mountPoint)
    } catch (error) {
      t.log(`not tested: this user cannot mount an image (${String(error).split('\n')[0]})`)
      return t.pass()
    }
    try {
      for (const args of [[], ['--read-only']]) {
        t.regex(await refused(t, [...args, device, socket]), /^2\nvhost-user-blk: .*: is in use \(mounted\?\)$/)
      }
    } finally {
      run('umount', mountPoint)
    }
    const readers = [await start(t, ['-r', device, socket]), await start(t, ['-r', device, `${socket}-2`])]
    t.regex(await refused(t, [device, `${socket}-3`]), /^2\nvhost-user-blk: .*: is in use/)
    for (const reader of readers) t.is(await reader.stop(), 0)
  },
)
