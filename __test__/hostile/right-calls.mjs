// The right call for each member works: otherwise the other scripts would test nothing behind the first check.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { callables } from './surface.mjs'
import { complain } from './verdict.mjs'

/** What Node 20 has no way to make, kernels before Linux 6.7 cannot do, and only private mappings of files can tell. */
const mayBeUnsupported = /\.(sharedBuffer|trackWrites|changedRanges)$/

let calls = 0
for (const { title, call, right } of callables()) {
  calls += 1
  try {
    const result = await call(right())
    result?.dispose?.()
  } catch (error) {
    if (!(mayBeUnsupported.test(title) && error.code === 'ERR_UNSUPPORTED')) complain(title, error)
  }
}
if (calls < 300) complain('the surface', `only ${calls} members were found`)
console.log(`${calls} members`)
