// Loses every second page of a file in a folder that is full: each is one more mapping for the kernel, which has a limit.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const vm = createRequire(import.meta.url)('../../index.js')
const PAGE = vm.pageSize()
const PAIRS = 40_000

const fd = fs.openSync(path.join(process.argv[2], 'file'), 'w+')
fs.ftruncateSync(fd, 2 * PAIRS * PAGE)
const one = Buffer.from([1])
for (let pair = 0; pair < PAIRS; pair += 1) fs.writeSync(fd, one, 0, 1, 2 * pair * PAGE)
// What is left.
const rest = fs.openSync(path.join(process.argv[2], 'rest'), 'w')
try {
  for (;;) fs.writeSync(rest, Buffer.alloc(PAGE))
} catch {}

const mapping = vm.MmapRegion.fromFile(new vm.FileOffset(fd, 0), 2 * PAIRS * PAGE, { recoverFaults: true })
const slice = mapping.asVolatileSlice()
const bytes = new Uint8Array(mapping.buffer)
for (let page = 1; page < 2 * PAIRS; page += 2) bytes[page * PAGE] = 2
// Whatever is not told to be lost is as it was.
const isLost = new Uint8Array(2 * PAIRS)
for (const { offset, count } of mapping.faults) isLost.fill(1, offset / PAGE, (offset + count) / PAGE)
let wrong = 0
for (let page = 0; page < 2 * PAIRS; page += 1) {
  if (isLost[page] === 0 && slice.readU8(page * PAGE) !== 1) wrong += 1
  if (isLost[page] === 0 && page % 2 === 1) wrong += 1
}
console.log(JSON.stringify({ wrong, faults: mapping.faults.length }))
