// Huge pages (hugetlb): mappings must be whole numbers of them, and `memfdCreate` takes them from the host. Linux only.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import test, { type ExecutionContext } from 'ava'
import {
  FileOffset,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  AtomicBitmap,
  MmapRegion,
  MmapRegionBuilder,
  PROT_READ,
  PROT_WRITE,
  memfdCreate,
  pageSize,
} from '../index.js'
import { Held } from './held.js'
import { freshName } from './named-memory.js'
import { descriptorsOf, eventually, mappingsOf } from './process-resources.js'
import { refuses, refusesArgument } from './refusal.js'

const { errno } = os.constants
const MIB = 2 ** 20
const READ_WRITE = PROT_READ | PROT_WRITE
/** Mapped without a look whether the host has any such pages. */
const UNRESERVED = MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE
const EINVAL = { name: 'MmapRegionError', code: 'ERR_MMAP', errno: errno.EINVAL }

/** The sizes of huge pages that this kernel has, in bytes. */
const sizes = fs.existsSync('/sys/kernel/mm/hugepages')
  ? fs.readdirSync('/sys/kernel/mm/hugepages').map((name) => Number(/\d+/.exec(name)) * 1024)
  : []
const defaultSize = Number(/^Hugepagesize: +(\d+)/m.exec(readIfThere('/proc/meminfo'))?.[1] ?? 0) * 1024

function readIfThere(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
}

const anonymousHugeMappings = (): number =>
  readIfThere('/proc/self/maps')
    .split('\n')
    .filter((line) => line.includes('/anon_hugepage')).length

function skip(t: ExecutionContext, why: string): void {
  t.log(`not tested: ${why}`)
  t.pass()
}

/** The flags that name a size: its exponent, from bit 26 on. */
const named = (size: number): number => Math.log2(size) << 26

/** What is no whole number of pages. */
const fractions = (page: number): number[] => [
  1,
  pageSize(),
  page / 2,
  page - 1,
  page + 1,
  page + page / 2,
  3 * page - pageSize(),
]

if (defaultSize === 0) {
  test('huge pages', (t) => skip(t, 'this kernel has none'))
} else {
  test.serial('anonymous huge pages that are not whole are refused, and nothing is mapped', (t) => {
    const before = anonymousHugeMappings()
    const encodings: [flags: number, page: number][] = [
      [MAP_HUGETLB, defaultSize],
      // Of a size that the kernel does not have, too.
      ...[...new Set([...sizes, 2 * MIB, 1024 * MIB])].map((page): [number, number] => [
        MAP_HUGETLB | named(page),
        page,
      ]),
    ]
    for (const [huge, page] of encodings) {
      for (const size of fractions(page)) {
        for (const flags of [UNRESERVED, MAP_ANONYMOUS | MAP_SHARED | MAP_NORESERVE, MAP_ANONYMOUS | MAP_PRIVATE]) {
          refuses(t, () => MmapRegion.build(null, size, READ_WRITE, flags | huge), EINVAL)
          refuses(t, () => MmapRegion.build(null, size, READ_WRITE, flags | huge, { bitmap: true }), EINVAL)
          const builder = new MmapRegionBuilder(size).withMmapProt(READ_WRITE).withMmapFlags(flags | huge)
          refuses(t, () => builder.build(), EINVAL)
          const bitmap = new AtomicBitmap(size, pageSize())
          refuses(
            t,
            () =>
              MmapRegionBuilder.newWithBitmap(size, bitmap)
                .withMmapFlags(flags | huge)
                .build(),
            EINVAL,
          )
        }
      }
      refuses(t, () => MmapRegion.build(null, 1, READ_WRITE, UNRESERVED | huge | MAP_FIXED), {
        name: 'MmapRegionError',
        code: 'ERR_MAP_FIXED',
      })
    }
    t.is(anonymousHugeMappings(), before)
  })

  test.serial('whole anonymous huge pages are mapped, and unmapped', async (t) => {
    const before = anonymousHugeMappings()
    for (const size of [defaultSize, 3 * defaultSize]) {
      const held = new Held(() => MmapRegion.build(null, size, READ_WRITE, UNRESERVED | MAP_HUGETLB))
      t.is(anonymousHugeMappings(), before + 1)
      held.letGo()
      t.true(await eventually(() => anonymousHugeMappings() === before))
    }
  })

  test.serial('huge pages of a file that are not whole are refused, and nothing is mapped', (t) => {
    const name = freshName()
    const fd = memfdCreate(name, 4 * defaultSize, { hugetlb: true, reserve: false })
    const at = (start: number): FileOffset => new FileOffset(fd, start)
    const refused: [start: number, size: number][] = [
      ...fractions(defaultSize).map((size): [number, number] => [0, size]),
      [pageSize(), defaultSize],
      [defaultSize / 2, defaultSize / 2],
      [defaultSize - 1, 1],
    ]
    for (const [start, size] of refused) {
      const file = at(start)
      const range: [number, number, FileOffset] = [0, size, file]
      const makers = [
        () => MmapRegion.fromFile(file, size),
        () => MmapRegion.fromFile(file, size, { bitmap: true }),
        () => MmapRegion.build(file, size, READ_WRITE, MAP_PRIVATE | MAP_NORESERVE),
        () => MmapRegion.build(file, size, READ_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_HUGETLB),
        () =>
          new MmapRegionBuilder(size)
            .withFileOffset(file)
            .withMmapFlags(MAP_SHARED | MAP_NORESERVE)
            .build(),
        () => GuestRegionMmap.fromRange(0, size, file),
        () => GuestMemoryMmap.fromRanges([range]),
        () => GuestMemoryMmap.fromRangesWithFiles([range], { bitmap: true }),
      ]
      for (const make of makers) refuses(t, make, EINVAL)
    }
    // What upstream refuses first stays as it was.
    const [past, fixed] = ['ERR_MAPPING_PAST_EOF', 'ERR_MAP_FIXED']
    refuses(t, () => MmapRegion.fromFile(at(0), 5 * defaultSize - 1), { name: 'MmapRegionError', code: past })
    refuses(t, () => MmapRegion.build(at(0), 5 * defaultSize - 1, READ_WRITE, MAP_SHARED | MAP_FIXED), {
      name: 'MmapRegionError',
      code: fixed,
    })
    t.is(mappingsOf(name), 0)
    fs.closeSync(fd)
  })

  test.serial('whole huge pages of a file are mapped, and unmapped', async (t) => {
    const name = freshName()
    const fd = memfdCreate(name, 4 * defaultSize, { hugetlb: true, reserve: false })
    for (const [start, size] of [
      [0, 4 * defaultSize],
      [3 * defaultSize, defaultSize],
    ] as const) {
      const held = new Held(() =>
        MmapRegion.build(new FileOffset(fd, start), size, READ_WRITE, MAP_SHARED | MAP_NORESERVE),
      )
      t.is(mappingsOf(name), 1)
      held.letGo()
      t.true(await eventually(() => mappingsOf(name) === 0))
    }
    fs.closeSync(fd)
  })

  test.serial('where the file is left out, its pages do not matter', (t) => {
    const fd = memfdCreate(freshName(), 2 * defaultSize, { hugetlb: true, reserve: false })
    const size = defaultSize + pageSize()
    t.is(MmapRegion.build(new FileOffset(fd, 0), size, READ_WRITE, UNRESERVED).size, size)
    fs.closeSync(fd)
  })

  const SHORT = new Set([errno.ENOSPC, errno.ENOMEM])
  // More than any host has.
  const TOO_MUCH = 2 ** 44

  function refusesToReserve(t: ExecutionContext, name: string, size: number, hugetlb: true | '2M' | '1G'): void {
    for (const options of [{ hugetlb }, { hugetlb, reserve: true }, { hugetlb, seal: false }]) {
      const error = t.throws(() => memfdCreate(name, size, options)) as NodeJS.ErrnoException
      t.like(error, { name: 'GuestMemoryError', code: 'ERR_IO' })
      t.true(SHORT.has(error.errno ?? 0), `${error.errno}`)
    }
    t.is(descriptorsOf(name), 0)
  }

  test.serial('huge pages that the host has not are refused when the file is made', (t) => {
    const name = freshName()
    refusesToReserve(t, name, TOO_MUCH, true)
    if (sizes.includes(2 * MIB)) refusesToReserve(t, name, TOO_MUCH, '2M')
    if (sizes.includes(1024 * MIB)) refusesToReserve(t, name, TOO_MUCH, '1G')
    // Without a reservation the file is made, whatever it says of its size.
    fs.closeSync(memfdCreate(name, TOO_MUCH, { hugetlb: true, reserve: false }))
  })

  test.serial('a file of huge pages of a size is of that size', (t) => {
    const named = { '2M': 2 * MIB, '1G': 1024 * MIB } as const
    for (const hugetlb of ['2M', '1G'] as const) {
      if (!sizes.includes(named[hugetlb])) {
        t.log(`not tested: this kernel has no pages of ${hugetlb}`)
        continue
      }
      const fd = memfdCreate(freshName(), 2 * named[hugetlb], { hugetlb, reserve: false })
      t.is(fs.fstatSync(fd).blksize, named[hugetlb])
      t.is(fs.fstatSync(fd).size, 2 * named[hugetlb])
      fs.closeSync(fd)
      const uneven = { name: 'GuestMemoryError', code: 'ERR_IO', errno: errno.EINVAL }
      refuses(t, () => memfdCreate(freshName(), named[hugetlb] + pageSize(), { hugetlb, reserve: false }), uneven)
      refuses(t, () => memfdCreate(freshName(), named[hugetlb] + pageSize(), { hugetlb }), uneven)
    }
    t.pass()
  })

  const POOL = '/proc/sys/vm/nr_hugepages'
  const free = (): number => Number(/^HugePages_Free: +(\d+)/m.exec(readIfThere('/proc/meminfo'))?.[1])

  test.serial('reserved huge pages are there, and go back to the pool', async (t) => {
    const before = readIfThere(POOL)
    try {
      fs.writeFileSync(POOL, `${Number(before) + 3}`)
    } catch (error) {
      return skip(t, `the pool of huge pages cannot be set: ${String(error)}`)
    }
    try {
      if (free() < 3) return skip(t, 'the host has no memory left for huge pages')
      const pages = free()
      const name = freshName()
      const fd = memfdCreate(name, 2 * defaultSize, { hugetlb: true })
      t.is(free(), pages - 2)
      // They are its own: nobody else gets them.
      refusesToReserve(t, freshName(), (pages - 1) * defaultSize, true)
      const held = new Held(() => GuestMemoryMmap.fromRanges([[0, 2 * defaultSize, new FileOffset(fd, 0)]]))
      fs.closeSync(fd)
      held.use((memory) => {
        for (let addr = 0; addr < 2 * defaultSize; addr += pageSize()) memory.writeU8(1, addr)
        t.is(memory.readU8(2 * defaultSize - pageSize()), 1)
      })
      held.letGo()
      t.true(await eventually(() => free() === pages))
      t.is(mappingsOf(name), 0)
      // All of the pool, and no page more.
      fs.closeSync(memfdCreate(freshName(), pages * defaultSize, { hugetlb: true }))
      t.is(free(), pages)
    } finally {
      fs.writeFileSync(POOL, before)
    }
  })

  test('options that are none are refused', (t) => {
    for (const hugetlb of ['', '2m', '4M', '2M ', 1, null, {}, ['2M'], 2n]) {
      refusesArgument(t, () => memfdCreate(freshName(), 0, { hugetlb } as object), `hugetlb: ${String(hugetlb)}`)
    }
    for (const reserve of ['', 'true', 1, 0, null, {}]) {
      refusesArgument(t, () => memfdCreate(freshName(), 0, { reserve } as object), `reserve: ${String(reserve)}`)
    }
  })

  test('an empty file needs no memory', (t) => {
    for (const options of [{ hugetlb: true }, { reserve: true }, { hugetlb: true, reserve: true }]) {
      const fd = memfdCreate(freshName(), 0, options)
      t.is(fs.fstatSync(fd).size, 0)
      fs.closeSync(fd)
    }
  })

  test('ordinary pages are reserved where that is asked for', (t) => {
    const size = 8 * pageSize()
    const blocksOf = (options: object): number => {
      const fd = memfdCreate(freshName(), size, options)
      const { blocks } = fs.fstatSync(fd)
      fs.closeSync(fd)
      return blocks * 512
    }
    t.is(blocksOf({}), 0)
    t.is(blocksOf({ reserve: false }), 0)
    t.is(blocksOf({ reserve: true }), size)
    t.is(blocksOf({ reserve: true, seal: false }), size)
    const error = { name: 'GuestMemoryError', code: 'ERR_IO', errno: errno.ENOMEM }
    refuses(t, () => memfdCreate(freshName(), TOO_MUCH, { reserve: true }), error)
  })
}
