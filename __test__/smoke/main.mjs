// The smoke suite: that the package works, here, wherever this is. Lies in a folder in which `vm-memory` is installed.
// Node is to be run with --expose-gc, Deno with --v8-flags=--expose-gc.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import './memory.mjs'
import './files.mjs'
import './buffers.mjs'
import './atomic.mjs'
import './threads.mjs'
import './lifetime.mjs'
import './faults.mjs'
import './facts.mjs'
import { runAll } from './checks.mjs'

const { bun, deno, node } = process.versions
await runAll(bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${node}`)
