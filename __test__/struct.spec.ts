// Structs: where their fields lie, what they are read as, what they refuse.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'

import {
  type ByteValued,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  PROT_READ,
  MmapRegion,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  struct,
  type StructFields,
  type StructType,
} from '../index.js'
import { refuses, refusesArgument } from './refusal.js'

const PAGE = 4096
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }

const Descriptor = struct({ addr: 'le64', len: 'le32', flags: 'le16', next: 'le16' })
const Small = struct({ tag: 'u8', value: 'u16' })
const Packed = struct({ a: 'u8', b: 'u64', c: 'u16' }, { packed: true })

function newMemory(): GuestMemoryMmap {
  // Two regions side by side.
  return GuestMemoryMmap.fromRanges([
    [0, PAGE],
    [PAGE, PAGE],
  ])
}

// ------------------------------------------------------------------------------------------------ layouts

/** Structs whose layout is compared with that of the compiler of Rust. */
const LAYOUTS: readonly StructType[] = [
  struct({ a: 'u8' }),
  struct({ a: 'i128' }),
  struct({ a: 'u8', b: 'u16' }),
  struct({ a: 'u16', b: 'u8' }),
  struct({ a: 'u8', b: 'u32', c: 'u8' }),
  struct({ a: 'u8', b: 'u64' }),
  struct({ a: 'u64', b: 'u8' }),
  struct({ a: 'u8', b: 'u128' }),
  struct({ a: 'u128', b: 'i8', c: 'i16' }),
  struct({ a: 'i8', b: 'i16', c: 'i32', d: 'i64' }),
  struct({ a: 'i64', b: 'i32', c: 'i16', d: 'i8' }),
  struct({ a: 'usize', b: 'u8', c: 'isize' }),
  struct({ a: 'u8', b: 'le16', c: 'u8', d: 'be16' }),
  struct({ a: 'u8', b: 'le32', c: 'u8', d: 'be32' }),
  struct({ a: 'u8', b: 'le64', c: 'u8', d: 'be64' }),
  struct({ a: 'u8', b: 'leSize', c: 'u8', d: 'beSize' }),
  struct({ a: ['u8', 3], b: 'u16' }),
  struct({ a: ['u8', 3], b: ['u32', 2], c: ['u8', 5] }),
  struct({ a: ['u16', 0], b: 'u8' }),
  struct({ a: 'u8', b: ['u64', 0] }),
  struct({ a: 'u8', b: ['be32', 3], c: 'u8' }),
  struct({ a: ['u128', 2], b: 'u8' }),
  Descriptor,
  Small,
  Packed,
  struct({ a: Small, b: 'u8' }),
  struct({ a: 'u8', b: Small, c: 'u32' }),
  struct({ a: 'u8', b: [Small, 3], c: 'u8' }),
  struct({ a: 'u8', b: Packed, c: 'u16' }),
  struct({ a: 'u8', b: [Packed, 2], c: 'u128' }),
  struct({ a: 'u8', b: Descriptor }),
  struct({ a: 'u8', b: Descriptor }, { packed: true }),
  struct({ a: [Descriptor, 2], b: 'u8', c: struct({ d: 'u8', e: struct({ f: 'u32' }) }) }),
]

const RUST: Record<string, string> = { leSize: 'LeSize', beSize: 'BeSize' }

/** Writes a program that prints the layouts. Endian types are what upstream has: integers of the host in a struct. */
function programOf(types: readonly StructType[]): string {
  const names = new Map<StructType, string>()
  const items: string[] = []
  const rustOf = (type: ByteValued): string => {
    if (typeof type === 'string') {
      return RUST[type] ?? type.replace(/^[lb]e/, (prefix) => (prefix === 'le' ? 'Le' : 'Be'))
    }
    if (Array.isArray(type)) return `[${rustOf(type[0] as ByteValued)}; ${type[1]}]`
    return nameOf(type as StructType)
  }
  const nameOf = (type: StructType): string => {
    const known = names.get(type)
    if (known !== undefined) return known
    const fields = Object.entries(type.fields).map(([name, field]) => `${name}: ${rustOf(field)}`)
    const name = `S${names.size}`
    names.set(type, name)
    const isPacked = type.alignment === 1 && type.size > 1
    items.push(`#[repr(C${isPacked ? ', packed' : ''})] #[allow(dead_code)] struct ${name} { ${fields.join(', ')} }`)
    return name
  }
  const prints = types.map((type) => {
    const name = nameOf(type)
    const offsets = Object.keys(type.fields).map((field) => `std::mem::offset_of!(${name}, ${field})`)
    return `println!("{:?}", (size_of::<${name}>(), align_of::<${name}>(), vec![${offsets.join(', ')}]));`
  })
  const endian = [16, 32, 64].flatMap((bits) => ['Le', 'Be'].map((order) => `struct ${order}${bits}(u${bits});`))
  const wrappers = [...endian, 'struct LeSize(usize);', 'struct BeSize(usize);'].map(
    (item) => `#[repr(transparent)] #[allow(dead_code)] ${item}`,
  )
  return [...wrappers, ...items, `fn main() { ${prints.join('\n')} }`].join('\n')
}

function compile(t: ExecutionContext, source: string): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-struct-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  fs.writeFileSync(path.join(directory, 'main.rs'), source)
  execFileSync('rustc', ['--edition', '2024', 'main.rs'], { cwd: directory })
  return execFileSync(path.join(directory, 'main'), { encoding: 'utf8' })
}

test('structs lie in memory as rustc lays them out', (t) => {
  if (spawnSync('rustc', ['--version']).error) {
    t.log('there is no rustc here')
    return t.pass()
  }
  const lines = compile(t, programOf(LAYOUTS)).trim().split('\n')
  const ours = LAYOUTS.map(
    ({ size, alignment, offsets }) => `(${size}, ${alignment}, [${Object.values(offsets).join(', ')}])`,
  )
  t.true(ours.length > 30)
  t.deepEqual(ours, lines)
})

// ------------------------------------------------------------------------------------------------ values

/** A type that has everything, and a value of it. */
const Everything = struct({
  u8: 'u8',
  i16: 'i16',
  be32: 'be32',
  i64: 'i64',
  u128: 'u128',
  i128: 'i128',
  bytes: ['u8', 3],
  words: ['be16', 2],
  wide: ['i128', 2],
  inner: Descriptor,
  many: [Small, 2],
  none: ['u32', 0],
  last: 'i8',
})
const everything = {
  u8: 255,
  i16: -2,
  be32: 0x01020304,
  i64: -3n,
  u128: 2n ** 127n + 1n,
  i128: -(2n ** 100n),
  bytes: Uint8Array.of(1, 2, 3),
  words: Uint16Array.of(0x0102, 0x0304),
  wide: [-1n, 2n ** 126n],
  inner: { addr: 2n ** 63n, len: 5, flags: 6, next: 7 },
  many: [
    { tag: 1, value: 2 },
    { tag: 3, value: 0xffff },
  ],
  none: new Uint32Array(),
  last: -1,
}

test('what is written is read, at any address, within regions and across', (t) => {
  const memory = newMemory()
  for (const address of [0, 1, 100, PAGE - 1, PAGE - 50, PAGE, 2 * PAGE - Everything.size]) {
    memory.writeObj(Everything, everything, address)
    t.deepEqual(memory.readObj(Everything, address), everything, `${address}`)
  }
})

test('each field has the bytes that its type has by itself', (t) => {
  const memory = newMemory()
  memory.writeObj(Everything, everything, 16)
  for (const [name, type] of Object.entries(Everything.fields)) {
    const offset = (Everything.offsets as Record<string, number>)[name] as number
    const value = (everything as Record<string, unknown>)[name]
    t.deepEqual(memory.readObj(type, 16 + offset), value as never, name)
  }
})

test('padding is written as zeros', (t) => {
  const memory = newMemory()
  const Padded = struct({ a: 'u8', b: 'u64', c: 'u16' })
  memory.fill(0xff, 0, 64)
  memory.writeObj(Padded, { a: 1, b: 2n, c: 3 }, 8)
  t.deepEqual(
    [...memory.readObj(['u8', 24], 8)],
    [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0],
  )
  t.is(memory.readU8(7), 0xff)
  t.is(memory.readU8(32), 0xff)
})

test('regions, slices and guards read and write structs, too', (t) => {
  const memory = newMemory()
  const value = { addr: 1n, len: 2, flags: 3, next: 4 }
  const region = memory.findRegion(PAGE) as GuestRegionMmap
  for (const target of [region, region.getSlice(8, 1000), new GuestMemoryAtomic(memory).memory()]) {
    target.writeObj(Descriptor, value, 24)
    t.deepEqual(target.readObj(Descriptor, 24), value)
    target.writeObj([Descriptor, 2], [value, { ...value, len: 9 }], 48)
    t.deepEqual(target.readObj([Descriptor, 2], 48), [value, { ...value, len: 9 }])
  }
})

test('a write marks the pages that it writes', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, 4 * PAGE]], { bitmap: true })
  const { bitmap } = memory.findRegion(0) as GuestRegionMmap
  memory.writeObj(Descriptor, { addr: 1n, len: 2, flags: 3, next: 4 }, 2 * PAGE - 8)
  t.deepEqual(
    [0, 1, 2, 3].map((page) => bitmap?.dirtyAt(page * PAGE)),
    [false, true, true, false],
  )
})

test('values are plain objects with ordinary properties, and arrays are fresh', (t) => {
  const memory = newMemory()
  const value = memory.readObj(Everything, 0)
  t.is(Object.getPrototypeOf(value), Object.prototype)
  t.deepEqual(Object.keys(value), Object.keys(Everything.fields))
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    t.like(property, { writable: true, enumerable: true, configurable: true }, name)
  }
  t.is(value.bytes.buffer.byteLength, 3)
  value.bytes[0] = 7
  t.is(memory.readObj(Everything, 0).bytes[0], 0)
})

test('names may be anything but integers, __proto__ included', (t) => {
  const memory = newMemory()
  const names = ['', ' ', '__proto__', 'constructor', 'a"b', '-1', '1.5', '01', '4294967295', '\u{1f600}', '\ud800']
  const fields = Object.fromEntries(names.map((name) => [name, 'u8'])) as StructFields
  const Named = struct(fields)
  t.deepEqual(Object.keys(Named.fields), names)
  const value = Object.fromEntries(names.map((name, i) => [name, i + 1]))
  memory.writeObj(Named, value, 0)
  const read = memory.readObj(Named, 0)
  t.deepEqual(Object.entries(read), Object.entries(value))
  t.is(Object.getPrototypeOf(read), Object.prototype)
  for (const name of ['0', '7', '4294967294']) refuses(t, () => struct({ [name]: 'u8' }), OUT_OF_RANGE)
})

// ------------------------------------------------------------------------------------------------ types

test('a type does not change, whatever happens to what it was made of', (t) => {
  const pair: ['u8', number] = ['u8', 2]
  const fields: Record<string, ByteValued> = { a: 'u8', b: pair }
  const Type = struct(fields)
  fields['a'] = 'u64'
  pair[1] = 100
  t.deepEqual([Type.size, Type.fields], [3, { a: 'u8', b: ['u8', 2] }])
  for (const object of [Type, Type.fields, Type.offsets, Type.fields['b'] as object]) t.true(Object.isFrozen(object))
  t.is(inspect(Type.fields), "{ a: 'u8', b: [ 'u8', 2 ] }")
})

test('each part of what a type is made of is read once, in order', (t) => {
  const log: string[] = []
  const pair = ['u8', 2]
  Object.defineProperty(pair, 0, { get: () => (log.push('0'), 'u8') })
  Object.defineProperty(pair, 1, { get: () => (log.push('1'), 2) })
  const fields = {
    get a() {
      log.push('a')
      return 'u8'
    },
    get b() {
      log.push('b')
      return pair
    },
  }
  struct(fields as never)
  t.deepEqual(log, ['a', 'b', '0', '1'])
})

test('what is no type is refused', (t) => {
  const memory = newMemory()
  for (const fields of [undefined, null, 1, 'u8', () => {}, [], ['u8'], new Uint8Array(4)]) {
    refusesArgument(t, () => struct(fields as never), inspect(fields))
  }
  for (const type of ['f32', '', null, undefined, {}, ['u8'], ['f32', 1], () => {}]) {
    refusesArgument(t, () => struct({ a: type as never }), inspect(type))
  }
  refuses(t, () => struct({ a: ['u8', -1] }), OUT_OF_RANGE)
  refuses(t, () => struct({}), OUT_OF_RANGE)
  refuses(t, () => struct({ a: ['u8', 0] }), OUT_OF_RANGE)
  refuses(t, () => struct({ a: ['u8', 2 ** 53 - 1], b: ['u8', 2 ** 53 - 1] }), OUT_OF_RANGE)
  refuses(t, () => struct({ a: ['u8', (2n ** 64n - 1n) as never] }), OUT_OF_RANGE)
  for (const packed of [null, 1, 'true']) {
    refusesArgument(t, () => struct({ a: 'u8' }, { packed: packed as never }), inspect(packed))
  }
  for (const options of [null, 1, () => {}]) {
    refusesArgument(t, () => struct({ a: 'u8' }, options as never), inspect(options))
  }
  // Look-alikes.
  for (const type of [
    { ...Descriptor },
    new Proxy(Descriptor, {}),
    Object.create(Descriptor),
    JSON.parse(JSON.stringify(Descriptor)),
  ]) {
    refusesArgument(t, () => memory.readObj(type as never, 0))
    refusesArgument(t, () => memory.writeObj(type as never, {} as never, 0))
    refusesArgument(t, () => struct({ a: type as never }))
  }
})

test('structs cannot lie in one another without end', (t) => {
  let type: StructType = Small
  refuses(
    t,
    () => {
      for (let depth = 0; depth < 1000; depth += 1) type = struct({ type })
    },
    OUT_OF_RANGE,
  )
  t.is(newMemory().readObj(type, 0) instanceof Object, true)
})

// ------------------------------------------------------------------------------------------------ what is refused

const good = { addr: 1n, len: 2, flags: 3, next: 4 }

test('nothing is written unless every field is good', (t) => {
  const memory = newMemory()
  for (const value of [undefined, null, 1, 'text', () => {}, []]) {
    refusesArgument(t, () => memory.writeObj(Descriptor, value as never, 0), inspect(value))
  }
  for (const name of Object.keys(good)) {
    const { [name]: _, ...rest } = good as Record<string, unknown>
    refusesArgument(t, () => memory.writeObj(Descriptor, rest as never, 0), `without ${name}`)
    refusesArgument(t, () => memory.writeObj(Descriptor, { ...good, [name]: 'text' } as never, 0), name)
    refuses(t, () => memory.writeObj(Descriptor, { ...good, [name]: -1 } as never, 0), OUT_OF_RANGE)
    refuses(t, () => memory.writeObj(Descriptor, { ...good, [name]: 1.5 } as never, 0), OUT_OF_RANGE)
  }
  refuses(t, () => memory.writeObj(Descriptor, { ...good, next: 0x10000 }, 0), OUT_OF_RANGE)
  refuses(t, () => memory.writeObj([Descriptor, 2], [good], 0), OUT_OF_RANGE)
  refuses(t, () => memory.writeObj(struct({ a: ['u8', 2] }), { a: [1] }, 0), OUT_OF_RANGE)
  t.deepEqual(memory.readObj(Descriptor, 0), { addr: 0n, len: 0, flags: 0, next: 0 })
})

test('fields of a value are read once, in order, after the address and before anything is written', (t) => {
  const memory = newMemory()
  const log: string[] = []
  let untouched = (): unknown => t.is(memory.readU64(0), 0n)
  const value = Object.fromEntries(Object.entries(good)) as typeof good
  for (const name of Object.keys(good) as (keyof typeof good)[]) {
    Object.defineProperty(value, name, {
      get() {
        log.push(name)
        untouched()
        return good[name]
      },
    })
  }
  refusesArgument(t, () => memory.writeObj(Descriptor, value, 'x' as never))
  t.deepEqual(log, [])
  memory.writeObj(Descriptor, value, 0)
  t.deepEqual(log, ['addr', 'len', 'flags', 'next'])
  t.deepEqual(memory.readObj(Descriptor, 0), good)
  // As far as the first that is wrong.
  log.length = 0
  untouched = () => {}
  Object.defineProperty(value, 'len', { get: () => (log.push('len'), -1) })
  refuses(t, () => memory.writeObj(Descriptor, value, 64), OUT_OF_RANGE)
  t.deepEqual(log, ['addr', 'len'])
})

test('what a getter throws is thrown on, and a proxy is a good value', (t) => {
  const memory = newMemory()
  const error = new Error('mine')
  const value = {
    ...good,
    get flags(): number {
      throw error
    },
  }
  t.is(
    t.throws(() => memory.writeObj(Descriptor, value, 0)),
    error,
  )
  memory.writeObj(Descriptor, new Proxy(good, {}), 0)
  t.deepEqual(memory.readObj(Descriptor, 0), good)
})

test('a getter may dispose of the guard that is written through', (t) => {
  const memory = newMemory()
  const guard = new GuestMemoryAtomic(memory).memory()
  const value = {
    ...good,
    get flags(): number {
      guard.dispose()
      return 3
    },
  }
  guard.writeObj(Descriptor, value, 0)
  t.deepEqual(memory.readObj(Descriptor, 0), good)
  refuses(t, () => guard.writeObj(Descriptor, good, 0), { name: 'Error', code: 'ERR_DISPOSED' })
})

test('where there is no memory, too little, or no right, structs are refused as their bytes are', (t) => {
  const memory = newMemory()
  const error = (call: () => unknown) => {
    const { name, code, message, ...rest } = t.throws(call) as NodeJS.ErrnoException
    const { operation: _, ...fields } = rest as Record<string, unknown>
    return { name, code, message, ...fields }
  }
  for (const address of [2 * PAGE - 8, 2 * PAGE, 2n ** 64n - 1n]) {
    const bytes = new Uint8Array(Descriptor.size)
    t.deepEqual(
      error(() => memory.readObj(Descriptor, address)),
      error(() => memory.readObj(['u8', Descriptor.size], address)),
    )
    t.deepEqual(
      error(() => memory.writeObj(Descriptor, good, address)),
      error(() => memory.writeSlice(bytes, address)),
    )
  }
  const readOnly = new GuestRegionMmap(MmapRegion.build(null, PAGE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE), 0)
  t.is(readOnly.readObj(Descriptor, 0).len, 0)
  refuses(t, () => readOnly.writeObj(Descriptor, good, 0), { name: 'Error', code: 'ERR_PROTECTION' })
})
