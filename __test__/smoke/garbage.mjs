// What is mapped, and making the collector work: each runtime has its own call.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { FileOffset, GuestMemoryMmap, memfdCreate, pageSize } from 'vm-memory'
import { closeForeign } from './foreign-descriptor.mjs'

/** Only Linux tells what is mapped, by the name of a memfd. */
export const canWatch = process.platform === 'linux'

export function collect() {
  if (globalThis.Bun !== undefined) globalThis.Bun.gc(true)
  else if (globalThis.gc !== undefined) globalThis.gc()
  else throw new Error('the collector cannot be called: run node with --expose-gc')
}

export const isMapped = (name) => fs.readFileSync('/proc/self/maps', 'utf8').includes(`/memfd:${name} `)

export function namedMemory(name) {
  const fd = memfdCreate(name, pageSize())
  try {
    return GuestMemoryMmap.fromRangesWithFiles([[0, pageSize(), new FileOffset(fd, 0)]])
  } finally {
    closeForeign(fd)
  }
}

/** Collects between turns of the event loop until `condition` holds; whether it ever did. */
export async function eventually(condition) {
  for (let round = 0; round < 50; round += 1) {
    collect()
    await setImmediate()
    if (condition()) return true
  }
  return false
}
