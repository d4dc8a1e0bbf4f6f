// What errors say beside upstream's texts: all that each of some seventy wrong calls shows.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import test from 'ava'
import {
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MmapRegion,
  Ordering,
  PROT_READ,
  isVmMemoryError,
  memfdCreate,
} from '../index.js'
import { temporaryFile } from './temporary-file.js'
import { HOST, type Shown, WRONG_CALLS } from './wrong-calls/calls.js'
import { make, scopeOf } from './wrong-calls/scope.js'

type Caught = Error & Readonly<Record<string, unknown>>

async function caught(call: () => unknown): Promise<Caught> {
  try {
    await call()
  } catch (error) {
    return error as Caught
  }
  throw new Error('nothing was refused')
}

/** All that `console.log` shows of an error, in the words of the list. */
function shownOf(error: Caught, expected: Shown): unknown {
  const shown: Record<string, unknown> = { ...error, name: error.name, message: error.message }
  const known = expected.message.slice(0, -1)
  if (expected.message.endsWith('…') && error.message.startsWith(known) && error.message !== known) {
    shown.message = expected.message
  }
  for (const [name, value] of Object.entries(expected)) {
    const actual = shown[name]
    if (value !== HOST || typeof actual !== 'bigint') continue
    shown[name] = HOST
    shown.message = error.message.replace(`0x${actual.toString(16)}`, '0x…')
  }
  return shown
}

/** Often enough for objects to get their fast paths. */
const OFTEN = 40

for (const [call, expected] of WRONG_CALLS) {
  test(call, async (t) => {
    const scope = scopeOf(t)
    for (let count = 0; count < OFTEN; count += 1) {
      const error = await caught(() => make(call, scope))
      t.deepEqual(shownOf(error, expected), expected)
      t.is(isVmMemoryError(error), expected.name !== 'TypeError')
    }
  })
}

test('whatever users can call is exported so that its errors tell its name', (t) => {
  const folder = new URL('../crate/src/', import.meta.url)
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.rs'))
  // What users never see is exported by the glue's own attribute.
  const others = files.filter((file) => !/^(?:door|operations)\/|^lifecycle/.test(file))
  t.true(others.length > 40)
  const without = others.filter((file) => fs.readFileSync(new URL(file, folder), 'utf8').includes('napi_derive'))
  t.deepEqual(without, [])
})

test('a guard tells what its map tells', async (t) => {
  const guard = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]])).memory()
  for (let count = 0; count < OFTEN; count += 1) {
    t.is((await caught(() => guard.readU64(0xffc))).operation, 'readU64')
    t.like(await caught(() => guard.getSlice(0xff0, 0x20)), {
      operation: 'getSlice',
      hint: '0xff0-0x100f reaches beyond the end of 0x0-0xfff.',
    })
  }
})

test('where a region does not begin at a multiple, the hint tells the offset that is to be one', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0x1002, 0x1000]])
  const error = await caught(() => memory.load('u32', 0x1004, Ordering.SeqCst))
  t.is(error.hint, '0x1004 is at 0x2 in its region, which is not a multiple of 4.')
  t.is(memory.load('u32', 0x1006, Ordering.SeqCst), 0)
  const slice = memory.getSlice(0x1004, 8)
  const ofSlice = await caught(() => slice.load('u32', 0, Ordering.SeqCst))
  t.is(ofSlice.hint, 'The slice itself does not begin at a multiple of 4.')
})

test('a file that is open for writing only cannot be mapped', async (t) => {
  const fd = fs.openSync(`/proc/self/fd/${temporaryFile(t, new Uint8Array(0x1000))}`, 'w')
  t.teardown(() => fs.closeSync(fd))
  fs.ftruncateSync(fd, 0x1000)
  const error = await caught(() => GuestRegionMmap.fromRange(0, 0x1000, fd, { prot: PROT_READ }))
  t.is(error.hint, "The file is open for writing only, and mappings read. Open it 'r+'.")
})

test('of huge pages that are not there, the hint says where their number stands', async (t) => {
  // More than any host has.
  const size = 2 ** 46
  const calls = [
    () => memfdCreate('huge', size, { hugetlb: '2M' }),
    () => MmapRegion.build(null, size, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE | MAP_HUGETLB),
  ]
  for (const call of calls) {
    const error = await caught(call)
    if (error.errno === os.constants.errno.ENOMEM || error.errno === os.constants.errno.ENOSPC) {
      const text = /^The host has too few free huge pages of 0x\w+ bytes: .* in \/sys\/kernel\/mm\/hugepages\//
      t.regex(String(error.hint), text)
    } else {
      t.log(`this system has no huge pages at all: ${String(error)}`)
    }
  }
  t.pass()
})

test('what says all by itself has no hint', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
  for (const call of [
    () => memory.readU8(0x1000),
    () => memory.readU64(0xffc),
    () => memory.getSlice(0, 8).readU8(8),
    () => memory.getSlice(0x1000, 1),
    () => GuestMemoryMmap.fromRanges([]),
  ]) {
    t.false(Object.hasOwn(await caught(call), 'hint'))
  }
})

test('properties are ordinary ones of the error itself', async (t) => {
  const error = await caught(() => GuestMemoryMmap.fromRanges([[0, 0x1000]]).removeRegion(0, 1))
  for (const name of ['operation', 'base', 'size', 'hint']) {
    const { enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(error, name) ?? {}
    t.deepEqual([enumerable, writable, configurable], [true, true, true], name)
  }
})
