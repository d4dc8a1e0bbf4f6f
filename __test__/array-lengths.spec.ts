// Short arrays, and long ones, which Rust finds by itself: the same bytes in any case.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'

import { GuestMemoryMmap, type GuestRegionMmap, struct } from '../index.js'
import { refuses } from './refusal.js'

const CLASSES = { u8: Uint8Array, i8: Int8Array, u16: Uint16Array, i16: Int16Array, u32: Uint32Array, i32: Int32Array }
type Name = keyof typeof CLASSES
type Elements = InstanceType<(typeof CLASSES)[Name]>
const NAMES = Object.keys(CLASSES) as Name[]

/** Around what goes with one access, and around what the engine has in its heap. */
const LENGTHS = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 40]
const SIZE = 0x1000

/** Two regions without a gap, of bytes that differ from their neighbours and have their highest bits set and not. */
function patterned(): { memory: GuestMemoryMmap; bytes: Uint8Array } {
  const ranges: [number, number][] = [
    [0, SIZE],
    [SIZE, SIZE],
  ]
  const memory = GuestMemoryMmap.fromRanges(ranges)
  const bytes = Uint8Array.from({ length: 2 * SIZE }, (_, index) => (index * 151 + (index >>> 8)) & 0xff)
  memory.writeSlice(bytes, 0)
  for (let use = 0; use < 100; use += 1) memory.readU8(use)
  return { memory, bytes }
}

for (const name of NAMES) {
  test(`arrays of ${name} are read as they are in memory`, (t) => {
    const { memory, bytes } = patterned()
    const make = CLASSES[name]
    for (const length of [...LENGTHS, 512, 513, 600]) {
      const size = length * make.BYTES_PER_ELEMENT
      for (const addr of [0, 1, 2, 4, 8, 12, SIZE - size, SIZE - 1, SIZE - 2, SIZE - 4, SIZE - 8]) {
        const wanted = new make(bytes.slice(addr, addr + size).buffer)
        t.deepEqual(memory.readObj([name, length], addr), wanted, `${length} at ${addr}`)
      }
    }
  })

  test(`arrays of ${name} are written as they are`, (t) => {
    const make = CLASSES[name]
    const { memory, bytes } = patterned()
    for (const length of [...LENGTHS, 512, 513, 600]) {
      const size = length * make.BYTES_PER_ELEMENT
      const given = new make(bytes.slice(7, 7 + size).buffer)
      for (const addr of [16, 17, 18, 20, 24, 28, SIZE - size, SIZE - 1, SIZE - 2, SIZE - 4, SIZE - 8]) {
        memory.writeSlice(bytes, 0)
        memory.writeObj([name, length], given as never, addr)
        const wanted = bytes.slice()
        wanted.set(new Uint8Array(given.buffer), addr)
        const found = new Uint8Array(2 * SIZE)
        memory.readSlice(found, 0)
        t.deepEqual(found, wanted, `${length} at ${addr}`)
      }
    }
  })

  test(`arrays of ${name} that are views of the memory are written as if by way of a copy`, (t) => {
    const make = CLASSES[name]
    const step = make.BYTES_PER_ELEMENT
    const { memory, bytes } = patterned()
    const { buffer } = memory.findRegion(0) as GuestRegionMmap
    for (const length of LENGTHS) {
      const size = length * step
      for (const by of [1, 2, 3, 4, 8, -1, -2, -4, -8]) {
        memory.writeSlice(bytes, 0)
        const view: Elements = new make(buffer, 64, length)
        memory.writeObj([name, length], view as never, 64 + by)
        const wanted = bytes.slice(0, 256)
        wanted.copyWithin(64 + by, 64, 64 + size)
        t.deepEqual(new Uint8Array(buffer, 0, 256), wanted, `${length} by ${by}`)
      }
    }
  })
}

test('copies of any length that cross regions have all bytes or an error', (t) => {
  const { memory, bytes } = patterned()
  for (const length of [2, 255, 256, 257, 511, 512, 513, 1024, 4095, 4096]) {
    const addr = SIZE - (length >> 1)
    const found = new Uint8Array(length)
    memory.readSlice(found, addr)
    t.deepEqual(found, bytes.slice(addr, addr + length))
    const given = found.toReversed()
    memory.writeSlice(given, addr)
    t.is(memory.read(found, addr), length)
    t.deepEqual(found, given)
    memory.writeSlice(bytes, 0)
    // Cut at the end of memory.
    const end = 2 * SIZE - (length >> 1)
    t.is(memory.read(found, end), length >> 1)
    t.is(memory.write(given, end), length >> 1)
    refuses(t, () => memory.readSlice(found, end), { name: 'GuestMemoryError', code: 'ERR_PARTIAL_BUFFER' })
    refuses(t, () => memory.writeSlice(given, end), { name: 'GuestMemoryError', code: 'ERR_PARTIAL_BUFFER' })
    memory.writeSlice(bytes, 0)
  }
})

test('copies that cross regions, from a view and into one, are as if by way of a copy', (t) => {
  const { memory, bytes } = patterned()
  const { buffer } = memory.findRegion(0) as GuestRegionMmap
  for (const length of [64, 512, 513, 2000]) {
    const from = SIZE - length
    memory.writeSlice(bytes, 0)
    memory.writeSlice(new Uint8Array(buffer, from, length), from + (length >> 1))
    const wanted = bytes.slice()
    wanted.copyWithin(from + (length >> 1), from, from + length)
    const found = new Uint8Array(2 * SIZE)
    memory.readSlice(found, 0)
    t.deepEqual(found, wanted, `${length}`)
  }
})

test('a type is read again each time, whoever had it before', (t) => {
  const { memory, bytes } = patterned()
  const type: unknown[] = ['u8', 12]
  const read = (): unknown => memory.readObj(type as never, 16)
  for (let use = 0; use < 100; use += 1) t.deepEqual(read(), bytes.slice(16, 28))
  type[1] = 3
  t.deepEqual(read(), bytes.slice(16, 19))
  type[0] = 'u16'
  t.deepEqual(read(), new Uint16Array(bytes.slice(16, 22).buffer))
  type.length = 1
  refuses(t, read, { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  type[1] = 4
  t.deepEqual(read(), new Uint16Array(bytes.slice(16, 24).buffer))
})

test('a type whose length reads other arrays is what it says', (t) => {
  const { memory, bytes } = patterned()
  const type = ['u8', 4]
  const readOther = () => {
    memory.readObj(['u32', 4], 0)
    return 4
  }
  Object.defineProperty(type, 1, { get: readOther })
  for (const name of [...NAMES, ...NAMES]) {
    type[0] = name
    const wanted = new CLASSES[name](bytes.slice(16, 16 + 4 * CLASSES[name].BYTES_PER_ELEMENT).buffer)
    t.deepEqual(memory.readObj([name, 4], 16), wanted)
    t.deepEqual(memory.readObj(type as never, 16), wanted as never)
    t.deepEqual(memory.readObj([name, 4], 16), wanted)
  }
})

test('arrays of structs that are used often, and of other lengths, are told apart', (t) => {
  const { memory } = patterned()
  const Pair = struct({ first: 'u8', second: 'le16' })
  const Turned = struct({ second: 'le16', first: 'u8' })
  for (let use = 0; use < 300; use += 1) for (const type of [Pair, Turned]) memory.readObj(type, use)
  for (const type of [Pair, Turned, Pair]) {
    for (const length of [3, 1, 3]) {
      const one = (_: unknown, index: number) => memory.readObj(type, 8 + index * type.size)
      t.deepEqual(memory.readObj([type, length], 8), Array.from({ length }, one))
      t.deepEqual(memory.readObj(['u8', length], 8).length, length)
    }
  }
})

test('a type that is a revoked proxy is none', (t) => {
  const { memory } = patterned()
  const { proxy, revoke } = Proxy.revocable(['u8', 12], {})
  revoke()
  for (const call of [
    () => memory.readObj(proxy as never, 16),
    () => memory.writeObj(proxy as never, new Uint8Array(12) as never, 16),
  ]) {
    refuses(t, call, { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('an element of a type that reads arrays itself does not change what is read', (t) => {
  const { memory, bytes } = patterned()
  const type: unknown[] = ['u8', 12]
  for (let use = 0; use < 100; use += 1) memory.readObj(type as never, 16)
  const other = ['u32', 5] as const
  Object.defineProperty(type, 1, {
    get: () => {
      memory.readObj(other, 0)
      return 12
    },
  })
  t.deepEqual(memory.readObj(type as never, 16), bytes.slice(16, 28))
  Object.defineProperty(type, 0, {
    get: () => {
      memory.readObj(other, 0)
      return 'u16'
    },
  })
  t.deepEqual(memory.readObj(type as never, 16), new Uint16Array(bytes.slice(16, 40).buffer))
})
