// Transfers between files and guest memory.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { FileOffset, GuestMemoryMmap, memfdCreate, pageSize } from 'vm-memory'
import { check } from './checks.mjs'
import { closeForeign } from './foreign-descriptor.mjs'

const SIZE = 16 * 1024

/** Runs with a file of SIZE bytes, which count up. */
async function withFile(run) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-smoke-'))
  const name = path.join(folder, 'file')
  fs.writeFileSync(
    name,
    new Uint8Array(SIZE).map((_, i) => i % 251),
  )
  const fd = fs.openSync(name, 'r+')
  try {
    await run(fd, name)
  } finally {
    fs.closeSync(fd)
    fs.rmSync(folder, { recursive: true })
  }
}

check('a file is read into memory, and written from it', () =>
  withFile((fd, name) => {
    const memory = GuestMemoryMmap.fromRanges([[0, SIZE]])
    memory.readExactVolatileFrom(0, fd, SIZE)
    assert.equal(memory.readU8(250), 250)
    memory.writeU8(7, 0)
    memory.writeAllVolatileTo(0, fd, 1)
    assert.equal(fs.statSync(name).size, SIZE + 1)
  }),
)

check('a file is read into memory while JavaScript runs', () =>
  withFile(async (fd) => {
    const memory = GuestMemoryMmap.fromRanges([[0, SIZE]])
    await memory.readExactVolatileFromAsync(0, fd, SIZE)
    assert.equal(memory.readU8(SIZE - 1), (SIZE - 1) % 251)
  }),
)

check('fs.readv and fs.writev work on views of guest memory, across regions', () =>
  withFile((fd) => {
    const half = SIZE / 2
    const memory = GuestMemoryMmap.fromRanges([
      [0, half],
      [half, half],
    ])
    assert.equal(fs.readvSync(fd, memory.views(0, SIZE), 0), SIZE)
    assert.equal(memory.readU8(half), half % 251)
    memory.writeU8(0xee, half + 1)
    assert.equal(fs.writevSync(fd, memory.views(half, 2), 0), 2)
    const bytes = new Uint8Array(2)
    fs.readSync(fd, bytes, 0, 2, 0)
    assert.deepEqual([...bytes], [half % 251, 0xee])
  }),
)

check('a file is mapped: what is written is in the file', () =>
  withFile((fd) => {
    const memory = GuestMemoryMmap.fromRangesWithFiles([[0x1000, pageSize(), new FileOffset(fd, 0)]])
    assert.equal(memory.readU8(0x1002), 2)
    memory.writeU8(0xaa, 0x1003)
    const bytes = new Uint8Array(1)
    fs.readSync(fd, bytes, 0, 1, 3)
    assert.equal(bytes[0], 0xaa)
  }),
)

check('a memfd is made and mapped where the system has them, and refused elsewhere', () => {
  if (process.platform !== 'linux') {
    assert.throws(() => memfdCreate('smoke', pageSize()), { code: 'ERR_UNSUPPORTED' })
    return
  }
  const fd = memfdCreate('smoke', pageSize())
  const memory = GuestMemoryMmap.fromRangesWithFiles([[0, pageSize(), new FileOffset(fd, 0)]])
  memory.writeU8(5, 9)
  assert.equal(fs.readFileSync(`/proc/self/fd/${fd}`)[9], 5)
  closeForeign(fd)
})
