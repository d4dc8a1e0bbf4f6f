// Arrays are made by the constructors that were there when the package was loaded, whoever has replaced them since.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { AtomicBitmap, GuestMemoryMmap, type ByteValued } from '../index.js'

const NAMES = [
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'BigUint64Array',
  'BigInt64Array',
  'Float64Array',
] as const

const SCALARS = 'u8 i8 u16 i16 u32 i32 u64 i64 usize isize le16 le32 le64 leSize be16 be32 be64 beSize'.split(' ')

/** Replaces every class of typed arrays by a function, for the time of a call. */
function replaced<T>(by: () => unknown, call: () => T): T {
  const originals = NAMES.map((name) => [name, globalThis[name]] as const)
  for (const name of NAMES) Reflect.set(globalThis, name, by)
  try {
    return call()
  } finally {
    for (const [name, original] of originals) Reflect.set(globalThis, name, original)
  }
}

const SIZE = 0x1000

function newMemory(): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRanges([[0, SIZE]], { bitmap: true })
  memory.writeSlice(
    Uint8Array.from({ length: SIZE }, (_, index) => index),
    0,
  )
  return memory
}

test.serial('what a replaced constructor returns is neither filled nor swapped', (t) => {
  const back = new Uint8Array(64)
  const view = Uint8Array
  const lures: (() => unknown)[] = [
    () => new view(back.buffer, 8, 1),
    () => new view(back.buffer, 8, 9),
    () => new DataView(back.buffer, 8),
    () => back.buffer,
    () => ({ length: 1 }),
    () => {
      throw new TypeError('replaced')
    },
  ]
  for (const lure of lures) {
    for (const scalar of SCALARS) {
      for (const length of [1, 3]) {
        const type = [scalar, length] as unknown as ByteValued
        const memory = newMemory()
        const expected = memory.readObj(type, 1)
        for (let uses = 0; uses < 4; uses += 1) {
          t.deepEqual(
            replaced(lure, () => memory.readObj(type, 1)),
            expected,
            scalar,
          )
        }
      }
    }
    t.deepEqual([...back], [...new view(64)])
  }
})

test.serial('getAndReset loses no bit to a replaced constructor, and tables are right', (t) => {
  for (const lure of [() => new DataView(new ArrayBuffer(8)), () => Object.create(null) as object]) {
    const bitmap = new AtomicBitmap(SIZE * 70, SIZE)
    bitmap.setBit(69)
    t.deepEqual([...replaced(lure, () => bitmap.getAndReset())], [0n, 32n])
    const memory = newMemory()
    for (let uses = 0; uses < 4; uses += 1)
      t.is(
        replaced(lure, () => memory.readU8(uses)),
        uses,
      )
    t.true(memory.addressInRange(SIZE - 1))
    t.false(memory.addressInRange(SIZE))
  }
})
