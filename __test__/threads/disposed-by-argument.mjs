// Disposes of a guard of the lock while `replace` looks at its argument. All that runs then is the function of `lib/` that
// knows the native halves of plain objects: here another one stands in its place.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createRequire } from 'node:module'
import process from 'node:process'

const { GuestMemoryAtomic, GuestMemoryMmap, door } = createRequire(import.meta.url)('../../dist/load.js').load()

const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
const guard = atomic.lock()
door.findHalvesBy(() => guard.dispose())
let answer = 'nothing'
try {
  guard.replace({})
} catch ({ code }) {
  answer = code
}
process.stdout.write(`${answer}, ${atomic.tryLock() === null ? 'locked' : 'unlocked'}`)
