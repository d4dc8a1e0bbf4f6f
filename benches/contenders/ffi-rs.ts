/** ffi-rs, which reads and writes foreign memory by calling the C library's `memcpy`. */
import { DataType, define, open } from 'ffi-rs'
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../index.js'
import { COPY_REGION_SIZE, REGION_SIZE, regionStarts } from '../layout.js'
import { provideCopies } from './copy-works.js'
import { PointerTable } from './pointer-table.js'
import { provideRegions, provideScalars } from './scalar-works.js'
import type { Works } from './works.js'

const library = 'libc'
open({ library, path: '' })
const { U64, U8Array, I32, I64, BigInt: Big, Void } = DataType
const { mmap } = define({ mmap: { library, retType: Big, paramsType: [U64, U64, I32, I32, I32, I64] } })
const { memcpy: copyOut } = define({ memcpy: { library, retType: Void, paramsType: [U8Array, U64, U64] } })
const { memcpy: copyIn } = define({ memcpy: { library, retType: Void, paramsType: [U64, U8Array, U64] } })

function allocate(size: number): number {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
  const pointer = Number(mmap([0, size, PROT_READ | PROT_WRITE, flags, -1, 0]))
  if (pointer === -1) throw new Error('mmap failed')
  return pointer
}

class Memory extends PointerTable<number> {
  readonly #bytes = Buffer.alloc(8)
  readonly #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, 8)

  #get(address: number, size: number): DataView {
    const entry = this.find(address, size)
    copyOut([this.#bytes, entry.pointer + address - entry.start, size])
    return this.#view
  }

  #put(address: number, size: number): void {
    const entry = this.find(address, size)
    copyIn([entry.pointer + address - entry.start, this.#bytes, size])
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
      copyOut([into.subarray(done, done + count), entry.pointer + offset, count]),
    )
  }

  write(from: Uint8Array, address: number): void {
    this.forEachPiece(address, from.length, (entry, offset, done, count) =>
      copyIn([entry.pointer + offset, from.subarray(done, done + count), count]),
    )
  }
}

function makeMemory(starts: readonly number[], size: number): Memory {
  return new Memory(starts.map((start) => ({ start, size, pointer: allocate(size) })))
}

export function provide(group: string, works: Works): void {
  const make = (count: number): Memory => makeMemory(regionStarts(count), REGION_SIZE)
  if (group === 'scalar') provideScalars(works, make)
  if (group === 'regions') provideRegions(works, make)
  if (group === 'copy') provideCopies(works, makeMemory([0, COPY_REGION_SIZE], COPY_REGION_SIZE))
}
