import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import type { SnapshotTable } from '../../index.js'
import { errorCode, reasonOf } from '../machine/input-file.js'
import { hex } from '../machine/report.js'
import { UsageError } from '../machine/usage-error.js'

/** A region of a machine, and where it is in a file. */
export type Region = SnapshotTable['regions'][number]

const NUMBER = String.raw`((?:0x[\da-f]+|\d+)[kmgt]?)`
const REGION = new RegExp(`^${NUMBER}:${NUMBER}(?:@${NUMBER})?$`, 'i')

/** Takes a number of bytes: decimal or hexadecimal, and K, M, G or T behind it. */
function parseBytes(text: string): bigint {
  const unit = 'kmgt'.indexOf(text.slice(-1).toLowerCase()) + 1
  return BigInt(unit === 0 ? text : text.slice(0, -1)) << BigInt(10 * unit)
}

/** Takes a region of a command line, behind those that came before: `base:size`, or `base:size@offset`. */
export function parseRegion(text: string, before: readonly Region[] = []): readonly Region[] {
  const [, base, size, offset] = REGION.exec(text) ?? []
  if (base === undefined || size === undefined) {
    throw new InvalidArgumentError('It must be like 0x100000000:4G or 0x100000000:4G@3G.')
  }
  const last = before.at(-1)
  const region = {
    start: hex(parseBytes(base)),
    size: Number(parseBytes(size)),
    offset: offset === undefined ? (last?.offset ?? 0) + (last?.size ?? 0) : Number(parseBytes(offset)),
  }
  if (BigInt(region.start) >= 2n ** 64n) throw new InvalidArgumentError('Addresses have 64 bits.')
  if (!Number.isSafeInteger(region.size + region.offset)) throw new InvalidArgumentError('No file is so long.')
  return [...before, region]
}

/** Makes the table of a file that is all one region. */
export function wholeFile(size: number): SnapshotTable {
  return { regions: [{ start: hex(0), size, offset: 0 }] }
}

/** Where the table of a snapshot is, unless somebody says otherwise. */
export const tableBeside = (snapshot: string): string => `${snapshot}.json`

/** Reads a table; what is in it has to be checked. Undefined if there is none. */
export function readTable(path: string): SnapshotTable | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SnapshotTable
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${path}: is no JSON`)
    if (errorCode(error) === 'ENOENT') return undefined
    throw new UsageError(`${path}: ${reasonOf(error)}`)
  }
}
