// Copies the fast methods, as lib/ was compiled, once for each class that has them for itself: lib/fast/index.ts tells why.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { cpSync, rmSync } from 'node:fs'
import path from 'node:path'

import { COPIES, METHODS } from './packages/compiled.mjs'
import { root } from './targets.mjs'

for (const copy of COPIES) {
  const folder = path.join(root, 'dist', copy)
  rmSync(folder, { recursive: true, force: true })
  cpSync(path.join(root, 'dist', METHODS), folder, { recursive: true })
}
