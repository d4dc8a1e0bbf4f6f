// Structs that are used so often that they get functions of their own: nothing answers differently from then on.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { inspect } from 'node:util'
import test from 'ava'

import {
  type ByteValued,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  struct,
  type StructFields,
  type StructType,
} from '../index.js'
import { SCALAR_TYPES } from './property/scalars.js'

const PAGE = 4096
const OFTEN = 50

const Inner = struct({ a: 'u8', b: 'be32' })
const STRUCTS: readonly StructType[] = [
  struct(Object.fromEntries(SCALAR_TYPES.map((type, index) => [`f${index}`, type]))),
  struct(Object.fromEntries(SCALAR_TYPES.filter((type) => !type.endsWith('128')).map((type) => [type, type]))),
  struct({ a: 'u8', b: 'u64', c: 'u8' }),
  struct({ a: 'u8', b: 'u64', c: 'u8' }, { packed: true }),
  struct({ head: 'u16', inner: Inner, tail: 'i64' }),
  struct({ inner: struct({ inner: Inner }), tail: 'u8' }),
  struct({ list: ['u16', 3], tail: 'u8' }),
  struct({ list: [Inner, 2] }),
  struct(Object.fromEntries(SCALAR_TYPES.map((type) => [type, [type, 2]]))),
  struct(Object.fromEntries(SCALAR_TYPES.filter((type) => !type.endsWith('128')).map((type) => [type, [type, 5]]))),
  struct({ lists: [struct({ list: ['be16', 2], inner: Inner }), 3], long: ['u8', 300] }),
  struct({ lists: [struct({ list: ['be16', 2], inner: Inner }), 3], long: [Inner, 40] }),
  struct({
    ['__proto__']: 'u32',
    'a b': 'u8',
    '"': 'u8',
    '\\': 'u8',
    '\u2028\ud800': 'u8',
    constructor: 'u8',
    ä: 'i8',
  }),
  struct(Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`f${index}`, 'u8' as const]))),
]

const newMemory = (bitmap = false): GuestMemoryMmap =>
  GuestMemoryMmap.fromRanges(
    [
      [0, PAGE],
      [PAGE, PAGE],
    ],
    { bitmap },
  )

/** A type that lies like another one, and was never used: the native methods answer for it. */
function unused(type: StructType): StructType {
  const entries = Object.entries(type.fields).map(([name, field]): [string, ByteValued] => [
    name,
    typeof field === 'object' && 'fields' in field ? unused(field) : field,
  ])
  return struct(Object.fromEntries(entries), { packed: type.size > 1 && type.alignment === 1 })
}

function warmUp(type: StructType, memory: GuestMemoryMmap): void {
  for (let use = 0; use < OFTEN; use += 1) memory.writeObj(type, memory.readObj(type, 0), 0)
}

function fillWithNoise(memory: GuestMemoryMmap, seed: number): void {
  const bytes = new Uint8Array(PAGE)
  let state = seed
  for (let index = 0; index < PAGE; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  memory.writeSlice(bytes, 0)
}

const bytesOf = (memory: GuestMemoryMmap): Buffer => {
  const bytes = new Uint8Array(2 * PAGE)
  memory.readSlice(bytes, 0)
  return Buffer.from(bytes)
}

/** What a call does: what it throws, or what it returns. */
function outcome(call: () => unknown): string {
  try {
    return inspect(call(), { depth: 9 })
  } catch (error) {
    return inspect({ ...(error as object), name: (error as Error).name, message: (error as Error).message })
  }
}

for (const [index, type] of STRUCTS.entries()) {
  test(`struct ${index} is read and written as before`, (t) => {
    const [memory, other] = [newMemory(), newMemory()]
    warmUp(type, memory)
    for (let round = 0; round < 20; round += 1) {
      for (const each of [memory, other]) fillWithNoise(each, round + 1)
      const at = round * 7
      const value = memory.readObj(type, at)
      const expected = other.readObj(unused(type), at)
      t.deepEqual(value, expected)
      t.is(inspect(value, { depth: 9, showHidden: true }), inspect(expected, { depth: 9, showHidden: true }))
      t.is(Object.getPrototypeOf(value), Object.prototype)
      memory.writeObj(type, value as never, PAGE - 40 + at)
      other.writeObj(unused(type), expected as never, PAGE - 40 + at)
      t.true(bytesOf(memory).equals(bytesOf(other)))
    }
  })
}

for (const [index, type] of STRUCTS.entries()) {
  test(`arrays of struct ${index} are read as before`, (t) => {
    const memory = newMemory()
    warmUp(type, memory)
    fillWithNoise(memory, 7)
    for (const length of [1, 2, 3, 7, 30]) {
      for (const at of [0, 5, PAGE - type.size, PAGE - 1]) {
        const expected = outcome(() => memory.readObj([unused(type), length], at))
        t.is(
          outcome(() => memory.readObj([type, length], at)),
          expected,
        )
      }
    }
    for (const length of [0, -1, 1.5, 2 ** 53, '2', undefined, 3n]) {
      const arrays = [type, unused(type)].map((each) => [each, length] as unknown as ByteValued)
      const outcomes = arrays.map((each) => outcome(() => memory.readObj(each, 0)))
      t.is(outcomes[0], outcomes[1], String(length))
    }
  })
}

test('setters that arrays inherit are called as before, and may end what is read', (t) => {
  const type = struct({ a: 'u8' })
  warmUp(type, newMemory())
  for (const owner of [Array.prototype, Object.prototype]) {
    const outcomes = [type, unused(type)].map((each) => {
      const memory = newMemory()
      memory.writeSlice(Uint8Array.of(1, 2, 3), 0)
      const region = memory.findRegion(0)
      let calls = 0
      let result: { names?: string[] } = {}
      const set = (): void => {
        calls += 1
        region?.release()
      }
      Object.defineProperty(owner, '1', { configurable: true, get: () => 0, set })
      try {
        result = { names: Object.getOwnPropertyNames(memory.readObj([each, 3], 0)) }
      } finally {
        Reflect.deleteProperty(owner, '1')
      }
      return { calls, ...result, isReleased: region?.isReleased }
    })
    t.deepEqual(outcomes[0], outcomes[1])
  }
})

const NUMBERS = [0, -0, 1, -1, 0.5, 127, 128, 255, 256, -128, -129, 32_767, 65_535, 65_536, 2 ** 53 - 1, 2 ** 53]
const EDGES = [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31), -(2 ** 31) - 1, NaN, Infinity]
const BIGINTS = [
  0n,
  1n,
  -1n,
  255n,
  256n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n,
  -(2n ** 63n),
  -(2n ** 65n),
]
const VALUES: readonly unknown[] = [...NUMBERS, ...EDGES, ...BIGINTS, undefined, null, '1', true, {}, []]

for (const scalar of SCALAR_TYPES) {
  test(`every value for a field of type ${scalar} is taken or refused as before`, (t) => {
    const [memory, other] = [newMemory(), newMemory()]
    const fields: StructFields = { first: 'u8', it: scalar, last: 'u8' }
    const type = struct(fields)
    warmUp(type, memory)
    for (const value of VALUES) {
      const write = (to: GuestMemoryMmap, kind: StructType): (() => void) => {
        return () => to.writeObj(kind, { first: 1, it: value, last: 2 } as never, 16)
      }
      t.is(outcome(write(memory, type)), outcome(write(other, struct(fields))), inspect(value))
      t.true(bytesOf(memory).equals(bytesOf(other)), inspect(value))
    }
  })
}

test('fields are read in order, once, and none behind one that is refused', (t) => {
  const fields = { a: 'u8', b: 'u64', c: 'u32', d: 'u16' } as const
  const type = struct(fields)
  const memory = newMemory()
  warmUp(type, memory)
  const told = (kind: StructType, values: Record<string, unknown>, addr: unknown): unknown[] => {
    const log: unknown[] = []
    const value = new Proxy(values, {
      get(target, name) {
        log.push(name)
        return target[name as string]
      },
    })
    log.push(outcome(() => memory.writeObj(kind, value as never, addr as number)))
    return log
  }
  for (const values of [
    { a: 1, b: 2n, c: 3, d: 4 },
    { a: 1, b: 2, c: 3n, d: 4 },
    { a: 1n, b: 2n ** 64n, c: 3, d: 4 },
    { a: 256, b: 2n, c: 3, d: 4 },
    { a: 1, b: 2n, c: 3 },
    {},
  ]) {
    for (const addr of [0, 8n, PAGE - 4, 2 * PAGE - 4, 2 * PAGE, -1, 'x', 2n ** 64n]) {
      t.deepEqual(told(type, values, addr), told(struct(fields), values, addr), inspect([values, addr]))
    }
  }
})

test('structs in structs are read in order, once, and nothing behind what is refused', (t) => {
  const fields = () =>
    ({ a: 'u8', in: struct({ b: 'u16', in: struct({ c: 'be32', d: 'u64' }), e: 'u8' }), f: 'i8' }) as const
  const type = struct(fields())
  const memory = newMemory()
  warmUp(type, memory)
  const told = (kind: StructType, values: object, addr: unknown): unknown[] => {
    const log: unknown[] = []
    const logged = (object: object, path: string): object =>
      new Proxy(object, {
        get(target, name) {
          log.push(path + String(name))
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'object' && value !== null ? logged(value, `${path}${String(name)}.`) : value
        },
      })
    log.push(outcome(() => memory.writeObj(kind, logged(values, '') as never, addr as number)))
    return [...log, bytesOf(memory).toString('latin1')]
  }
  const good = { a: 1, in: { b: 2, in: { c: 3, d: 4n }, e: 5 }, f: -6 }
  const values = [
    good,
    { ...good, a: 256 },
    { ...good, f: 'x' },
    { ...good, in: 7 },
    { ...good, in: null },
    { ...good, in: undefined },
    { ...good, in: () => 0 },
    { ...good, in: { ...good.in, b: -1 } },
    { ...good, in: { ...good.in, e: 256 } },
    { ...good, in: { ...good.in, in: {} } },
    { ...good, in: { ...good.in, in: { c: 3n, d: 4 } } },
    { ...good, in: { ...good.in, in: { c: 2 ** 32, d: 4 } } },
    { ...good, in: { ...good.in, in: { c: 1, d: 2n ** 64n } } },
    { ...good, in: { ...good.in, in: [1, 2] } },
  ]
  for (const value of values) {
    for (const addr of [0, 8n, PAGE - 4, 2 * PAGE - 4, 'x']) {
      memory.fill(0xff, 0, 2 * PAGE)
      const answer = told(type, value, addr)
      memory.fill(0xff, 0, 2 * PAGE)
      t.deepEqual(answer, told(unused(type), value, addr), inspect([value, addr], { depth: 9 }))
    }
  }
})

test('a getter may dispose of the guard, and write to where the struct goes', (t) => {
  const type = struct({ a: 'u32', b: 'u32' })
  const memory = newMemory()
  const atomic = new GuestMemoryAtomic(memory)
  warmUp(type, memory)
  const guard = atomic.memory()
  for (let use = 0; use < OFTEN; use += 1) guard.writeObj(type, guard.readObj(type, 0), 0)
  const value = {
    get a() {
      guard.dispose()
      memory.writeU32(9, 4)
      return 7
    },
    b: 8,
  }
  guard.writeObj(type, value, 0)
  t.deepEqual(memory.readObj(type, 0), { a: 7, b: 8 })
  t.throws(() => guard.readObj(type, 0), { code: 'ERR_DISPOSED' })
  t.throws(() => guard.writeObj(type, value, 0), { code: 'ERR_DISPOSED' })
})

test('what is written is marked', (t) => {
  const type = struct({ a: 'u32', b: 'u32' })
  const memory = newMemory(true)
  warmUp(type, memory)
  memory.dirtyRanges({ reset: true })
  memory.writeObj(type, { a: 1, b: 2 }, PAGE - 4)
  t.deepEqual(memory.dirtyRanges({ reset: true }), [
    [0n, PAGE],
    [BigInt(PAGE), PAGE],
  ])
})

test('padding is written as zeros', (t) => {
  const type = struct({ a: 'u8', b: 'u32', c: 'u8' })
  const memory = newMemory()
  warmUp(type, memory)
  memory.fill(0xff, 0, 16)
  memory.writeObj(type, { a: 1, b: 2, c: 3 }, 0)
  t.deepEqual([...bytesOf(memory).subarray(0, 13)], [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xff])
})

test('look-alikes and proxies of a struct that is used often are none', (t) => {
  const type = struct({ a: 'u32' })
  const memory = newMemory()
  warmUp(type, memory)
  for (const fake of [{ ...type }, Object.create(type) as StructType, new Proxy(type, {})]) {
    t.throws(() => memory.readObj(fake, 0), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => memory.writeObj(fake, { a: 1 }, 0), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('a program that forbids to make code of text has structs as well', (t) => {
  const script = `
    const { GuestMemoryMmap, struct } = require('./index.js')
    const memory = GuestMemoryMmap.fromRanges([[0, 4096]])
    const type = struct({ a: 'u32', b: 'be16' })
    for (let use = 0; use < 50; use += 1) memory.writeObj(type, { a: use, b: use }, 0)
    console.log(JSON.stringify(memory.readObj(type, 0)))`
  const told = execFileSync(process.execPath, ['--disallow-code-generation-from-strings', '-e', script], {
    cwd: path.join(import.meta.dirname, '..'),
    encoding: 'utf8',
  })
  t.deepEqual(JSON.parse(told), { a: 49, b: 49 })
})
