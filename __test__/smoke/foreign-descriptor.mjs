// Descriptors that the runtime has not opened itself, such as those of memfdCreate.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import fs from 'node:fs'

/** Closes one, if the runtime can; whether it could. */
export function closeForeign(fd) {
  try {
    fs.closeSync(fd)
    return true
  } catch (error) {
    assert.equal(error.code, 'EBADF')
    return false
  }
}
