// Folders that are made once, and kept for all checkouts.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'vm-memory-packages')

/**
 * The folder of this name, which tells all that is in it. `make` fills it, unless it is there already; one that was not
 * finished is never taken for it.
 * @param {string} name
 * @param {(folder: string) => void} make
 */
export function cached(name, make) {
  const folder = path.join(cache, name)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const partial = mkdtempSync(`${folder}.`)
  try {
    make(partial)
    renameSync(partial, folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return folder
}
