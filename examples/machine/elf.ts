import { readSync } from 'node:fs'
import type { InputFile } from './input-file.js'
import { UsageError } from './usage-error.js'

/*
 * A loader needs two tables of an ELF file: its header and the program headers. The ELF packages there are either want the
 * whole file in a Buffer and have no types, or read every section and symbol, of which a node binary has 100,000 in 100 MB.
 * So these few fields are read here, from the descriptor.
 */

// System V ABI, chapter 4 (ELF header) and 5 (program header).
const ELF_MAGIC = 0x7f454c46
const EI_CLASS = 4
const EI_DATA = 5
const ELFCLASS64 = 2
const ELFDATA2LSB = 1
const ELF64_EHDR_SIZE = 64
const ELF64_PHDR_SIZE = 56
const PN_XNUM = 0xffff
const PT_LOAD = 1
const PF_X = 1
const PF_W = 2
const PF_R = 4

/** A PT_LOAD entry: `fileSize` bytes of the file, then zeros up to `memorySize`. */
export interface ElfSegment {
  readonly index: number
  readonly flags: string
  readonly offset: number
  readonly virtualAddress: bigint
  /** Where it is to lie in relation to the others. */
  readonly address: bigint
  readonly fileSize: number
  readonly memorySize: bigint
}

export interface ElfImage {
  readonly file: InputFile
  readonly entry: bigint
  /** Ascending by address, none of them empty, none overlapping. */
  readonly segments: readonly ElfSegment[]
}

function readAt(file: InputFile, position: number, length: number): DataView {
  const bytes = new Uint8Array(length)
  const count = position < file.size ? readSync(file.fd, bytes, 0, length, position) : 0
  return new DataView(bytes.buffer, 0, count)
}

function flagNames(flags: number): string {
  return `${flags & PF_R ? 'R' : '-'}${flags & PF_W ? 'W' : '-'}${flags & PF_X ? 'X' : '-'}`
}

function readSegment(file: InputFile, table: DataView, index: number): ElfSegment | null {
  const at = index * ELF64_PHDR_SIZE
  if (table.getUint32(at, true) !== PT_LOAD) return null
  const offset = table.getBigUint64(at + 8, true)
  const fileSize = table.getBigUint64(at + 32, true)
  const memorySize = table.getBigUint64(at + 40, true)
  if (memorySize === 0n) return null
  if (fileSize > memorySize) throw new UsageError(`${file.path}: segment ${index} is larger in the file than in memory`)
  if (fileSize > 0n && offset + fileSize > BigInt(file.size)) {
    throw new UsageError(`${file.path}: is cut short: segment ${index} goes on after the end of the file`)
  }
  return {
    index,
    flags: flagNames(table.getUint32(at + 4, true)),
    offset: Number(offset),
    virtualAddress: table.getBigUint64(at + 16, true),
    address: table.getBigUint64(at + 24, true),
    fileSize: Number(fileSize),
    memorySize,
  }
}

/** Reads what a loader needs of `file`; throws a `UsageError` when it is no 64-bit ELF file with something to load. */
export function readElf(file: InputFile): ElfImage {
  const header = readAt(file, 0, ELF64_EHDR_SIZE)
  if (header.byteLength < 4 || header.getUint32(0) !== ELF_MAGIC) throw new UsageError(`${file.path}: not an ELF file`)
  if (header.byteLength < ELF64_EHDR_SIZE)
    throw new UsageError(`${file.path}: is cut short: the ELF header is not whole`)
  if (header.getUint8(EI_CLASS) !== ELFCLASS64 || header.getUint8(EI_DATA) !== ELFDATA2LSB) {
    throw new UsageError(`${file.path}: not a 64-bit little-endian ELF file`)
  }
  const tableOffset = header.getBigUint64(32, true)
  const count = header.getUint16(56, true)
  if (count === 0) throw new UsageError(`${file.path}: has no program headers, so nothing to load`)
  if (count === PN_XNUM || header.getUint16(54, true) !== ELF64_PHDR_SIZE) {
    throw new UsageError(`${file.path}: has program headers of an unknown form`)
  }
  const table = readAt(file, Number(tableOffset), count * ELF64_PHDR_SIZE)
  if (table.byteLength < count * ELF64_PHDR_SIZE) {
    throw new UsageError(`${file.path}: is cut short: the program headers are not whole`)
  }
  const loads = Array.from({ length: count }, (_, index) => readSegment(file, table, index)).filter(
    (segment) => segment !== null,
  )
  if (loads.length === 0) throw new UsageError(`${file.path}: has no PT_LOAD segment, so nothing to load`)
  // Physical addresses are what a VMM loads by. Where the linker left them all 0, the virtual ones have to do.
  const placed = loads.every(({ address }) => address === 0n)
    ? loads.map((segment) => ({ ...segment, address: segment.virtualAddress }))
    : loads
  const segments = placed.toSorted((a, b) => Number(a.address - b.address))
  for (const [position, segment] of segments.entries()) {
    const next = segments[position + 1]
    if (next !== undefined && segment.address + segment.memorySize > next.address) {
      throw new UsageError(`${file.path}: segments ${segment.index} and ${next.index} overlap in memory`)
    }
  }
  return { file, entry: header.getBigUint64(24, true), segments }
}
