/** koffi's `decode` and `encode` at addresses, in the fastest of their forms. */
import koffi, { type TypeObject } from 'koffi'
import { ENDED_SIZE, MOST_ENDED } from '../catalogue.js'
import { COPY_REGION_SIZE, REGION_SIZE, regionStarts } from '../layout.js'
import { loop, loopOver, type Loop } from '../loop.js'
import { runThreads } from '../threads.js'
import { provideCopies } from './copy-works.js'
import { allocate, free } from './koffi-memory.js'
import { PointerTable } from './pointer-table.js'
import { provideRegions, provideScalars, readWords } from './scalar-works.js'
import type { Works } from './works.js'

const { decode, encode } = koffi
const { uint8, uint16, uint32, uint64 } = decode

interface Region {
  readonly start: number
  readonly size: number
  readonly pointer: bigint
}

function makeRegions(starts: readonly number[], size: number): Region[] {
  return starts.map((start) => ({ start, size, pointer: allocate(size) }))
}

class Memory extends PointerTable<bigint> {
  // A type for each length is dear to make.
  readonly #types = new Map<number, TypeObject>()

  #type(length: number): TypeObject {
    const known = this.#types.get(length)
    if (known) return known
    const made = koffi.array('uint8_t', length, 'Typed')
    this.#types.set(length, made)
    return made
  }

  #host(address: number, size: number): bigint {
    const entry = this.find(address, size)
    return entry.pointer + BigInt(address - entry.start)
  }

  readU8(address: number): number {
    return uint8(this.#host(address, 1))
  }

  readU16(address: number): number {
    return uint16(this.#host(address, 2))
  }

  readU32(address: number): number {
    return uint32(this.#host(address, 4))
  }

  readU64(address: number): number | bigint {
    return uint64(this.#host(address, 8))
  }

  writeU8(value: number, address: number): void {
    encode(this.#host(address, 1), 'uint8_t', value)
  }

  writeU16(value: number, address: number): void {
    encode(this.#host(address, 2), 'uint16_t', value)
  }

  writeU32(value: number, address: number): void {
    encode(this.#host(address, 4), 'uint32_t', value)
  }

  writeU64(value: bigint, address: number): void {
    encode(this.#host(address, 8), 'uint64_t', value)
  }

  read(into: Uint8Array, address: number): void {
    this.forEachPiece(address, into.length, (entry, offset, done, count) =>
      into.set(decode(entry.pointer + BigInt(offset), this.#type(count)) as Uint8Array, done),
    )
  }

  write(from: Uint8Array, address: number): void {
    this.forEachPiece(address, from.length, (entry, offset, done, count) =>
      encode(
        entry.pointer + BigInt(offset),
        this.#type(count),
        count === from.length ? from : from.subarray(done, done + count),
      ),
    )
  }
}

export function inThread(_what: string, shared: unknown): Loop {
  return readWords(new Memory(shared as Region[]), 8)
}

function provideThreads(works: Works): void {
  const regions = makeRegions(regionStarts(8), REGION_SIZE)
  for (const count of [1, 2]) {
    works.set(`threads/read/${count}`, () =>
      runThreads(count, { module: import.meta.url, what: 'read', shared: () => regions }),
    )
  }
}

/** What works are compared with that nobody else has: one call of a foreign function, as koffi's manual shows it. */
function provideDecode(works: Works, group: string): void {
  const pointer = allocate(REGION_SIZE)
  works.set(`${group}/decode`, () => loop(() => decode(pointer, 'uint32_t') as number))
}

function provideEnds(works: Works): void {
  const make = (count: number): bigint[] =>
    Array.from({ length: count }, () => {
      const pointer = allocate(ENDED_SIZE)
      encode(pointer, 'uint8_t', 1)
      return pointer
    })
  works.set('ends/munmap', () => loopOver(MOST_ENDED, make, (pointer) => free(pointer, ENDED_SIZE)))
}

export function provide(group: string, works: Works): void {
  const make = (count: number): Memory => new Memory(makeRegions(regionStarts(count), REGION_SIZE))
  if (group === 'scalar') provideScalars(works, make)
  if (group === 'regions') provideRegions(works, make)
  if (group === 'copy') provideCopies(works, new Memory(makeRegions([0, COPY_REGION_SIZE], COPY_REGION_SIZE)))
  if (group === 'parts' || group === 'calls') provideDecode(works, group)
  if (group === 'ends') provideEnds(works)
  if (group === 'threads') provideThreads(works)
}
