// Where operations go and what they carry: mostly edges.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import * as fc from 'fast-check'

import { type ByteValued, type Ordering, pageSize, type ScalarType } from '../../index.js'

import { boundsOf, SCALAR_TYPES } from './scalars.js'
import type { BufferKind, BufferSpec, Layout, Offset, Place, Target, Where, World } from './world.js'

export interface Operation {
  apply(world: World): unknown
}

/** One kind of operation; a counterexample shows its name and arguments. */
export function operation<A>(
  name: string,
  args: fc.Arbitrary<A>,
  apply: (world: World, args: A) => unknown,
): fc.Arbitrary<Operation> {
  return args.map((values) => ({
    apply: (world: World) => apply(world, values),
    [fc.toStringMethod]: () => `${name}(${fc.stringify(values)})`,
  }))
}

const PAGE = pageSize()
const MAX = (1n << 64n) - 1n

const delta = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -20, max: 20 }) },
  { weight: 2, arbitrary: fc.integer({ min: -PAGE - 9, max: PAGE + 9 }) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 3 }).map((words) => words * 8) },
  { weight: 1, arbitrary: fc.constantFrom(PAGE, PAGE - 1, PAGE - 4, -PAGE) },
)

const place: fc.Arbitrary<Place> = fc.record({ from: fc.constantFrom('start', 'end'), delta })

/** Numbers where others go wrong. */
const far = fc.constantFrom(0n, 1n << 32n, 1n << 53n, (1n << 53n) - 1n, 1n << 63n, MAX - 1n, MAX)

export const index = fc.nat({ max: 9 })

export const offset: fc.Arbitrary<Offset> = fc.oneof({ weight: 12, arbitrary: place }, { weight: 1, arbitrary: far })

export const where: fc.Arbitrary<Where> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ region: index, from: fc.constantFrom<'start' | 'end'>('start', 'end'), delta }),
  },
  { weight: 1, arbitrary: far },
)

export const target: fc.Arbitrary<Target> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ on: fc.constant('memory' as const), memory: index, at: where }) },
  { weight: 1, arbitrary: fc.record({ on: fc.constant('region' as const), region: index, at: offset }) },
  { weight: 1, arbitrary: fc.record({ on: fc.constant('slice' as const), slice: index, at: offset }) },
)

/** Bytes that exist. */
export const length = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 24 }) },
  { weight: 2, arbitrary: fc.integer({ min: PAGE - 9, max: PAGE + 9 }) },
  { weight: 1, arbitrary: fc.nat({ max: 3 * PAGE }) },
)

/** Bytes that may be more than anything has. */
export const count = fc.oneof({ weight: 8, arbitrary: length.map(BigInt) }, { weight: 1, arbitrary: far })

const seed = fc.nat({ max: 255 })

export const buffer: fc.Arbitrary<BufferSpec> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom<BufferKind>('Uint8Array', 'DataView', 'part of an array'),
      length,
      seed,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('guest memory' as const),
      region: index,
      start: fc.nat({ max: 2 * PAGE }),
      length,
    }),
  },
)

export const order: fc.Arbitrary<Ordering> = fc.constantFrom<Ordering[]>(0, 1, 2, 3, 4)

/** Values that fit a type, and the first ones that do not. */
export function valueOf(type: ScalarType): fc.Arbitrary<number | bigint> {
  const [min, max] = boundsOf(type)
  const value = fc.oneof(
    { weight: 6, arbitrary: fc.bigInt({ min, max }) },
    { weight: 1, arbitrary: fc.constantFrom(min, max, min - 1n, max + 1n) },
  )
  return fc
    .tuple(value, fc.boolean())
    .map(([value, asNumber]) => (asNumber && Number.isSafeInteger(Number(value)) ? Number(value) : value))
}

export const scalarType = fc.constantFrom(...SCALAR_TYPES)

export const arrayType: fc.Arbitrary<readonly [ScalarType, number]> = fc.tuple(scalarType, fc.nat({ max: 9 }))

export const byteValued: fc.Arbitrary<ByteValued> = fc.oneof(
  { weight: 2, arbitrary: scalarType },
  { weight: 1, arbitrary: arrayType },
)

/** Sizes of regions; few are whole pages. */
export const size = fc.oneof(
  fc.constantFrom(1, 2, 7, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE),
  fc.integer({ min: 1, max: 2 * PAGE + 9 }),
)

/** One to six regions: neighbours, with small gaps or far apart; at zero, across 2^32, 2^53 and 2^63, and at the end. */
export const layout: fc.Arbitrary<Layout> = fc
  .record({
    tracked: fc.boolean(),
    anchor: fc.constantFrom(0n, 0x1000n, (1n << 32n) - 0x1001n, (1n << 53n) - 5n, (1n << 63n) - 0x1800n, MAX),
    shift: fc.nat({ max: 3 * PAGE }),
    regions: fc.array(
      fc.record({
        gap: fc.oneof(
          { weight: 3, arbitrary: fc.constant(0) },
          { weight: 2, arbitrary: fc.constantFrom(1, 7, PAGE, 2 ** 40) },
        ),
        size,
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ tracked, anchor, shift, regions }) => {
    const span = regions.reduce((sum, { gap, size }) => sum + BigInt(gap + size), 0n)
    let next = anchor === MAX ? MAX - span - BigInt(shift % 2) : anchor + BigInt(shift)
    const ranges = regions.map(({ gap, size }): [bigint, number] => {
      const start = next + BigInt(gap)
      next = start + BigInt(size)
      return [start, size]
    })
    return { tracked, ranges }
  })
