// Preloaded into the vhost-user-blk device (`--import`), it leaves data out of the log of a guest that moves, and logs
// status and rings as ever. What is lost that way must be noticed.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { syncBuiltinESMExports } from 'node:module'
import threads from 'node:worker_threads'

const SECTOR = 512

if (threads.isMainThread) {
  // Threads that begin with a text, as those of examples/ do, preload nothing by themselves.
  threads.Worker = class extends threads.Worker {
    constructor(source, options) {
      super(`import('${import.meta.url}').then(() => { ${source} })`, options)
    }
  }
  syncBuiltinESMExports()
} else {
  const { register } = await import('tsx/esm/api')
  register()
  const { DirtyLog } = await import('../../examples/vhost-user-blk/dirty-log.ts')
  const { mark } = DirtyLog.prototype
  DirtyLog.prototype.mark = function (addr, count) {
    if (count < SECTOR) mark.call(this, addr, count)
  }
}
