// The package as a whole: how it is loaded, `using`, and what the console shows.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import test from 'ava'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryLoadGuard,
  GuestMemoryMmap,
  GuestRegionMmap,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
  memfdCreate,
} from '../index.js'
import { twoRegions } from './memory.js'
import { refuses } from './refusal.js'

const root = fileURLToPath(new URL('..', import.meta.url))

test('ES modules and CommonJS get the same exports', (t) => {
  const run = (kind: string, code: string): string[] =>
    JSON.parse(execFileSync(process.execPath, [`--input-type=${kind}`, '-e', code], { cwd: root, encoding: 'utf8' }))
  const required = run(
    'commonjs',
    "const vm = require('vm-memory'); console.log(JSON.stringify(Object.keys(vm).toSorted()))",
  )
  const imported = run(
    'module',
    `import * as vm from 'vm-memory'
     import { GuestMemoryAtomic, GuestMemoryMmap, Ordering, fence } from 'vm-memory'
     import { createRequire } from 'node:module'
     const required = createRequire(process.cwd() + '/')('vm-memory')
     if (required.GuestMemoryMmap !== GuestMemoryMmap || vm.default !== required) throw new Error('loaded twice')
     const memory = GuestMemoryMmap.fromRanges([[0, 4096]])
     if (new GuestMemoryAtomic(memory).memory().load('u8', 0, Ordering.SeqCst) !== 0) throw new Error('wrong byte')
     fence(Ordering.SeqCst)
     const names = Object.keys(vm).filter((name) => name !== 'default' && name !== 'module.exports')
     console.log(JSON.stringify(names.toSorted()))`,
  )
  t.deepEqual(imported, required)
  // index.js names each of them.
  const declarations = fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8')
  const declared = [...declarations.matchAll(/^export declare (?:class|const|enum|function|namespace) (\w+)/gm)]
  t.deepEqual(required, [...new Set(declared.map(([, name]) => name ?? ''))].toSorted())
  for (const name of ['GuestMemoryAtomic', 'GuestMemoryMmap', 'GuestAddress', 'Ordering', 'PROT_READ', 'pageSize']) {
    t.true(imported.includes(name), name)
  }
})

test('using disposes guards at the end of the block', (t) => {
  const atomic = new GuestMemoryAtomic(twoRegions())
  let escaped: GuestMemoryLoadGuard
  {
    using guard = atomic.memory()
    t.is(guard.readU8(0x1000), 0)
    t.true(guard instanceof GuestMemoryLoadGuard)
    escaped = guard
  }
  refuses(t, () => escaped.numRegions, { name: 'Error', code: 'ERR_DISPOSED' })
  refuses(t, () => escaped.clone(), { name: 'Error', code: 'ERR_DISPOSED' })
  {
    using guard = atomic.lock()
    t.is(atomic.tryLock(), null, inspect(guard))
  }
  const free = atomic.tryLock()
  t.truthy(free)
  free?.dispose()
})

test('a guard is a map, and a map is no guard', (t) => {
  const memory = twoRegions()
  const guard = new GuestMemoryAtomic(memory).memory()
  t.true(guard instanceof GuestMemoryMmap)
  t.true(guard instanceof GuestMemoryLoadGuard)
  t.false((memory as object) instanceof GuestMemoryLoadGuard)
  guard.dispose()
  t.true(guard instanceof GuestMemoryMmap)
})

test('using a guard that was consumed in its block is fine', (t) => {
  const atomic = new GuestMemoryAtomic(twoRegions())
  const empty = new GuestMemoryMmap()
  {
    using guard = atomic.lock()
    guard.replace(empty)
  }
  {
    using guard = atomic.memory()
    t.is(guard.intoInner(), empty)
    refuses(t, () => guard.intoInner(), { name: 'Error', code: 'ERR_DISPOSED' })
    t.notThrows(() => guard.dispose())
  }
})

test('a memory shows itself as a memory map', (t) => {
  const fd = memfdCreate('edges', 0x10000)
  t.teardown(() => fs.closeSync(fd))
  const memory = GuestMemoryMmap.fromRegions([
    GuestRegionMmap.fromRange(0x1000, 0x3000),
    GuestRegionMmap.fromRange(0x100000, 0x10000, new FileOffset(fd, 0), { bitmap: true }),
    new GuestRegionMmap(MmapRegion.build(null, 0x1000, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE), 0x200000),
    new GuestRegionMmap(MmapRegion.build(new FileOffset(fd, 0), 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED), 2n ** 63n),
  ])
  const text = inspect(memory)
  t.log(text)
  t.regex(text, /GuestMemoryMmap/)
  const line = (start: RegExp): string => text.split('\n').find((each) => start.test(each)) ?? ''
  const anonymous = line(/0x0*1000\b/)
  const file = line(/0x0*100000\b/)
  const readOnly = line(/0x0*200000\b/)
  const high = line(/0x8000000000000000\b/)
  // Start and end, then the size, what it is, its protection, and whether it is tracked.
  t.regex(anonymous, /0x0*(3fff|4000)\b/)
  t.regex(anonymous, /12 KiB/)
  t.regex(anonymous, /anonymous/)
  t.regex(anonymous, /rw/)
  t.notRegex(anonymous, /tracked/)
  t.regex(file, /64 KiB/)
  t.regex(file, /file/)
  t.regex(file, /rw/)
  t.regex(file, /tracked/)
  t.regex(readOnly, /r-/)
  t.regex(high, /file/)
  t.regex(inspect(new GuestMemoryMmap()), /GuestMemoryMmap/)
})

test('an atomic shows the regions of its map, and stays free to replace it', (t) => {
  const atomic = new GuestMemoryAtomic(twoRegions())
  const [, ...regions] = inspect(twoRegions()).split('\n')
  t.deepEqual(inspect(atomic).split('\n'), ['GuestMemoryAtomic {', ...regions])
  t.is(inspect({ deep: { atomic } }, { depth: 0 }), '{ deep: [Object] }')
  atomic.lock().replace(new GuestMemoryMmap())
  t.is(inspect(atomic), 'GuestMemoryAtomic {}')
})

test('no object shows host addresses that nobody asked for', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 0x10000]], { bitmap: true })
  const region = memory.findRegion(0)
  const slice = memory.getSlice(0x1000, 0x2000)
  t.is(inspect(slice), 'VolatileSlice { 8 KiB, tracked }')
  t.is(inspect(new MmapRegion(0x1000).getSlice(0, 12)), 'VolatileSlice { 12 B }')
  const atomic = new GuestMemoryAtomic(memory)
  const objects = [
    memory,
    region,
    slice,
    atomic,
    atomic.memory(),
    slice.getRef('u32', 0),
    slice.getArrayRef('u8', 0, 2),
  ]
  const page = (memory.getHostAddress(0) >> 16n).toString(16)
  for (const object of objects) t.false(inspect(object).includes(page), inspect(object))
})
