import { GuestMemoryMmap, type SnapshotTable } from '../../index.js'
import { errorCode, openInputFile, type InputFile } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import { readTable, tableBeside, wholeFile, type Region } from './layout.js'

/** A file of guest memory, mapped by the addresses that the machine knows. */
export interface MemoryFile extends InputFile {
  readonly memory: GuestMemoryMmap
}

/** What tells where the regions of a file are. Without regions, a table does; without one, all of the file is at 0. */
export interface Layout {
  readonly region?: readonly Region[]
  /** The path of a table that has to be there; null if none is to be looked for. Otherwise there may be one beside the file. */
  readonly table?: string | null
}

/** Of tables that are none, or of another file. */
const BAD_TABLE = new Set(['ERR_SNAPSHOT', 'ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE'])

function tableOf(path: string, { region, table }: Layout, size: number): SnapshotTable {
  if (region !== undefined) return { regions: region }
  if (table === null) return wholeFile(size)
  const found = readTable(table ?? tableBeside(path))
  if (found === undefined && table !== undefined) throw new UsageError(`${table}: no such file`)
  return found === undefined ? wholeFile(size) : found
}

/**
 * Maps a file, however long it is: nothing is read before it is touched. Should somebody truncate it meanwhile, that is an error, and
 * not the end of this process.
 */
export function openMemoryFile(path: string, layout: Layout): MemoryFile {
  const file = openInputFile(path, 'r')
  const table = tableOf(path, layout, file.size)
  const wrong = (why: string): UsageError => new UsageError(`${path}: its regions are not right: ${why}`)
  let memory: GuestMemoryMmap
  try {
    memory = GuestMemoryMmap.fromSnapshot(file.fd, table, { recoverFaults: true })
  } catch (error) {
    throw error instanceof Error && BAD_TABLE.has(errorCode(error) ?? '') ? wrong(error.message) : error
  }
  if (memory.numRegions === 0) throw wrong('there are none')
  return { ...file, memory }
}

export function sizeOf(memory: GuestMemoryMmap): number {
  return [...memory].reduce((sum, { size }) => sum + size, 0)
}
