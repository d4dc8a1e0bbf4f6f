// Every kind of mapping that the host treats in a way of its own. Linux only.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  FileOffset,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
  memfdCreate,
  pageSize,
} from '../index.js'

const READ_WRITE = PROT_READ | PROT_WRITE

/** A fresh mapping of so many of its pages, all zeros, and the file that it is of. */
export interface Mapped {
  readonly mapping: MmapRegion
  readonly fd?: number
}

export interface MappingKind {
  readonly name: string
  /** Whether others see what is written: those who have the file, or children. */
  readonly shared: boolean
  readonly page: number
  map(t: ExecutionContext, pages: number): Mapped
}

/** A file on a disk, if the folder of temporary files is on one. */
export function file(t: ExecutionContext, size: number): number {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const fd = fs.openSync(path.join(folder, 'file'), 'w+')
  fs.ftruncateSync(fd, size)
  t.teardown(() => {
    fs.closeSync(fd)
    fs.rmSync(folder, { recursive: true })
  })
  return fd
}

export function memfd(t: ExecutionContext, size: number, options?: Parameters<typeof memfdCreate>[2]): number {
  const fd = memfdCreate('kinds', size, options)
  t.teardown(() => fs.closeSync(fd))
  return fd
}

const PAGE = pageSize()

function anonymous(flags: number, page: number): MappingKind['map'] {
  return (_t, pages) => ({
    mapping: MmapRegion.build(null, pages * page, READ_WRITE, MAP_ANONYMOUS | flags, { bitmap: true }),
  })
}

function ofFile(open: (t: ExecutionContext, size: number) => number, flags: number, page: number): MappingKind['map'] {
  return (t, pages) => {
    const fd = open(t, pages * page)
    const start = new FileOffset(fd, 0)
    return { fd, mapping: MmapRegion.build(start, pages * page, READ_WRITE, flags, { bitmap: true }) }
  }
}

export const ORDINARY: MappingKind[] = [
  { name: 'anonymous', shared: false, page: PAGE, map: anonymous(MAP_PRIVATE | MAP_NORESERVE, PAGE) },
  { name: 'anonymous, shared', shared: true, page: PAGE, map: anonymous(MAP_SHARED, PAGE) },
  { name: 'memfd', shared: true, page: PAGE, map: ofFile(memfd, MAP_SHARED, PAGE) },
  {
    name: 'memfd that is not sealed',
    shared: true,
    page: PAGE,
    map: ofFile((t, size) => memfd(t, size, { seal: false }), MAP_SHARED, PAGE),
  },
  { name: 'memfd, private', shared: false, page: PAGE, map: ofFile(memfd, MAP_PRIVATE, PAGE) },
  { name: 'file, shared', shared: true, page: PAGE, map: ofFile(file, MAP_SHARED, PAGE) },
  { name: 'file, private', shared: false, page: PAGE, map: ofFile(file, MAP_PRIVATE, PAGE) },
]

const HUGE = 2 ** 21
const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB'
const freeHugePages = (): number =>
  fs.existsSync(POOL) ? Number(fs.readFileSync(`${POOL}/free_hugepages`, 'utf8')) : 0

const HUGE_KINDS: MappingKind[] = [
  {
    name: 'huge pages, anonymous',
    shared: false,
    page: HUGE,
    map: anonymous(MAP_PRIVATE | MAP_HUGETLB | (21 << 26), HUGE),
  },
  {
    name: 'huge pages of a memfd',
    shared: true,
    page: HUGE,
    map: ofFile((t, size) => memfd(t, size, { hugetlb: '2M', reserve: false }), MAP_SHARED, HUGE),
  },
  {
    name: 'huge pages of a memfd, private',
    shared: false,
    page: HUGE,
    map: ofFile((t, size) => memfd(t, size, { hugetlb: '2M', reserve: false }), MAP_PRIVATE, HUGE),
  },
]

/** Those that this host can make now: huge pages only if there are some in the pool. */
export function kindsHere(t: ExecutionContext, hugePages = 8): MappingKind[] {
  if (freeHugePages() >= hugePages) return [...ORDINARY, ...HUGE_KINDS]
  t.log(`huge pages are not tested: there are not ${hugePages} of 2 MiB in the pool of the host`)
  return ORDINARY
}

/** A mapping that other code has made. */
export function raw(mapping: MmapRegion): MmapRegion {
  return MmapRegion.buildRaw(mapping.asPtr(), mapping.size, mapping.prot, mapping.flags)
}
