// What this process has mapped and open, as the kernel tells it. Linux only.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'

/** Mappings of the memfd of this name. */
export function mappingsOf(name: string): number {
  return fs
    .readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`/memfd:${name} `)).length
}

/** Open descriptors of the memfd of this name. */
export function descriptorsOf(name: string): number {
  return openDescriptors().filter((target) => target.startsWith(`/memfd:${name} `)).length
}

/** What each open descriptor is open on. */
export function openDescriptors(): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // the descriptor of the listing itself
    }
  })
}

/** Whether all of these bytes are mapped. */
export function isMapped(address: bigint, size: number): boolean {
  let next = address
  const end = address + BigInt(size)
  for (const line of fs.readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line)
    if (range === null) continue
    const [from, to] = [BigInt(`0x${range[1]}`), BigInt(`0x${range[2]}`)]
    if (from <= next && next < to) next = to
  }
  return next >= end
}

/**
 * Collects garbage until `condition` holds, and tells whether it ever did. Finalizers run between two turns of the event
 * loop, and what they let go of may keep other objects alive until the next collection.
 */
export async function eventually(condition: () => boolean, rounds = 50): Promise<boolean> {
  for (let round = 0; round < rounds; round += 1) {
    collectGarbage()
    await setImmediate()
    if (condition()) return true
  }
  return false
}

/** Gives everything that could be collected the chance to be. */
export async function settle(): Promise<void> {
  await eventually(() => false, 8)
}

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('run node with --expose-gc')
  globalThis.gc()
}
