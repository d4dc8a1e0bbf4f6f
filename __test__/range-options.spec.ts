// Ranges with a protection, with private mappings of files, and with files that are no `FileOffset`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import test, { type ExecutionContext } from 'ava'
import {
  type FileLike,
  FileOffset,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type RangeOptions,
  pageSize,
} from '../index.js'
import { firstRegion } from './memory.js'
import { refuses, refusesArgument } from './refusal.js'
import { CLOSED_FD, temporaryFile } from './temporary-file.js'

const PAGE = pageSize()
const READ_WRITE = PROT_READ | PROT_WRITE
const CONTENT = Uint8Array.from({ length: 2 * PAGE }, (_, index) => 1 + (index >> 8))

type Map = (file: FileOffset | FileLike | null, options?: RangeOptions) => GuestRegionMmap

/** The three ways to map one page at 0x10000. */
const WAYS: Readonly<Record<string, Map>> = {
  fromRange: (file, options) => GuestRegionMmap.fromRange(0x10000, PAGE, file, options),
  fromRanges: (file, options) => firstRegion(GuestMemoryMmap.fromRanges([[0x10000, PAGE, file]], options)),
  fromRangesWithFiles: (file, options) =>
    firstRegion(GuestMemoryMmap.fromRangesWithFiles([[0x10000, PAGE, file]], options)),
}

function readOnlyFile(t: ExecutionContext): number {
  const fd = fs.openSync(`/proc/self/fd/${temporaryFile(t, CONTENT)}`, 'r')
  t.teardown(() => fs.closeSync(fd))
  return fd
}

const byteAt = (fd: number, position: number): number => {
  const byte = Buffer.alloc(1)
  fs.readSync(fd, byte, 0, 1, position)
  return byte[0] as number
}

for (const [name, map] of Object.entries(WAYS)) {
  test(`${name} without options maps as upstream does`, (t) => {
    for (const options of [
      undefined,
      {},
      { prot: undefined, private: undefined },
      { private: false },
    ] as RangeOptions[]) {
      const file = map(new FileOffset(temporaryFile(t, CONTENT), PAGE), options)
      t.is(file.prot, READ_WRITE)
      t.is(file.flags, MAP_NORESERVE | MAP_SHARED)
      t.is(file.fileOffset?.start, BigInt(PAGE))
      const anonymous = map(null, options)
      t.is(anonymous.prot, READ_WRITE)
      t.is(anonymous.flags, MAP_ANONYMOUS | MAP_NORESERVE | MAP_PRIVATE)
    }
  })

  test(`${name} takes a descriptor, and anything that has one`, (t) => {
    const fd = temporaryFile(t, CONTENT)
    for (const file of [fd, { fd }, { fd, start: BigInt(PAGE) }]) {
      const region = map(file)
      t.is(region.readU8(0), 1)
      t.is(region.flags, MAP_NORESERVE | MAP_SHARED)
      t.is(region.fileOffset?.start, 0n)
      t.not(region.fileOffset?.fd, fd)
    }
    t.is(map(new FileOffset(fd, PAGE)).readU8(0), CONTENT[PAGE] as number)
  })

  test(`${name} takes a FileHandle, which may be closed afterwards`, async (t) => {
    const handle = await fs.promises.open(`/proc/self/fd/${temporaryFile(t, CONTENT)}`, 'r+')
    const region = map(handle)
    await handle.close()
    region.writeU8(77, 5)
    t.is(region.readU8(5), 77)
    t.is(byteAt(region.fileOffset?.fd as number, 5), 77)
  })

  test(`${name} maps a file for reading alone`, (t) => {
    const fd = readOnlyFile(t)
    refuses(t, () => map(fd), { name: 'MmapRegionError', code: 'ERR_MMAP', errno: os.constants.errno.EACCES })
    const region = map(fd, { prot: PROT_READ })
    t.is(region.prot, PROT_READ)
    t.is(region.readU8(0), 1)
    refuses(t, () => region.writeU8(1, 0), { name: 'Error', code: 'ERR_PROTECTION' })
    refuses(t, () => map(null, { prot: PROT_NONE }).readU8(0), { name: 'Error', code: 'ERR_PROTECTION' })
  })

  test(`${name} keeps what is written to a private mapping in this process`, (t) => {
    const fd = readOnlyFile(t)
    const region = map(fd, { private: true, bitmap: true })
    t.is(region.flags, MAP_NORESERVE | MAP_PRIVATE)
    region.writeU8(99, 0)
    t.is(region.readU8(0), 99)
    t.is(byteAt(fd, 0), 1)
    t.true(region.bitmap?.dirtyAt(0))
  })

  test(`${name} refuses private memory without a file`, (t) => {
    refuses(t, () => map(null, { private: true }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  })

  test(`${name} refuses options and files of other types`, (t) => {
    const fd = temporaryFile(t, CONTENT)
    const wrong: readonly [file: unknown, options?: unknown][] = [
      [fd, { prot: null }],
      [fd, { prot: '1' }],
      [fd, { prot: 1n }],
      [fd, { private: null }],
      [fd, { private: 1 }],
      [fd, null],
      ['file'],
      [true],
      [{}],
      [{ fd: '1' }],
      [{ fd: null }],
      [() => fd],
    ]
    for (const [file, options] of wrong) {
      refuses(t, () => map(file as FileLike, options as RangeOptions), {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      })
    }
    for (const file of [-1, 0.5, NaN, 2 ** 31]) refusesArgument(t, () => map(file), String(file))
    for (const prot of [0.5, NaN, 2 ** 32]) refusesArgument(t, () => map(fd, { prot }), String(prot))
    refuses(t, () => map(CLOSED_FD), { name: 'GuestMemoryError', code: 'ERR_IO', errno: os.constants.errno.EBADF })
    const file = new FileOffset(fd, 0)
    file.dispose()
    refuses(t, () => map(file), { name: 'Error', code: 'ERR_DISPOSED' })
  })
}

test('one range without a file is enough to refuse private memory, and nothing is mapped', (t) => {
  const fd = temporaryFile(t, CONTENT)
  const before = fs.readdirSync('/proc/self/fd').length
  const ranges = [
    [0, PAGE, fd],
    [PAGE, PAGE],
  ] as const
  refuses(t, () => GuestMemoryMmap.fromRanges(ranges, { private: true }), {
    name: 'RangeError',
    code: 'ERR_OUT_OF_RANGE',
  })
  t.is(fs.readdirSync('/proc/self/fd').length, before)
  t.is(GuestMemoryMmap.fromRanges(ranges).numRegions, 2)
})

test('regions of one descriptor are seen to overlap in the file', (t) => {
  const fd = temporaryFile(t, CONTENT)
  const [first, second] = [
    ...GuestMemoryMmap.fromRanges([
      [0, PAGE, fd],
      [PAGE, PAGE, { fd }],
    ]),
  ] as [GuestRegionMmap, GuestRegionMmap]
  t.true(first.fdsOverlap(second))
  t.false(first.fdsOverlap(GuestRegionMmap.fromRange(0, PAGE, temporaryFile(t, CONTENT))))
})

test('a descriptor may be closed, and its number used again, while the mapping is there', (t) => {
  const fd = fs.openSync(`/proc/self/fd/${temporaryFile(t, CONTENT)}`, 'r+')
  const memory = GuestMemoryMmap.fromRanges([[0, 2 * PAGE, fd]], { private: true })
  fs.closeSync(fd)
  temporaryFile(t, new Uint8Array(PAGE))
  t.is(memory.readU8(PAGE), CONTENT[PAGE] as number)
})
