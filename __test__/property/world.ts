// What a sequence of operations works on: one implementation, and all objects that it has given so far. Operations name
// them by index, so that the same operation means the same in the package and in its model.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Usize } from '../../index.js'

import type { Accessible, Atomic, ExclusiveGuard, Implementation, LoadGuard, Memory, Region, Slice } from './surface.js'

/** A place by what is there, so that most places are near an edge. */
export interface Place {
  from: 'start' | 'end'
  delta: number
}
/** An offset in something, or any number at all. */
export type Offset = Place | bigint
/** A guest address. */
export type Where = (Place & { region: number }) | bigint

export type Target =
  | { on: 'memory'; memory: number; at: Where }
  | { on: 'region'; region: number; at: Offset }
  | { on: 'slice'; slice: number; at: Offset }

/** Bytes that are handed in: an array of their own, in one of the forms that are good, or a part of guest memory. */
export type BufferKind = 'Uint8Array' | 'DataView' | 'part of an array'
export type BufferSpec =
  | { kind: BufferKind; length: number; seed: number }
  | { kind: 'guest memory'; region: number; start: number; length: number }

export type Outcome = { returned: unknown } | { thrown: unknown }

export interface Layout {
  tracked: boolean
  ranges: [start: bigint, size: number][]
}

interface KnownRegion {
  region: Region
  start: bigint
  size: number
}

const MOST_REGIONS = 16
const MOST_OBJECTS = 32

/** Small addresses as numbers, so that both forms are used. */
export function eitherForm(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER && value % 2n === 0n ? Number(value) : value
}

function placed(place: Place, start: bigint, size: number): bigint {
  const base = place.from === 'start' ? start : start + BigInt(size)
  return BigInt.asUintN(64, base + BigInt(place.delta))
}

export class World {
  readonly implementation: Implementation
  readonly tracked: boolean
  readonly regions: KnownRegion[] = []
  readonly memories: Memory[] = []
  readonly slices: Slice[] = []
  readonly locks: ExclusiveGuard[] = []
  readonly atomic: Atomic

  constructor(implementation: Implementation, { tracked, ranges }: Layout) {
    this.implementation = implementation
    this.tracked = tracked
    const memory = implementation.fromRanges(ranges, { bitmap: tracked })
    this.indexOfMemory(memory)
    for (const { region } of this.regions) this.keepSlice(region.asVolatileSlice())
    this.atomic = implementation.atomic(memory)
  }

  /** The same object is the same index. */
  indexOfRegion(region: Region): number {
    const index = this.regions.findIndex((known) => known.region === region)
    if (index >= 0) return index
    this.regions.push({ region, start: region.startAddr, size: region.size })
    return this.regions.length - 1
  }

  indexOfMemory(memory: Memory): number {
    for (const region of memory.iter()) this.indexOfRegion(region)
    const index = this.memories.indexOf(memory)
    if (index >= 0) return index
    this.memories.push(memory)
    return this.memories.length - 1
  }

  keepSlice(slice: Slice): number {
    if (this.slices.length === MOST_OBJECTS) this.slices.shift()
    this.slices.push(slice)
    return slice.len
  }

  get isFull(): boolean {
    return this.regions.length >= MOST_REGIONS || this.memories.length >= MOST_OBJECTS
  }

  knownRegion(index: number): KnownRegion {
    return pick(this.regions, index)
  }

  memory(index: number): Memory {
    return pick(this.memories, index)
  }

  slice(index: number): Slice {
    return pick(this.slices, index)
  }

  isGuard(memory: Memory): memory is LoadGuard {
    return 'intoInner' in memory
  }

  address(where: Where): number | bigint {
    if (typeof where === 'bigint') return eitherForm(where)
    const { start, size } = this.knownRegion(where.region)
    return eitherForm(placed(where, start, size))
  }

  offset(offset: Offset, size: number): Usize {
    return eitherForm(typeof offset === 'bigint' ? offset : placed(offset, 0n, size))
  }

  target(target: Target): [accessible: Accessible<number | bigint>, addr: number | bigint] {
    switch (target.on) {
      case 'memory':
        return [this.memory(target.memory), this.address(target.at)]
      case 'region': {
        const { region, size } = this.knownRegion(target.region)
        return [region, this.offset(target.at, size)]
      }
      case 'slice': {
        const slice = this.slice(target.slice)
        return [slice, this.offset(target.at, slice.len)]
      }
    }
  }

  buffer(spec: BufferSpec): Uint8Array | DataView {
    if (spec.kind === 'guest memory') {
      const { region, size } = this.knownRegion(spec.region)
      const start = spec.start % size
      return region.asUint8Array(start, Math.min(spec.length, size - start))
    }
    const array = Uint8Array.from({ length: spec.length + 16 }, (_, index) => (spec.seed + index * 7) % 256)
    switch (spec.kind) {
      case 'Uint8Array':
        return array.slice(0, spec.length)
      case 'DataView':
        return new DataView(array.buffer, 3, spec.length)
      case 'part of an array':
        return array.subarray(5, 5 + spec.length)
    }
  }

  bytes(spec: BufferSpec): Uint8Array {
    const view = this.buffer(spec)
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  }

  /** All that can be seen of it. */
  state(): unknown {
    return {
      regions: this.regions.map(({ region, size }) => {
        const bytes = new Uint8Array(size)
        region.readSlice(bytes, 0)
        return { bytes, dirty: region.bitmap?.clone().getAndReset() }
      }),
      memories: this.memories.map((memory) => attempt(() => this.regionsOf(memory))),
    }
  }

  regionsOf(memory: Memory): number[] {
    return Array.from(memory.iter(), (region) => this.indexOfRegion(region))
  }

  /** An exclusive guard left to garbage collection would unlock at its own time. */
  end(): void {
    for (const lock of this.locks) lock.dispose()
    for (const memory of this.memories) if (this.isGuard(memory)) memory.dispose()
  }
}

function pick<T>(objects: readonly T[], index: number): T {
  const object = objects[index % objects.length]
  if (object === undefined) throw new Error('there is none yet')
  return object
}

/** Says what a call returned or threw. */
export function attempt(call: () => unknown): Outcome {
  try {
    return { returned: call() }
  } catch (error) {
    return { thrown: describe(error) }
  }
}

/** What errors of the crate say beside their texts, which `wrong-calls.spec.ts` is about: everywhere, and with these codes. */
const BESIDE = ['operation', 'hint', 'ranges', 'count']
const BESIDE_CODES: Readonly<Record<string, readonly string[]>> = {
  ERR_PARTIAL_BUFFER: ['addr'],
  ERR_INVALID_BACKEND_ADDRESS: ['addr'],
  ERR_INVALID_GUEST_REGION: ['base', 'size'],
}

/** An error's identity; the texts of upstream's errors too, except for those of the operating system. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const fields: Record<string, unknown> = { ...error, name: error.name }
  for (const name of [...BESIDE, ...(BESIDE_CODES[String(fields.code)] ?? [])]) delete fields[name]
  if ('fields' in fields) {
    Object.assign(fields, fields.fields)
    delete fields.fields
  }
  // All that are refused have a code; anything else is a mistake of the test's own.
  if (!('code' in error)) throw error
  const isUpstream = !['Error', 'RangeError', 'TypeError'].includes(error.name) && !('errno' in fields)
  return isUpstream ? { ...fields, message: error.message } : fields
}
