// Copyright 2023 Amazon.com, Inc. or its affiliates. All Rights Reserved.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The tests of upstream's src/io.rs. Left out:
// - test_write_volatile_for_vec: no bytes of JavaScript grow when they are written to.

import { readSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'

import { contents, volatileSlice } from './upstream/backing.js'
import { tempFile } from './upstream/temp-file.js'

// ---- Reading from bytes (upstream: ReadVolatile for &[u8]) ----
function read4BytesTo5ByteMemory(t: ExecutionContext, source: Uint8Array, expectedOutput: Uint8Array): void {
  // Test that readVolatile works
  let memory = volatileSlice(new Uint8Array(5))

  t.is(memory.subslice(0, 4).readVolatile(source), Math.min(source.length, 4))
  t.deepEqual(contents(memory), expectedOutput)

  // Test that readExactVolatile works
  memory = volatileSlice(new Uint8Array(5))
  const readExact = () => memory.subslice(0, 4).readExactVolatile(source)

  // It fails if there are not enough bytes in the source to completely fill the slice
  if (source.length < 4) {
    t.like(t.throws(readExact), { name: 'VolatileMemoryError', code: 'ERR_IO', kind: 'UnexpectedEof' })
    t.deepEqual(contents(memory), new Uint8Array(5))
  } else {
    t.notThrows(readExact)
    t.deepEqual(contents(memory), expectedOutput)
  }
}

// ---- Reading from a file ----
function read4BytesFromFile(t: ExecutionContext, source: Uint8Array, expectedOutput: Uint8Array): void {
  // Test that readVolatile works
  let memory = volatileSlice(new Uint8Array(5))

  t.is(memory.subslice(0, 4).readVolatile(tempFile(t, source)), Math.min(source.length, 4))
  t.deepEqual(contents(memory), expectedOutput)

  // Test that readExactVolatile works. (Upstream rewinds the file that it has.)
  memory = volatileSlice(new Uint8Array(5))
  const readExact = () => memory.subslice(0, 4).readExactVolatile(tempFile(t, source))

  if (source.length < 4) {
    t.throws(readExact)
  } else {
    t.notThrows(readExact)
  }
  t.deepEqual(contents(memory), expectedOutput)
}

const testCases: [input: Uint8Array, output: Uint8Array][] = [
  [Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0, 0, 0)],
  [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 3, 4, 0)],
  // ensure we don't have a buffer overrun
  [Uint8Array.of(5, 6, 7, 8, 9), Uint8Array.of(5, 6, 7, 8, 0)],
]

test('test_read_volatile', (t) => {
  for (const [input, output] of testCases) {
    read4BytesTo5ByteMemory(t, input, output)
    read4BytesFromFile(t, input, output)
  }
})

// ---- Writing to bytes (upstream: WriteVolatile for &mut [u8]) ----
function write4BytesTo5ByteArray(t: ExecutionContext, source: Uint8Array, expectedResult: Uint8Array): void {
  // Test that writeVolatile works
  let memory = new Uint8Array(5)

  t.is(volatileSlice(source).writeVolatile(memory.subarray(0, 4)), Math.min(source.length, 4))
  t.deepEqual(memory, expectedResult)

  // Test that writeAllVolatile works
  memory = new Uint8Array(5)
  const writeAll = () => volatileSlice(source).writeAllVolatile(memory.subarray(0, 4))

  if (source.length > 4) {
    t.like(t.throws(writeAll), { name: 'VolatileMemoryError', code: 'ERR_IO', kind: 'WriteZero' })
  } else {
    t.notThrows(writeAll)
  }
  // It has written what fits also when it failed.
  t.deepEqual(memory, expectedResult)
}

/** All that is in a file, up to one byte more than `expectedLength`. */
function readFile(file: number, expectedLength: number): Uint8Array {
  const buf = new Uint8Array(expectedLength + 1)
  return buf.subarray(0, readSync(file, buf, 0, buf.length, 0))
}

// ---- Writing to a file ----
function writeBytesToFile(t: ExecutionContext, source: Uint8Array): void {
  // Test that writeVolatile works
  let file = tempFile(t)

  volatileSlice(source).writeVolatile(file)
  // check that all bytes, and no excess bytes, were written to the file
  t.deepEqual(readFile(file, source.length), source)

  // Test that writeAllVolatile works
  file = tempFile(t)

  volatileSlice(source).writeAllVolatile(file)
  // check that all bytes, and no excess bytes, were written to the file
  t.deepEqual(readFile(file, source.length), source)
}

test('test_write_volatile', (t) => {
  for (const [input, output] of testCases) {
    write4BytesTo5ByteArray(t, input, output)
    writeBytesToFile(t, input)
  }
})

// A cursor on bytes is a subarray here, which the caller moves on by what was read or written.

test('test_read_volatile_for_cursor', (t) => {
  const readBuffer = Uint8Array.of(1, 2, 3, 4, 5, 6, 7)
  const output = volatileSlice(new Uint8Array(5))

  let position = 0

  // Read 4 bytes from cursor to volatile slice (amount read limited by volatile slice length)
  let bytesRead = output.subslice(0, 4).readVolatile(readBuffer.subarray(position))
  t.is(bytesRead, 4)
  t.deepEqual(contents(output), Uint8Array.of(1, 2, 3, 4, 0))
  position += bytesRead

  // Read next 3 bytes from cursor to volatile slice (amount read limited by length of remaining data in cursor)
  bytesRead = output.subslice(0, 4).readVolatile(readBuffer.subarray(position))
  t.is(bytesRead, 3)
  t.deepEqual(contents(output), Uint8Array.of(5, 6, 7, 4, 0))

  position = 0
  // Same as first test above, but with readExactVolatile
  output.subslice(0, 4).readExactVolatile(readBuffer.subarray(position))
  t.deepEqual(contents(output), Uint8Array.of(1, 2, 3, 4, 0))
  position += 4

  // Same as above, but with readExactVolatile. Should fail now, because we cannot fill a 4 byte buffer
  // with whats remaining in the cursor (3 bytes). Output should remain unchanged.
  t.throws(() => output.subslice(0, 4).readExactVolatile(readBuffer.subarray(position)))
  t.deepEqual(contents(output), Uint8Array.of(1, 2, 3, 4, 0))
})

test('test_write_volatile_for_cursor', (t) => {
  const writeBuffer = new Uint8Array(7)
  const input = volatileSlice(Uint8Array.of(1, 2, 3, 4))

  // Write 4 bytes from volatile slice to cursor (amount written limited by volatile slice length)
  const bytesWritten = input.writeVolatile(writeBuffer)
  t.is(bytesWritten, 4)
  t.deepEqual(writeBuffer, Uint8Array.of(1, 2, 3, 4, 0, 0, 0))

  // Write 3 bytes from volatile slice to cursor (amount written limited by remaining space in cursor)
  t.is(input.writeVolatile(writeBuffer.subarray(bytesWritten)), 3)
  t.deepEqual(writeBuffer, Uint8Array.of(1, 2, 3, 4, 1, 2, 3))
})
