/** What a map of 512 regions holds that nobody has touched; prints it. A process of its own, started with --expose-gc. */
import { GuestMemoryMmap } from '../index.js'
import { REGION_SIZE, regionStarts } from './layout.js'
import type { Held } from './ratios.js'

const REGIONS = 512

function make(): GuestMemoryMmap {
  return GuestMemoryMmap.fromRanges(regionStarts(REGIONS).map((start) => [start, REGION_SIZE] as const))
}

function collect(): NodeJS.MemoryUsage {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  return process.memoryUsage()
}

// What the first map needs is no one map's.
make()
await new Promise((resolve) => setImmediate(resolve))
const before = collect()
const memory = make()
await new Promise((resolve) => setImmediate(resolve))
const after = collect()
const held: Held = {
  heapBytes: Math.max(0, after.heapUsed - before.heapUsed),
  externalBytes: Math.max(0, after.external - before.external),
}
if (memory.numRegions !== REGIONS) throw new Error('the map is gone')
process.stdout.write(JSON.stringify(held))
