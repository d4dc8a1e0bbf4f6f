// Transfers that fail after they have moved bytes: the error tells how many, and no other bytes are marked dirty.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  type FileLike,
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../index.js'
import { rejection } from './refusal.js'

const { errno } = os.constants
const PAGE = pageSize()
const READ_WRITE = PROT_READ | PROT_WRITE

/** Memory of tracked regions of two pages, one behind the other, with these protections. */
function regionsOf(...protections: number[]): GuestMemoryMmap {
  return GuestMemoryMmap.fromRegions(
    protections.map((prot, index) => {
      const mapping = MmapRegion.build(null, 2 * PAGE, prot, MAP_ANONYMOUS | MAP_PRIVATE, { bitmap: true })
      return new GuestRegionMmap(mapping, 2 * PAGE * index)
    }),
  )
}

/** The dirty pages of memory that starts at 0. */
function dirtyPages(memory: GuestMemoryMmap): number[] {
  return [...memory].flatMap((region) =>
    [0, 1].filter((page) => region.bitmap?.dirtyAt(page * PAGE)).map((page) => Number(region.startAddr) / PAGE + page),
  )
}

/** A pipe that does not block, with so many bytes in it; its two ends are one descriptor. */
function pipeWith(t: ExecutionContext, bytes: number): number {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const name = path.join(folder, 'pipe')
  execFileSync('mkfifo', [name])
  const fd = fs.openSync(name, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
  t.teardown(() => {
    fs.closeSync(fd)
    fs.rmSync(folder, { recursive: true })
  })
  for (let left = bytes; left > 0; left -= PAGE) fs.writeSync(fd, new Uint8Array(Math.min(left, PAGE)).fill(7))
  return fd
}

type Transfer = (memory: GuestMemoryMmap, file: FileLike, count: number) => unknown

const READS: [name: string, read: Transfer][] = [
  ['readVolatileFrom', (memory, file, count) => memory.readVolatileFrom(0, file, count)],
  ['readExactVolatileFrom', (memory, file, count) => memory.readExactVolatileFrom(0, file, count)],
  ['readVolatileFromAsync', (memory, file, count) => memory.readVolatileFromAsync(0, file, count)],
  ['readExactVolatileFromAsync', (memory, file, count) => memory.readExactVolatileFromAsync(0, file, count)],
  [
    'readVolatileFrom of a guard',
    (memory, file, count) => {
      using guard = new GuestMemoryAtomic(memory).memory()
      return guard.readVolatileFrom(0, file, count)
    },
  ],
]
const WRITES: [name: string, write: Transfer][] = [
  ['writeVolatileTo', (memory, file, count) => memory.writeVolatileTo(0, file, count)],
  ['writeAllVolatileTo', (memory, file, count) => memory.writeAllVolatileTo(0, file, count)],
  ['writeVolatileToAsync', (memory, file, count) => memory.writeVolatileToAsync(0, file, count)],
  ['writeAllVolatileToAsync', (memory, file, count) => memory.writeAllVolatileToAsync(0, file, count)],
]

/** What a transfer is refused with, whether it throws or rejects. */
function failure(transfer: Transfer, memory: GuestMemoryMmap, file: FileLike, count: number): Promise<unknown> {
  return rejection((async () => transfer(memory, file, count))())
}

function tells(t: ExecutionContext, error: unknown, expected: { errno: number; completed?: number }): void {
  t.true(error instanceof Error)
  const { operation, ...fields } = Object.assign({}, error, { name: (error as Error).name }) as Record<string, unknown>
  t.regex(String(operation), /^(?:read|write)\w*Volatile(?:From|To)(?:Async)?$/)
  t.deepEqual(fields, { name: 'GuestMemoryError', code: 'ERR_IO', ...expected })
  t.regex((error as Error).message, /^Guest memory error: .*\(os error \d+\)$/)
}

for (const [name, read] of READS) {
  test(`${name}: a pipe that runs dry in a later region`, async (t) => {
    for (const [regions, bytes] of [
      [2, 2],
      [3, 4],
    ] as const) {
      const memory = regionsOf(...Array.from({ length: regions }, () => READ_WRITE))
      const pipe = pipeWith(t, bytes * PAGE)
      tells(t, await failure(read, memory, pipe, 2 * regions * PAGE), { errno: errno.EAGAIN, completed: bytes * PAGE })
      t.is(memory.readU8(bytes * PAGE - 1), 7)
      t.deepEqual(dirtyPages(memory), [...Array(bytes).keys()])
    }
  })

  test(`${name}: nothing moved, nothing told, and marked what upstream marks`, async (t) => {
    const memory = regionsOf(READ_WRITE, READ_WRITE)
    tells(t, await failure(read, memory, pipeWith(t, 0), 4 * PAGE), { errno: errno.EAGAIN })
    t.deepEqual(dirtyPages(memory), [0, 1])
    const folder = fs.openSync(os.tmpdir(), 'r')
    tells(t, await failure(read, memory, folder, 4 * PAGE), { errno: errno.EISDIR })
    fs.closeSync(folder)
    t.deepEqual(dirtyPages(memory), [0, 1])
  })

  test(`${name}: memory that cannot be written behind memory that can`, async (t) => {
    for (const prot of [PROT_READ, PROT_NONE]) {
      const memory = regionsOf(READ_WRITE, prot)
      const error = await failure(read, memory, pipeWith(t, 4 * PAGE), 4 * PAGE)
      tells(t, error, { errno: errno.EFAULT, completed: 2 * PAGE })
      t.deepEqual(dirtyPages(memory), [0, 1])
    }
  })
}

for (const [name, write] of WRITES) {
  test(`${name}: memory that cannot be read behind memory that can`, async (t) => {
    const memory = regionsOf(READ_WRITE, PROT_NONE)
    const pipe = pipeWith(t, 0)
    tells(t, await failure(write, memory, pipe, 4 * PAGE), { errno: errno.EFAULT, completed: 2 * PAGE })
    t.is(fs.readSync(pipe, new Uint8Array(8 * PAGE)), 2 * PAGE)
    t.deepEqual(dirtyPages(memory), [])
  })

  test(`${name}: a pipe that is full`, async (t) => {
    const memory = GuestMemoryMmap.fromRanges([[0, 2 ** 21]], { bitmap: true })
    const pipe = pipeWith(t, 0)
    const error = (await failure(write, memory, pipe, 2 ** 21)) as { completed: number }
    tells(t, error, { errno: errno.EAGAIN, completed: error.completed })
    t.is(fs.readSync(pipe, new Uint8Array(2 ** 21)), error.completed)
  })
}

test('parts of memory tell it too, by their own errors', (t) => {
  const region = regionsOf(READ_WRITE).findRegion(0)
  const slice = new MmapRegion(2 * PAGE, { bitmap: true }).asVolatileSlice()
  for (const part of [region, slice]) {
    const name = part === region ? 'GuestMemoryError' : 'VolatileMemoryError'
    const read = t.throws(() => part?.readExactVolatileFrom(0, pipeWith(t, PAGE), 2 * PAGE))
    t.like(read, { name, code: 'ERR_IO', errno: errno.EAGAIN, completed: PAGE })
    t.deepEqual(
      [0, PAGE].map((offset) => part?.bitmap?.dirtyAt(offset)),
      [true, false],
    )
  }
})

test('sources that end and targets that are full tell it too', (t) => {
  const slice = new MmapRegion(2 * PAGE).asVolatileSlice()
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  fs.writeFileSync(path.join(folder, 'file'), new Uint8Array(100))
  const fd = fs.openSync(path.join(folder, 'file'), 'r')
  t.like(
    t.throws(() => slice.readExactVolatileFrom(0, fd, PAGE)),
    { code: 'ERR_IO', kind: 'UnexpectedEof', completed: 100 },
  )
  fs.closeSync(fd)
  fs.rmSync(folder, { recursive: true })

  const memory = regionsOf(READ_WRITE, READ_WRITE)
  t.like(
    t.throws(() => memory.writeVolatileTo(0, new Uint8Array(3 * PAGE), 4 * PAGE)),
    { code: 'ERR_IO', kind: 'WriteZero', completed: 3 * PAGE },
  )
  // This one has always told.
  t.like(
    t.throws(() => memory.readExactVolatileFrom(0, new Uint8Array(3 * PAGE), 4 * PAGE)),
    { code: 'ERR_PARTIAL_BUFFER', expected: 4 * PAGE, completed: 3 * PAGE },
  )
})

test('a page that is lost in the middle of a read counts as written', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const fd = fs.openSync(path.join(folder, 'file'), 'w+')
  fs.ftruncateSync(fd, 2 * PAGE)
  const mapping = MmapRegion.build(new FileOffset(fd, 0), 2 * PAGE, READ_WRITE, MAP_SHARED, { bitmap: true })
  const memory = regionsOf(READ_WRITE).insertRegion(new GuestRegionMmap(mapping, 2 * PAGE))
  fs.ftruncateSync(fd, 0)
  const error = t.throws(() => memory.readVolatileFrom(0, pipeWith(t, 3 * PAGE), 4 * PAGE))
  t.like(error, { code: 'ERR_IO', errno: errno.EFAULT, completed: 2 * PAGE })
  t.deepEqual(dirtyPages(memory), [0, 1, 2, 3])
  fs.closeSync(fd)
  fs.rmSync(folder, { recursive: true })
})
