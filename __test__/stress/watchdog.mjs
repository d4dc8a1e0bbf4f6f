// Ends the process when nothing moves any more. A thread of its own, since the main thread may be what does not move.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { workerData } from 'node:worker_threads'
import { Board } from './layout.mjs'

const board = new Board(workerData.board)
const moving = ['snapshots', 'pages', 'handovers', 'replaces', 'terminations', 'beats']
const seen = new Map()

function giveUp(what) {
  fs.writeSync(2, `hung: ${what}\n`)
  process.kill(process.pid, 'SIGKILL')
}

let stopped = null

setInterval(() => {
  const now = performance.now()
  if (board.stopped) {
    stopped ??= now
    if (now - stopped > workerData.patience) giveUp('the end of the run')
    return
  }
  for (const what of moving) {
    const count = board.counted(what)
    if (seen.get(what)?.count !== count) seen.set(what, { count, time: now })
    else if (now - seen.get(what).time > workerData.patience) giveUp(`${what}, at ${count}`)
  }
}, 500)
