// Maps four pages of a file, truncates it to one page and a half, and accesses the last page in the way that is asked for:
// `node truncated-file.mjs MAPPING WAY`. Prints what came of it, where the process lives to tell.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import vm from '../../index.js'

const PAGE = vm.pageSize()
const SIZE = 4 * PAGE
const LAST = SIZE - PAGE
const END = PAGE + PAGE / 2
const [, , mapping, way] = process.argv

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
const fd = fs.openSync(path.join(directory, 'file'), 'w+')
const sink = fs.openSync(path.join(directory, 'sink'), 'w+')
fs.rmSync(directory, { recursive: true })
fs.writeSync(fd, Buffer.alloc(SIZE, 7))

const file = new vm.FileOffset(fd, 0)
const flags = { shared: vm.MAP_SHARED, private: vm.MAP_PRIVATE }[mapping]
const region = new vm.GuestRegionMmap(vm.MmapRegion.build(file, SIZE, vm.PROT_READ | vm.PROT_WRITE, flags), 0)
const memory = vm.GuestMemoryMmap.fromRegions([region])
const view = region.asUint8Array(LAST, PAGE)
fs.ftruncateSync(fd, END)

const ways = {
  'a scalar': () => memory.readU8(LAST),
  'a write': () => memory.writeU8(1, LAST),
  'a copy': () => memory.readSlice(new Uint8Array(8), LAST),
  'an atomic': () => memory.load('u32', LAST, vm.Ordering.SeqCst),
  'a view': () => view[0],
  'a transfer to bytes': () => memory.writeVolatileTo(LAST, new Uint8Array(8), 8),
  'a scalar in another thread': async () => {
    await new Promise((resolve) => {
      new Worker(new URL(import.meta.url), { argv: [mapping, 'a scalar'] }).on('exit', resolve)
    })
  },
  'a scalar with a listener': () => {
    process.on('SIGBUS', () => process.exit(0))
    return memory.readU8(LAST)
  },
  'a transfer to a descriptor': () => memory.writeVolatileTo(LAST, sink, 8),
  'a transfer from a descriptor': () => memory.readVolatileFrom(LAST, fs.openSync('/dev/zero', 'r'), 8),
  'an asynchronous transfer': () => memory.writeVolatileToAsync(LAST, sink, 8),
  'a view that fs writes': () => fs.writeSync(sink, view),
  'look-ups': () => [memory.checkRange(0, SIZE), memory.getSlice(LAST, PAGE).len, memory.views(LAST, PAGE).length],
  'both sides of the end': () => [memory.readU8(END - 1), memory.readU8(END)],
  'a file that has grown again': () => {
    fs.ftruncateSync(fd, SIZE)
    return memory.readU8(LAST)
  },
}

try {
  console.log(JSON.stringify(await ways[way]()))
} catch ({ code, errno }) {
  console.log(JSON.stringify([code, Math.abs(errno)]))
}
