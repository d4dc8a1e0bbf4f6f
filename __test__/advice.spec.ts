// Advice about pages, and pages that stay in memory. Linux.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import {
  type Advice,
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MmapRegion,
  PROT_READ,
  pageSize,
} from '../index.js'
import { ORDINARY, memfd, raw } from './mapping-kinds.js'
import { refuses, refusesArgument } from './refusal.js'

const { errno } = os.constants
const PAGE = pageSize()
/** What scripts require. */
const PACKAGE = JSON.stringify(fileURLToPath(new URL('../index.js', import.meta.url)))
const MIB = 2 ** 20

/** The flags (`VmFlags`) of the part of the address space that begins at this mapping. */
function flagsOf(mapping: MmapRegion): string[] {
  const lines = fs.readFileSync('/proc/self/smaps', 'utf8').split('\n')
  const start = mapping.asPtr()
  const holds = (line: string): boolean => {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line)
    return range !== null && BigInt(`0x${range[1]}`) <= start && start < BigInt(`0x${range[2]}`)
  }
  const flags = lines.slice(lines.findIndex(holds)).find((line) => line.startsWith('VmFlags:'))
  return flags?.split(' ').slice(1) ?? []
}

/** Which flag each advice sets (or takes away again, after the one before it). */
const SEEN: [advice: Advice, flag: string, isSet: boolean][] = [
  ['hugePage', 'hg', true],
  ['noHugePage', 'nh', true],
  ['noDump', 'dd', true],
  ['dump', 'dd', false],
  ['noFork', 'dc', true],
  ['fork', 'dc', false],
  ['random', 'rr', true],
  ['normal', 'rr', false],
  ['sequential', 'sr', true],
]

function skipsWithoutKernel(t: ExecutionContext, error: unknown, what: string): void {
  t.is((error as NodeJS.ErrnoException).code, 'ERR_IO')
  t.log(`${what} is not tested: this kernel refuses it with errno ${(error as NodeJS.ErrnoException).errno}`)
}

test('the kernel is told', (t) => {
  const mapping = new MmapRegion(4 * MIB)
  for (const [advice, flag, isSet] of SEEN) {
    try {
      mapping.advise(advice)
    } catch (error) {
      skipsWithoutKernel(t, error, advice)
      continue
    }
    t.is(flagsOf(mapping).includes(flag), isSet, advice)
  }
})

test('no advice changes what is in memory, of whatever kind', (t) => {
  const all: Advice[] = [
    ...SEEN.map(([advice]) => advice),
    ...(['mergeable', 'unmergeable', 'cold', 'pageOut', 'willNeed', 'collapse'] as const),
  ]
  for (const { name, map } of ORDINARY) {
    const { mapping } = map(t, 8)
    const region = new GuestRegionMmap(mapping, 0)
    region.fill(0x5a, 0, region.size)
    region.bitmap?.reset()
    for (const advice of all) {
      try {
        region.advise(advice, PAGE, 2 * PAGE)
        region.advise(advice, PAGE)
        region.advise(advice)
      } catch (error) {
        // Not every kind of memory can be collapsed or merged.
        t.is((error as NodeJS.ErrnoException).code, 'ERR_IO', `${advice} of ${name}`)
      }
    }
    t.true(
      region.asUint8Array().every((byte) => byte === 0x5a),
      name,
    )
    t.deepEqual([...(region.bitmap?.getAndReset() ?? [])], [0n], name)
  }
})

test('huge pages are made on advice', (t) => {
  if (!fs.existsSync('/sys/kernel/mm/transparent_hugepage/enabled')) {
    t.log('not tested: this kernel has no transparent huge pages')
    return t.pass()
  }
  const mapping = new MmapRegion(8 * MIB)
  mapping.asUint8Array().fill(1)
  try {
    mapping.advise('hugePage')
    mapping.advise('collapse')
  } catch (error) {
    return skipsWithoutKernel(t, error, 'collapse')
  }
  const huge = /AnonHugePages: +([1-9]\d*) kB/.test(fs.readFileSync('/proc/self/smaps', 'utf8'))
  t.true(huge)
  t.true(mapping.asUint8Array().every((byte) => byte === 1))
})

test('memory is advised by guest address, holes left out where no range is given', (t) => {
  const mappings = [new MmapRegion(2 * PAGE), new MmapRegion(2 * PAGE), new MmapRegion(2 * PAGE)] as const
  const isNoDump = (): boolean[] => mappings.map((mapping) => flagsOf(mapping).includes('dd'))
  const memory = GuestMemoryMmap.fromRegions([
    new GuestRegionMmap(mappings[0], 0),
    new GuestRegionMmap(mappings[1], 2 * PAGE),
    new GuestRegionMmap(mappings[2], 2 ** 32),
  ])
  const guard = new GuestMemoryAtomic(memory).memory()
  memory.advise('noDump', 2 * PAGE)
  t.deepEqual(isNoDump(), [false, true, true])
  guard.advise('dump')
  t.deepEqual(isNoDump(), [false, false, false])
  guard.advise('noDump')
  t.deepEqual(isNoDump(), [true, true, true])
  memory.advise('dump', 0, 4 * PAGE)
  t.deepEqual(isNoDump(), [false, false, true])
  refuses(t, () => memory.advise('noDump', 0, 5 * PAGE), {
    name: 'GuestMemoryError',
    code: 'ERR_INVALID_GUEST_ADDRESS',
    addr: BigInt(4 * PAGE),
  })
  t.deepEqual(isNoDump(), [false, false, true])
  new GuestMemoryMmap().advise('noDump')
})

test('advice has a name, and a range of whole pages', (t) => {
  const mapping = new MmapRegion(2 * PAGE)
  for (const bad of ['', 'free', 'dontNeed', 'hugepage', 'remove', 4, null, undefined, {}, 'x'.repeat(1000)]) {
    refusesArgument(t, () => mapping.advise(bad as Advice))
  }
  for (const bad of [-1, 1.5, '0', null, {}]) {
    refusesArgument(t, () => mapping.advise('normal', bad as number))
    refusesArgument(t, () => mapping.advise('normal', 0, bad as number))
  }
  for (const [offset, count] of [
    [1, PAGE],
    [0, 1],
  ] as const) {
    refuses(t, () => mapping.advise('normal', offset, count), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
  t.is((t.throws(() => mapping.advise('normal', 3 * PAGE)) as NodeJS.ErrnoException).name, 'VolatileMemoryError')
  mapping.advise('normal', 2 * PAGE)
  mapping.advise('normal', 0, 0)
})

test('what other code has mapped can be advised', (t) => {
  const mapping = new MmapRegion(2 * PAGE)
  raw(mapping).advise('noDump')
  t.true(flagsOf(mapping).includes('dd'))
})

test('pages are locked: all now, or each when it is touched', (t) => {
  for (const { name, map } of ORDINARY) {
    const { mapping } = map(t, 8)
    mapping.lockPages({ offset: 2 * PAGE, count: 4 * PAGE })
    t.false(flagsOf(mapping).includes('lo'), name)
    // Unwritten pages of private memory are made as well: locked pages are there.
    t.true(mapping.residentSize >= 4 * PAGE, name)
    mapping.lockPages({ onFault: false })
    t.true(flagsOf(mapping).includes('lo'), name)
    mapping.unlockPages({ offset: 0, count: PAGE })
    t.false(flagsOf(mapping).includes('lo'), name)
    mapping.unlockPages()
  }
  const mapping = new MmapRegion(8 * PAGE)
  mapping.lockPages({ onFault: true })
  t.true(flagsOf(mapping).includes('lf'))
  t.is(mapping.residentSize, 0)
  mapping.asUint8Array()[0] = 1
  t.is(mapping.residentSize, PAGE)
  mapping.unlockPages({})
  t.false(flagsOf(mapping).includes('lo'))
})

test('what may be locked has a limit', (t) => {
  if (process.getuid?.() !== 0) {
    t.log('not tested: only root can become somebody who has a limit')
    return t.pass()
  }
  const script = `
    const { MmapRegion } = require(${PACKAGE})
    const mapping = new MmapRegion(2 ** 30)
    process.setgroups([]); process.setgid(65534); process.setuid(65534)
    try { mapping.lockPages() } catch ({ name, code, errno }) { console.log(JSON.stringify({ name, code, errno })) }
    mapping.asUint8Array()[0] = 1
    console.log(mapping.asUint8Array()[0])`
  const run = spawnSync('sh', ['-c', 'ulimit -l 64; exec "$0" -e "$1"', process.execPath, script], { encoding: 'utf8' })
  t.is(
    run.stdout,
    `${JSON.stringify({ name: 'GuestMemoryError', code: 'ERR_IO', errno: errno.ENOMEM })}\n1\n`,
    run.stderr,
  )
})

test('options of locks are checked', (t) => {
  const mapping = new MmapRegion(2 * PAGE)
  for (const bad of [null, 1, 'x', () => {}]) {
    refusesArgument(t, () => mapping.lockPages(bad as object))
    refusesArgument(t, () => mapping.unlockPages(bad as object))
  }
  for (const bad of [-1, '0', null]) {
    refusesArgument(t, () => mapping.lockPages({ offset: bad as number }))
    refusesArgument(t, () => mapping.unlockPages({ count: bad as number }))
    refusesArgument(t, () => mapping.lockPages({ onFault: bad as unknown as boolean }))
  }
  refusesArgument(t, () => mapping.lockPages({ offset: 1 }))
  // Memory beyond the end of a file cannot be had.
  const fd = memfd(t, 2 * PAGE, { seal: false })
  const ofFile = MmapRegion.fromFile(new FileOffset(fd, 0), 2 * PAGE)
  fs.ftruncateSync(fd, 0)
  refuses(t, () => ofFile.lockPages(), { name: 'GuestMemoryError', code: 'ERR_IO' })
  const unreadable = MmapRegion.build(null, PAGE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE)
  unreadable.lockPages()
})
