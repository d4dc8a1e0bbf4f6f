// Whether the kernel can track writes here.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'

import { GuestMemoryMmap, pageSize } from '../index.js'

/** Why this machine cannot do it; null if it can. */
export const whyNotTracked = ((): string | null => {
  try {
    GuestMemoryMmap.fromRanges([[0, pageSize()]])
      .trackWrites()
      .dispose()
    return null
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_UNSUPPORTED') throw error
    return message
  }
})()

/** Tests what needs it. A file that has such tests shows what it leaves out, and why. */
export const tracked = whyNotTracked === null ? test : test.skip
if (whyNotTracked !== null) test(`skipped: ${whyNotTracked}`, (t) => t.pass())
