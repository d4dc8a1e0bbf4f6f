// What users put in place of methods and built-ins is theirs: the package calls its own, and gives nothing of its own away.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryLoadGuard, GuestMemoryMmap, GuestRegionMmap } from '../index.js'

const SIZE = 4096

function newMemory(): GuestMemoryMmap {
  const memory = GuestMemoryMmap.fromRanges([[0, SIZE]])
  // Often enough for everything that is only made when it is worth it.
  for (let value = 0; value < 64; value += 1) memory.writeU8(value, value)
  return memory
}

/** Replaces a property for the time of a call. */
function replaced(object: object, name: PropertyKey, descriptor: PropertyDescriptor, call: () => void): void {
  const before = Object.getOwnPropertyDescriptor(object, name)
  Object.defineProperty(object, name, { configurable: true, ...descriptor })
  try {
    call()
  } finally {
    if (before) Object.defineProperty(object, name, before)
    else Reflect.deleteProperty(object, name)
  }
}

test.serial('memory() does not ask an heir for its clone', (t) => {
  class Heir extends GuestMemoryAtomic {
    override clone(): GuestMemoryAtomic {
      return new GuestMemoryAtomic(new GuestMemoryMmap())
    }
  }
  const heir = new Heir(newMemory())
  t.is(heir.memory().readU8(3), 3)
  t.is(heir.memory().readU8(4), 4)
})

test.serial('methods of guards that were replaced see the guards of users, and no others', (t) => {
  const atomic = new GuestMemoryAtomic(newMemory())
  for (const name of ['memory', 'dispose'] as const) {
    const seen = new Set<object>()
    const original = GuestMemoryLoadGuard.prototype[name] as (this: object) => unknown
    const value = function (this: object): unknown {
      seen.add(this)
      return original.call(this)
    }
    replaced(GuestMemoryLoadGuard.prototype, name, { value }, () => {
      const guard = atomic.memory()
      for (let i = 0; i < 8; i += 1) t.is(guard.readU8(5), 5)
      atomic.update(() => newMemory())
      guard.clone().intoInner()
      guard.dispose()
      t.deepEqual([...seen], name === 'dispose' ? [guard] : [])
    })
  }
  t.is(atomic.memory().readU8(6), 6)
})

test.serial('no class is asked for when bytes are copied', (t) => {
  const memory = newMemory()
  const got: unknown[] = []
  const get = function (this: unknown): unknown {
    got.push(this)
    return undefined
  }
  replaced(Uint8Array.prototype, 'constructor', { get }, () => {
    const bytes = new Uint8Array(16)
    memory.readSlice(bytes, 0)
    memory.writeSlice(bytes, 0)
    t.is(memory.read(bytes, 1), 16)
    t.deepEqual(memory.readObj(['u16', 2], 2), Uint16Array.of(0x0302, 0x0504))
  })
  t.deepEqual(got, [])
})

test.serial('views are read by methods that nobody can replace', (t) => {
  const memory = newMemory()
  const seen: unknown[] = []
  const value = function (this: unknown): number {
    seen.push(this)
    return 99
  }
  replaced(DataView.prototype, 'getUint8', { value }, () => t.is(memory.readU8(7), 7))
  t.deepEqual(seen, [])
})

test.serial('memory is filled by a method that nobody can replace', (t) => {
  const memory = newMemory()
  const seen: unknown[] = []
  const value = function (this: unknown): void {
    seen.push(this)
  }
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
  replaced(typedArray, 'fill', { value }, () => {
    replaced(Uint8Array.prototype, 'fill', { value }, () => memory.fill(0x33, 8, 2))
  })
  t.deepEqual(memory.readObj(['u8', 4], 7), Uint8Array.of(7, 0x33, 0x33, 10))
  t.deepEqual(seen, [])
})

test.serial('views are of the memory, whatever `buffer` a region pretends to have', (t) => {
  const memory = newMemory()
  const [region] = [...memory] as [GuestRegionMmap]
  const { buffer } = region
  Object.defineProperty(region, 'buffer', { value: new ArrayBuffer(SIZE) })
  const [view] = memory.views(8, 4) as [Uint8Array]
  t.is(view.buffer, buffer)
  t.is(view[0], 8)
})

test.serial('the type of an array is an array, and read as it is', (t) => {
  const memory = newMemory()
  t.throws(() => memory.readObj(new Proxy(['u8', 4] as const, {}), 0), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => memory.writeObj(new Proxy(['u8', 1] as const, {}), [1], 0), { code: 'ERR_INVALID_ARG_TYPE' })
  replaced(Uint16Array, 'name', { value: 'Float32Array' }, () => {
    memory.writeObj(['u16', 2], Float32Array.of(1, 2) as never, 0)
    t.deepEqual(memory.readObj(['u16', 2], 0), Uint16Array.of(1, 2))
  })
})

test.serial('an array on shared memory that grows is written as long as it was', (t) => {
  const memory = newMemory()
  // Of a later edition of the language than the declarations are for.
  const Growable = SharedArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => SharedArrayBuffer & { grow(length: number): void }
  const shared = new Growable(4, { maxByteLength: 64 })
  const tracking = new Uint8Array(shared).fill(1)
  shared.grow(8)
  t.is(tracking.length, 8)
  t.is(memory.write(tracking, 16), 8)
  t.deepEqual(memory.readObj(['u8', 10], 15), Uint8Array.of(15, 1, 1, 1, 1, 0, 0, 0, 0, 24))
})
