/** `fs.readSync` and `fs.writeSync` on the anonymous file that guest memory is made of. */
import { readSync, writeSync } from 'node:fs'
import { memfdCreate } from '../../index.js'
import { COPY_REGION_SIZE, REGION_SIZE, regionStarts } from '../layout.js'
import { provideCopies } from './copy-works.js'
import { PointerTable } from './pointer-table.js'
import { provideRegions, provideScalars } from './scalar-works.js'
import type { Works } from './works.js'

/** Regions follow each other in the file; a pointer is where in it a region starts. */
class Memory extends PointerTable<number> {
  readonly #fd: number
  readonly #bytes = new Uint8Array(8)
  readonly #view = new DataView(this.#bytes.buffer)

  constructor(starts: readonly number[], size: number) {
    super(starts.map((start, index) => ({ start, size, pointer: index * size })))
    this.#fd = memfdCreate('guest', starts.length * size)
  }

  #get(address: number, size: number): DataView {
    const entry = this.find(address, size)
    readSync(this.#fd, this.#bytes, 0, size, entry.pointer + address - entry.start)
    return this.#view
  }

  #put(address: number, size: number): void {
    const entry = this.find(address, size)
    writeSync(this.#fd, this.#bytes, 0, size, entry.pointer + address - entry.start)
  }

  readU8(address: number): number {
    return this.#get(address, 1).getUint8(0)
  }

  readU16(address: number): number {
    return this.#get(address, 2).getUint16(0, true)
  }

  readU32(address: number): number {
    return this.#get(address, 4).getUint32(0, true)
  }

  readU64(address: number): bigint {
    return this.#get(address, 8).getBigUint64(0, true)
  }

  writeU8(value: number, address: number): void {
    this.#view.setUint8(0, value)
    this.#put(address, 1)
  }

  writeU16(value: number, address: number): void {
    this.#view.setUint16(0, value, true)
    this.#put(address, 2)
  }

  writeU32(value: number, address: number): void {
    this.#view.setUint32(0, value, true)
    this.#put(address, 4)
  }

  writeU64(value: bigint, address: number): void {
    this.#view.setBigUint64(0, value, true)
    this.#put(address, 8)
  }

  read(into: Uint8Array, address: number): void {
    this.forEachPiece(address, into.length, (entry, offset, done, count) =>
      readSync(this.#fd, into, done, count, entry.pointer + offset),
    )
  }

  write(from: Uint8Array, address: number): void {
    this.forEachPiece(address, from.length, (entry, offset, done, count) =>
      writeSync(this.#fd, from, done, count, entry.pointer + offset),
    )
  }
}

export function provide(group: string, works: Works): void {
  const make = (count: number): Memory => new Memory(regionStarts(count), REGION_SIZE)
  if (group === 'scalar') provideScalars(works, make)
  if (group === 'regions') provideRegions(works, make)
  if (group === 'copy') provideCopies(works, new Memory([0, COPY_REGION_SIZE], COPY_REGION_SIZE))
}
