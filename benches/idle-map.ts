/** What a map of 512 regions holds that nobody has touched; prints it. A process of its own, started with --expose-gc. */
import { GuestMemoryMmap } from '../index.js'
import { REGION_SIZE, regionStarts } from './layout.js'
import type { Held } from './ratios.js'

const REGIONS = 512

function make(): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges(regionStarts(REGIONS).map((start) => [start, REGION_SIZE] as const))
}

async function collect(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 8; i++) {
    globalThis.gc?.()
    // Finalizers of native objects run between turns.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage()
}

// What the first map needs is no one map's. Of several, what happens by chance weighs less.
const MAPS = 8
const maps = [make()]
const before = await collect()
for (let i = 0; i < MAPS; i++) maps.push(make())
const after = await collect()
const held: Held = {
  heapBytes: Math.max(0, Math.round((after.heapUsed - before.heapUsed) / MAPS)),
  externalBytes: Math.max(0, Math.round((after.external - before.external) / MAPS)),
}
if (maps.some((map) => map.numRegions !== REGIONS)) throw new Error('a map is gone')
process.stdout.write(JSON.stringify(held))
