// Access by copy, and slices.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import * as fc from 'fast-check'

import type { Ordering, ScalarType } from '../../index.js'

import {
  arrayType,
  buffer,
  byteValued,
  count,
  index,
  length,
  offset,
  operation,
  order,
  scalarType,
  target,
  valueOf,
} from './arbitrary.js'
import { bytesOf } from './model-access.js'
import { ATOMIC_TYPES } from './scalars.js'
import { attempt, type World } from './world.js'

const transfer = fc.record({ target, buffer })

const withValue = <T extends ScalarType>(type: fc.Arbitrary<T>) =>
  type.chain((type) => fc.record({ type: fc.constant(type), value: valueOf(type) }))

const SHORT_NAMES = ['U8', 'I8', 'U16', 'I16', 'U32', 'I32', 'U64', 'I64'] as const

/** Elements as JavaScript has them: now and then too many, or out of range. */
const arrayAndValues = arrayType.chain(([type, length]) =>
  fc.record({
    type: fc.constant([type, length] as const),
    values: fc.oneof(
      { weight: 6, arbitrary: fc.array(valueOf(type), { minLength: length, maxLength: length }) },
      { weight: 1, arbitrary: fc.array(valueOf(type), { maxLength: 10 }) },
    ),
  }),
)

export const access = [
  operation('read', transfer, (world, { target, buffer }) => {
    const [memory, addr] = world.target(target)
    const buf = world.buffer(buffer)
    return [attempt(() => memory.read(buf, addr)), bytesOf(buf).slice()]
  }),
  operation('readSlice', transfer, (world, { target, buffer }) => {
    const [memory, addr] = world.target(target)
    const buf = world.buffer(buffer)
    return [attempt(() => memory.readSlice(buf, addr)), bytesOf(buf).slice()]
  }),
  operation('write', transfer, (world, { target, buffer }) => {
    const [memory, addr] = world.target(target)
    return memory.write(world.buffer(buffer), addr)
  }),
  operation('writeSlice', transfer, (world, { target, buffer }) => {
    const [memory, addr] = world.target(target)
    memory.writeSlice(world.buffer(buffer), addr)
  }),
  operation(
    'fill',
    fc.record({ target, value: valueOf('u8'), count: fc.oneof(length, count) }),
    (world, { target, value, count }) => {
      const [memory, addr] = world.target(target)
      memory.fill(Number(value), addr, count)
    },
  ),
  operation('readObj', fc.record({ target, type: byteValued }), (world, { target, type }) => {
    const [memory, addr] = world.target(target)
    return memory.readObj(type, addr)
  }),
  operation(
    'writeObj',
    fc.record({ target, scalar: withValue(scalarType) }),
    (world, { target, scalar: { type, value } }) => {
      const [memory, addr] = world.target(target)
      memory.writeObj(type, value, addr)
    },
  ),
  operation(
    'writeObj of an array',
    fc.record({ target, array: arrayAndValues }),
    (world, { target, array: { type, values } }) => {
      const [memory, addr] = world.target(target)
      memory.writeObj(type, values as number[], addr)
    },
  ),
  operation('read…', fc.record({ target, type: fc.constantFrom(...SHORT_NAMES) }), (world, { target, type }) => {
    const [memory, addr] = world.target(target)
    return memory[`read${type}`](addr)
  }),
  operation(
    'write…',
    fc
      .constantFrom(...SHORT_NAMES)
      .chain((name) =>
        fc.record({ target, name: fc.constant(name), value: valueOf(name.toLowerCase() as ScalarType) }),
      ),
    (world, { target, name, value }) => {
      const [memory, addr] = world.target(target)
      memory[`write${name}`](value as number, addr)
    },
  ),
  operation(
    'load',
    fc.record({ target, type: fc.constantFrom(...ATOMIC_TYPES), order }),
    (world, { target, type, order }) => {
      const [memory, addr] = world.target(target)
      return memory.load(type as 'u64', addr, order)
    },
  ),
  operation(
    'store',
    fc.record({ target, scalar: withValue(fc.constantFrom(...ATOMIC_TYPES)), order }),
    (world, { target, scalar: { type, value }, order }) => {
      const [memory, addr] = world.target(target)
      memory.store(type, value, addr, order satisfies Ordering)
    },
  ),
]

const ARRAYS = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
] as const

const array = fc.record({
  Array: fc.nat({ max: ARRAYS.length - 1 }),
  length: fc.oneof(fc.nat({ max: 24 }), fc.nat({ max: 3000 })),
})

function typedArray(spec: { Array: number; length: number }): NodeJS.TypedArray {
  const TypedArray = ARRAYS[spec.Array] ?? Uint8Array
  const bytes = new Uint8Array(spec.length * TypedArray.BYTES_PER_ELEMENT).map((_, index) => index * 5 + spec.length)
  return new TypedArray(bytes.buffer)
}

const part = fc.record({ slice: index, offset, count: fc.oneof(offset, length.map(BigInt)) })

const lengthOf = (world: World, slice: number): number => world.slice(slice).len

export const slices = [
  operation('getSlice', fc.record({ target, count: length }), (world, { target, count }) => {
    const [memory, addr] = world.target(target)
    return world.keepSlice(memory.getSlice(addr, count))
  }),
  operation('subslice', part, (world, { slice, offset, count }) => {
    const size = lengthOf(world, slice)
    return world.keepSlice(world.slice(slice).subslice(world.offset(offset, size), world.offset(count, size)))
  }),
  operation('offset', fc.record({ slice: index, count: offset }), (world, { slice, count }) =>
    world.keepSlice(world.slice(slice).offset(world.offset(count, lengthOf(world, slice)))),
  ),
  operation('splitAt', fc.record({ slice: index, mid: offset }), (world, { slice, mid }) =>
    world
      .slice(slice)
      .splitAt(world.offset(mid, lengthOf(world, slice)))
      .map((half) => world.keepSlice(half)),
  ),
  operation('asVolatileSlice of a region', index, (world, region) =>
    world.keepSlice(world.knownRegion(region).region.asVolatileSlice()),
  ),
  operation('copyTo', fc.record({ slice: index, array }), (world, { slice, array }) => {
    const dst = typedArray(array)
    return [world.slice(slice).copyTo(dst), new Uint8Array(dst.buffer)]
  }),
  operation('copyFrom', fc.record({ slice: index, array }), (world, { slice, array }) =>
    world.slice(slice).copyFrom(typedArray(array)),
  ),
  operation('copyToVolatileSlice', fc.record({ from: index, to: index }), (world, { from, to }) =>
    world.slice(from).copyToVolatileSlice(world.slice(to)),
  ),
  operation(
    'a write through asUint8Array of a slice',
    fc.record({ slice: index, at: fc.nat({ max: 30 }) }),
    (world, { slice, at }) => {
      const { isEmpty, len } = world.slice(slice)
      const view = world.slice(slice).asUint8Array()
      view[at] = 0x5a
      return [view.length, isEmpty, len]
    },
  ),
]
