// Copyright (C) 2019 Alibaba Cloud Computing. All rights reserved.
//
// Portions Copyright 2018 Amazon.com, Inc. or its affiliates. All Rights Reserved.
//
// Portions Copyright 2017 The Chromium OS Authors. All rights reserved.
// Use of this source code is governed by a BSD-style license that can be
// found in the LICENSE-BSD-3-Clause file.
//
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/guest_memory.rs; none is left out.

import { once } from 'node:events'
import { fstatSync } from 'node:fs'

import test from 'ava'

import { FileOffset, GuestMemoryMmap } from '../index.js'
import { checkAtomicAccesses } from './upstream/atomic-accesses.js'
import { loopTimed } from './upstream/loop-timed.js'
import { tempFile } from './upstream/temp-file.js'
import { startThread } from './upstream/thread.js'

function makeImage(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i)
}

test('test_file_offset', (t) => {
  const file = tempFile(t)
  const start = 1234n
  const fileOffset = new FileOffset(file, start)
  t.is(fileOffset.start, start)
  // Upstream compares the two pointers that it can hand out to its one file; here there is one descriptor.
  t.is(fileOffset.fd, fileOffset.fd)
  t.is(fstatSync(fileOffset.fd).ino, fstatSync(file).ino)
})

test('checked_read_from', (t) => {
  const mem = GuestMemoryMmap.fromRanges([
    [0x0, 64],
    [0x40, 64],
  ])
  const image = makeImage(0x80)
  const offset = 0x30
  const count = 0x20
  t.is(mem.readVolatileFrom(offset, image, count), 0x20)
})

// A writer and a reader thread simultaneously access an object that is placed at the junction of two memory regions. The
// part of it in the first region is one u16, of which the writer flips all bits with every write, while the reader checks
// that both bytes have the same value.
test('test_non_atomic_access', async (t) => {
  const duration = 3000
  const start = 0n
  const regionLen = 1 << 12

  // Where the object starts: its first member ends where the first region does.
  const dataStart = BigInt(regionLen - 2)

  const mem = GuestMemoryMmap.fromRanges([
    [start, regionLen],
    [start + BigInt(regionLen), regionLen],
  ])

  // Upstream's `Data { val: u16, some_bytes: [u8; 8] }`, as an array of one alignment.
  const someBytes = Uint8Array.of(1, 2, 4, 16, 32, 64, 128, 255)
  const data = new Uint16Array(5)
  data.set(new Uint16Array(someBytes.buffer), 1)

  // Simple check that cross-region write/read is ok.
  mem.writeObj(['u16', 5], data, dataStart)
  t.deepEqual(mem.readObj(['u16', 5], dataStart), data)

  const reader = startThread('torn-read.worker.ts', { ticket: mem.share(), dataStart, duration })
  await once(reader, 'message')
  const result = once(reader, 'message')

  // Write the object while flipping the bits of its first member over and over again.
  loopTimed(duration, () => {
    mem.writeObj(['u16', 5], data, dataStart)
    data[0] = ~data[0]!
  })

  t.deepEqual(await result, [{ torn: null, seen: 3 }])
  await reader.terminate()
})

test('test_zero_length_accesses', (t) => {
  // Upstream's `ZeroSizedStruct { dummy: [u32; 0] }`.
  const zeroSized = ['u32', 0] as const

  const addr = 0x1000n
  const mem = GuestMemoryMmap.fromRanges([[addr, 0x1000]])
  const image = makeImage(0x80)

  t.is(mem.write(new Uint8Array(), addr), 0)
  t.is(mem.read(new Uint8Array(), addr), 0)

  t.notThrows(() => mem.writeSlice(new Uint8Array(), addr))
  t.notThrows(() => mem.readSlice(new Uint8Array(), addr))

  t.notThrows(() => mem.writeObj(zeroSized, new Uint32Array(), addr))
  t.is(mem.readObj(zeroSized, addr).length, 0)

  t.is(mem.readVolatileFrom(addr, image, 0), 0)

  t.notThrows(() => mem.readExactVolatileFrom(addr, image, 0))

  t.is(mem.writeVolatileTo(addr, image, 0), 0)

  t.notThrows(() => mem.writeAllVolatileTo(addr, image, 0))
})

test('test_atomic_accesses', (t) => {
  const addr = 0x1000n
  const mem = GuestMemoryMmap.fromRanges([[addr, 0x1000]])
  const badAddr = addr + 0x1000n

  checkAtomicAccesses(t, mem, addr, badAddr)
})

test('test_guest_memory_mmap_is_hugetlbfs', (t) => {
  const addr = 0x1000n
  const mem = GuestMemoryMmap.fromRanges([[addr, 0x1000]])
  const r = mem.findRegion(addr)!
  t.is(r.isHugetlbfs, null)
})
