// Descriptors to map and to transfer from, gone with the test that asked for them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'

/** A descriptor that is in range and that nobody has open. */
export const CLOSED_FD = 2 ** 31 - 1

/** A regular file with this content. */
export function temporaryFile(t: ExecutionContext, content: Uint8Array): number {
  return openTemporary(t, fs.constants.O_RDWR, (name) => fs.writeFileSync(name, content))
}

/** What cannot seek. Open for both, so that neither end waits for the other. */
export function temporaryFifo(t: ExecutionContext, flags = 0): number {
  return openTemporary(t, fs.constants.O_RDWR | flags, (name) => execFileSync('mkfifo', [name]))
}

function openTemporary(t: ExecutionContext, flags: number, create: (name: string) => void): number {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const name = path.join(directory, 'file')
  create(name)
  const fd = fs.openSync(name, flags)
  t.teardown(() => {
    fs.closeSync(fd)
    fs.rmSync(directory, { recursive: true })
  })
  return fd
}
