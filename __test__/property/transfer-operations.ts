// Volatile transfers and dirty tracking.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import * as fc from 'fast-check'

import type { VolatileIo } from '../../index.js'

import { buffer, count, index, offset, operation, target } from './arbitrary.js'
import { attempt, type BufferSpec, type Outcome, type World } from './world.js'

/** The file, or bytes. */
const io = fc.oneof(fc.constant('file' as const), buffer)

/** Runs a transfer and tells what it returned, and what is in the other end after it. */
function transferring(
  world: World,
  spec: 'file' | BufferSpec,
  transfer: (io: VolatileIo) => unknown,
): [Outcome, Uint8Array] {
  const { file } = world.implementation
  if (spec === 'file') return [attempt(() => transfer(file)), world.implementation.fileContent().slice()]
  const bytes = world.bytes(spec)
  return [attempt(() => transfer(bytes)), bytes.slice()]
}

const READS = ['readVolatileFrom', 'readExactVolatileFrom'] as const
const WRITES = ['writeVolatileTo', 'writeAllVolatileTo'] as const
const SLICE_READS = ['readVolatile', 'readExactVolatile'] as const
const SLICE_WRITES = ['writeVolatile', 'writeAllVolatile'] as const

export const transfers = [
  ...[...READS, ...WRITES].map((method) =>
    operation(method, fc.record({ target, io, count }), (world, { target, io, count }) => {
      const [memory, addr] = world.target(target)
      return transferring(world, io, (io) => memory[method](addr, io, count))
    }),
  ),
  ...[...SLICE_READS, ...SLICE_WRITES].map((method) =>
    operation(`${method} of a slice`, fc.record({ slice: index, io }), (world, { slice, io }) =>
      transferring(world, io, (io) => world.slice(slice)[method](io)),
    ),
  ),
]

const range = fc.record({ region: index, start: offset, len: count })

export const tracking = [
  operation('markDirty', range, (world, { region, start, len }) => {
    const { region: found, size } = world.knownRegion(region)
    found.bitmap?.markDirty(world.offset(start, size), len)
  }),
  operation('setAddrRange', range, (world, { region, start, len }) => {
    const { region: found, size } = world.knownRegion(region)
    found.bitmap?.setAddrRange(world.offset(start, size), len)
  }),
  operation('resetAddrRange', range, (world, { region, start, len }) => {
    const { region: found, size } = world.knownRegion(region)
    found.bitmap?.resetAddrRange(world.offset(start, size), len)
  }),
  operation('getAndReset', index, (world, region) => world.knownRegion(region).region.bitmap?.getAndReset()),
  operation('dirtyAt and isBitSet', fc.record({ region: index, at: offset }), (world, { region, at }) => {
    const { region: found, size } = world.knownRegion(region)
    const offset = world.offset(at, size)
    const { bitmap } = found
    return bitmap === null
      ? null
      : [bitmap.dirtyAt(offset), bitmap.isAddrSet(offset), bitmap.isBitSet(offset), bitmap.len]
  }),
  operation(
    'markDirty and dirtyAt of a slice',
    fc.record({ slice: index, at: fc.nat({ max: 9000 }), len: fc.nat({ max: 9000 }) }),
    (world, { slice, at, len }) => {
      const { bitmap } = world.slice(slice)
      const before = bitmap?.dirtyAt(at)
      bitmap?.markDirty(at, len)
      return [bitmap === null, before]
    },
  ),
]
