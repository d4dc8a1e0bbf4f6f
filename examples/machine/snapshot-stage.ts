import { createHash } from 'node:crypto'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { GuestMemoryMmap } from '../../index.js'
import { KIB, MIB, type MachineMemory } from './memory-layout.js'
import type { Progress } from './progress.js'
import type { Result } from './report.js'

const PAGE = 4 * KIB
const ZEROS = Buffer.alloc(PAGE)

/** The digest of all pages that are not zeros, and of where they are. */
function digestOf(memory: GuestMemoryMmap): string {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(MIB)
  for (const [addr, count] of memory.dataRanges()) {
    for (let done = 0; done < count; done += chunk.length) {
      const bytes = chunk.subarray(0, Math.min(chunk.length, count - done))
      memory.readSlice(bytes, addr + BigInt(done))
      for (let at = 0; at < bytes.length; at += PAGE) {
        const page = bytes.subarray(at, at + PAGE)
        if (!page.equals(ZEROS)) hash.update(`${addr + BigInt(done + at)} `).update(page)
      }
    }
  }
  return hash.digest('hex')
}

function residentSize(memory: GuestMemoryMmap): number {
  return [...memory].reduce((sum, region) => sum + region.residentSize, 0)
}

/** Saves the memory to a file and maps it a second time, then lets a balloon take a quarter of the RAM. */
export async function runSnapshotStage(
  memory: GuestMemoryMmap,
  { lowRam }: MachineMemory,
  folder: string,
  progress: Progress,
): Promise<Result> {
  const fd = openSync(join(folder, 'snapshot'), 'wx+')
  let shown = 0
  progress.begin('save the machine', Number([...memory].reduce((sum, { size }) => sum + size, 0)))
  const begun = performance.now()
  const { table, written } = await memory.save(fd, {
    onProgress: (done) => {
      progress.advance(done - shown)
      shown = done
    },
  })
  const saved = performance.now()
  const restored = GuestMemoryMmap.fromSnapshot(fd, table)
  const mapped = performance.now()
  progress.end()
  const check = { name: 'restored memory', guest: digestOf(restored), file: digestOf(memory) }

  // The guest has told which pages it does without.
  const before = residentSize(memory)
  const quarter = Math.floor((lowRam.end - lowRam.start) / 4 / PAGE) * PAGE
  const inflating = performance.now()
  memory.discard(lowRam.start, quarter)
  const inflated = performance.now()
  const { length } = table.regions
  return {
    checks: [check],
    problems: restored.changedRanges().map(([addr]) => `the restored memory has changed at 0x${addr.toString(16)}`),
    work: [
      { name: 'pages saved', count: written / PAGE, bytes: written, milliseconds: saved - begun },
      { name: 'regions restored', count: length, bytes: shown, milliseconds: mapped - saved },
      { name: 'resident before the balloon', count: length, bytes: before },
      { name: 'given back by the balloon', count: 1, bytes: quarter, milliseconds: inflated - inflating },
      { name: 'resident after the balloon', count: length, bytes: residentSize(memory) },
    ],
  }
}
