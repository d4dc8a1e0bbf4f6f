// Maps memory whose pages are only looked for when they are written to, where there are none: of a sparse file in a folder
// that is full, or huge ones. `node missing-page.mjs FOLDER` or `node missing-page.mjs --huge`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import path from 'node:path'
import vm from '../../index.js'

const SIZE = 2 ** 26
const [, , where] = process.argv

function sparseFile(folder) {
  const fd = fs.openSync(path.join(folder, 'file'), 'w+')
  fs.ftruncateSync(fd, SIZE)
  return fd
}

const fd = where === '--huge' ? vm.memfdCreate('huge', SIZE, { hugetlb: true, reserve: false }) : sparseFile(where)
const memory = vm.GuestMemoryMmap.fromRanges([[0, SIZE, new vm.FileOffset(fd, 0)]])
for (let addr = 0; addr < SIZE; addr += vm.pageSize()) memory.writeU8(1, addr)
console.log(JSON.stringify('written'))
