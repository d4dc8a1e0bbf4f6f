// Folders for one run.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'

const folders = new Set()

process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** A new folder, removed when the process ends, in whatever way. */
export function temporaryFolder(name, parent = os.tmpdir()) {
  const folder = mkdtempSync(path.join(parent, `vm-memory-${name}-`))
  folders.add(folder)
  return folder
}
