// `flush`: what was written to a shared file is on the disk. Linux, for what the kernel tells.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { FileOffset, GuestRegionMmap, MmapRegion, pageSize } from '../index.js'
import { file, kindsHere, memfd } from './mapping-kinds.js'
import { rejection } from './refusal.js'

const PAGE = pageSize()

type Refused = NodeJS.ErrnoException & { offset?: number; reason?: string }
const refused = async (promise: Promise<unknown>): Promise<Refused> => (await rejection(promise)) as Refused

/** How much of a mapping the kernel has still to write. */
function dirtyBytes(mapping: MmapRegion): number {
  const start = mapping.asPtr().toString(16)
  const lines = fs.readFileSync('/proc/self/smaps', 'utf8').split('\n')
  const first = lines.findIndex((line) => line.startsWith(`${start}-`))
  const own = lines.slice(first, first + 20).filter((line) => /^(Shared|Private)_Dirty:/.test(line))
  return own.reduce((sum, line) => sum + Number(/\d+/.exec(line)?.[0]) * 1024, 0)
}

/** A mapping of a file on a disk; null where there is none, since nothing of a tmpfs is ever written. */
function onDisk(t: ExecutionContext, pages: number): MmapRegion | null {
  const fd = file(t, pages * PAGE)
  const TMPFS = 0x01021994
  if (fs.statfsSync(`/proc/self/fd/${fd}`).type === TMPFS) {
    t.log('not tested: the folder of temporary files is on no disk')
    return null
  }
  return MmapRegion.fromFile(new FileOffset(fd, 0), pages * PAGE)
}

test('what was written is on the disk afterwards', async (t) => {
  const mapping = onDisk(t, 8)
  if (mapping === null) return t.pass()
  mapping.asUint8Array().fill(1)
  t.is(dirtyBytes(mapping), 8 * PAGE)
  await mapping.flush({ offset: 2 * PAGE, count: 2 * PAGE })
  t.is(dirtyBytes(mapping), 6 * PAGE)
  await mapping.flush({ count: 0 })
  t.is(dirtyBytes(mapping), 6 * PAGE)
  t.is(await mapping.flush(), undefined)
  t.is(dirtyBytes(mapping), 0)
  t.is(mapping.asUint8Array()[PAGE], 1)
})

test('mappings of every kind have nothing to say against it', async (t) => {
  for (const { name, map } of kindsHere(t)) {
    const { mapping } = map(t, 4)
    mapping.asUint8Array().fill(1)
    await mapping.flush()
    await new GuestRegionMmap(mapping, 0).flush()
    t.true(
      mapping.asUint8Array().every((byte) => byte === 1),
      name,
    )
  }
})

test('arguments are checked', async (t) => {
  const mapping = new MmapRegion(4 * PAGE)
  const region = GuestRegionMmap.fromRange(0, 4 * PAGE)
  for (const target of [mapping, region]) {
    for (const options of [{ offset: 1 }, { count: 1 }, { offset: PAGE / 2, count: PAGE }, { offset: -1 }]) {
      t.is((await refused(target.flush(options))).code, 'ERR_OUT_OF_RANGE')
    }
    for (const options of [null, 1, { offset: '1' }, { count: null }, { signal: {} }]) {
      t.is((await refused(target.flush(options as object))).code, 'ERR_INVALID_ARG_TYPE')
    }
  }
  t.is((await refused(mapping.flush({ offset: PAGE, count: 4 * PAGE }))).name, 'VolatileMemoryError')
  t.is((await refused(region.flush({ offset: PAGE, count: 4 * PAGE }))).name, 'GuestMemoryError')
})

test('what was lost is not on the disk', async (t) => {
  const fd = memfd(t, 4 * PAGE, { seal: false })
  const mapping = MmapRegion.fromFile(new FileOffset(fd, 0), 4 * PAGE, { recoverFaults: true })
  fs.ftruncateSync(fd, 2 * PAGE)
  mapping.asUint8Array()[2 * PAGE] = 1
  t.like(await refused(mapping.flush()), { code: 'ERR_MEMORY_FAULT', offset: 2 * PAGE, reason: 'truncated' })
  await mapping.flush({ count: 2 * PAGE })
})

test('an abort rejects with its reason', async (t) => {
  const mapping = onDisk(t, 4) ?? new MmapRegion(4 * PAGE)
  const reason = { why: 'enough' }
  mapping.asUint8Array().fill(1)
  t.is(await rejection(mapping.flush({ signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const promise = mapping.flush({ signal: abort.signal })
  abort.abort(reason)
  t.is(await rejection(promise), reason)
  await mapping.flush()
})
