// Comes back into the package from async hooks, which the engine runs while the package asks it for something.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createHook } from 'node:async_hooks'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as vm from '../../index.js'

const newAtomic = () => new vm.GuestMemoryAtomic(vm.GuestMemoryMmap.fromRanges([[0, 0x1000]]))
const file = fs.openSync(path.join(os.tmpdir(), `vm-memory-hooks-${process.pid}`), 'w+')

/** What makes the engine run `init` hooks, or calls them. */
const CALLS = {
  memory: (atomic) => atomic.memory().dispose(),
  lockAsync: (atomic) => void atomic.lockAsync().then((guard) => guard.dispose()),
  writeVolatileToAsync: (atomic) => void atomic.memory().writeVolatileToAsync(0, file, 16),
  lock: (atomic) => atomic.lock().dispose(),
  share: (atomic) => atomic.share(),
}

const types = new Set()
let depth = 0
const hook = createHook({
  init(_, type) {
    types.add(type)
    if (depth > 0) return
    depth += 1
    try {
      for (const call of Object.values(CALLS)) call(newAtomic())
    } finally {
      depth -= 1
    }
  },
}).enable()
CALLS[process.argv[2]](newAtomic())
for (const call of Object.values(CALLS)) call(newAtomic())
hook.disable()
process.stdout.write(JSON.stringify([...types].filter((type) => type.startsWith('vm-memory'))))
