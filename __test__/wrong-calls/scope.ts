// What the wrong calls are made on.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import type { ExecutionContext } from 'ava'
import * as vm from '../../index.js'
import { CLOSED_FD, temporaryFifo, temporaryFile } from '../temporary-file.js'

/** The names that calls use, beside those that the package exports. */
export function scopeOf(t: ExecutionContext): Readonly<Record<string, unknown>> {
  const memory = vm.GuestMemoryMmap.fromRanges([
    [0, 0x100000],
    [0x100000, 0x1000],
    [0x300002, 0x1002],
  ])
  const file = temporaryFile(t, new Uint8Array(0x2000))
  const readOnly = fs.openSync(`/proc/self/fd/${file}`, 'r')
  t.teardown(() => fs.closeSync(readOnly))
  const { default: _itself, ...exported } = vm as typeof vm & { default?: unknown }
  return {
    ...Object.fromEntries(Object.entries(exported).filter(([name]) => /^\w+$/.test(name))),
    memory,
    region: memory.findRegion(0),
    slice: memory.getSlice(0, 16),
    atomic: new vm.GuestMemoryAtomic(memory),
    bytes: (length: number) => new Uint8Array(length),
    file,
    readOnly,
    pipe: temporaryFifo(t),
    closed: CLOSED_FD,
    last: 2n ** 64n - 1n,
    SeqCst: vm.Ordering.SeqCst,
  }
}

/** Makes a call. */
export function make(call: string, scope: Readonly<Record<string, unknown>>): unknown {
  // oxlint-disable-next-line no-new-func: the page shows the call as it is made here.
  return new Function(...Object.keys(scope), `return ${call}`)(...Object.values(scope))
}
