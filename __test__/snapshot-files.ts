// What the specs of snapshots look at files with. Linux only.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { type GuestMemoryMmap, pageSize } from '../index.js'
import { rejection } from './refusal.js'

export const PAGE = pageSize()

export type Refused = NodeJS.ErrnoException & { offset?: number; addr?: bigint; reason?: string; completed?: number }
export const refused = async (promise: Promise<unknown>): Promise<Refused> => (await rejection(promise)) as Refused

/** A file that is empty, and its name. */
export function emptyFile(t: ExecutionContext, flags = 'w+'): { fd: number; name: string } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const name = path.join(folder, 'snapshot')
  fs.writeFileSync(name, '')
  const fd = fs.openSync(name, flags)
  t.teardown(() => {
    fs.closeSync(fd)
    fs.rmSync(folder, { recursive: true })
  })
  return { fd, name }
}

export function contentOf(fd: number): Buffer {
  const bytes = Buffer.alloc(fs.fstatSync(fd).size)
  fs.readSync(fd, bytes, 0, bytes.length, 0)
  return bytes
}

/** What a region, or all of memory, has. */
export function bytesOf(memory: GuestMemoryMmap): Buffer {
  return Buffer.concat(
    [...memory].map((region) => {
      const bytes = Buffer.alloc(region.size)
      region.readSlice(bytes, 0)
      return bytes
    }),
  )
}

/** How many bytes of a file there really are. */
export const allocated = (fd: number): number => fs.fstatSync(fd).blocks * 512
