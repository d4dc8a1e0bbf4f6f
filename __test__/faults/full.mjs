// Writes to memory for which the host has no room, on mappings that recover: a file whose file system is full (a folder), or
// huge pages of which there are none (`--huge`).
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const vm = createRequire(import.meta.url)('../../index.js')
const SIZE = 2 ** 23
const [, , where] = process.argv

function sparseFile(folder) {
  const fd = fs.openSync(path.join(folder, 'file'), 'w+')
  fs.ftruncateSync(fd, SIZE)
  return fd
}

const fd = where === '--huge' ? vm.memfdCreate('huge', SIZE, { hugetlb: true, reserve: false }) : sparseFile(where)
const mapping = vm.MmapRegion.fromFile(new vm.FileOffset(fd, 0), SIZE, { recoverFaults: true })
const bytes = new Uint8Array(mapping.buffer)
const step = where === '--huge' ? 2 ** 20 : vm.pageSize()
let good = true
for (let offset = 0; offset < SIZE; offset += step) bytes[offset] = 1 + ((offset / step) % 255)
for (let offset = 0; offset < SIZE; offset += step) good &&= bytes[offset] === 1 + ((offset / step) % 255)
const refused = (() => {
  try {
    return mapping.asVolatileSlice().readU8(SIZE - 1)
  } catch ({ code, reason, offset }) {
    return [code, reason, offset]
  }
})()
console.log(JSON.stringify({ good, refused, faults: mapping.faults }))
