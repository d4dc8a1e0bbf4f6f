import { ftruncateSync, writeSync } from 'node:fs'
import type { SavedMemory } from '../../index.js'
import { reasonOf } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import type { Order } from './command-line.js'
import { tableBeside, type Region } from './layout.js'
import { openMemoryFile, sizeOf, type MemoryFile } from './memory-file.js'
import { NewFile } from './new-file.js'
import { countOf, sizeText } from './text.js'
import type { Watch } from './watch.js'

/** Writes memory to a file, without its zeros. The regions go where it is told, or one after the other. */
async function write(
  { memory }: MemoryFile,
  { fd }: NewFile,
  regions: readonly Region[] | undefined,
  watch: Watch,
): Promise<SavedMemory> {
  const options = { signal: watch.signal, onProgress: watch.stage('write') }
  if (regions === undefined) return memory.save(fd, options)
  ftruncateSync(fd, Math.max(...regions.map(({ size, offset }) => size + offset)))
  return memory.saveRanges(fd, { regions }, memory.dataRanges(), options)
}

/** Saves a memory file, or restores one. What does not end well leaves nothing. */
export async function copy(
  { name, from, to, options }: Extract<Order, { readonly name: 'save' | 'restore' }>,
  watch: Watch,
): Promise<void> {
  const { region, table, force, json } = options
  const isSave = name === 'save'
  const source = openMemoryFile(from, isSave ? { region, table: null } : { table })
  const files: NewFile[] = []
  let saved: SavedMemory
  try {
    const target = new NewFile(to, force, source)
    files.push(target)
    const tableFile = isSave ? new NewFile(table ?? tableBeside(to), force, source) : null
    if (tableFile !== null) files.push(tableFile)
    saved = await write(source, target, isSave ? undefined : region, watch)
    if (tableFile !== null) writeSync(tableFile.fd, `${JSON.stringify(saved.table, null, 2)}\n`)
    for (const file of files) file.finish()
  } catch (error) {
    for (const file of files) file.discard()
    if (error instanceof UsageError) throw error
    throw new Error(`${to}: ${reasonOf(error)}; nothing is left of it`, { cause: error })
  }

  const size = sizeOf(source.memory)
  if (json) {
    console.log(JSON.stringify({ files: files.map(({ path }) => path), size, written: saved.written, ...saved.table }))
    return
  }
  const regions = countOf(saved.table.regions.length, 'region')
  console.log(`${sizeText(size)} of memory in ${regions}, of which ${sizeText(saved.written)} are not zero`)
  for (const { path } of files) console.log(path)
}
