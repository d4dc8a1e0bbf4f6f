// Increments the counter, and dies now and then while it does.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { increment } from './counter.mjs'
import { atomic, board, forgetLock, inside, linger, live, random, sabotage, seat, withLock } from './life.mjs'

function addOne() {
  board.attempt(seat)
  const memory = atomic.memory()
  increment(memory, seat, linger)
  memory.dispose()
}

/** Within `update`, which leaves the map as it is. */
function addWithinUpdate() {
  let added = false
  try {
    atomic.update(() =>
      inside(() => {
        addOne()
        added = true
        throw new Error('the map stays as it is')
      }),
    )
  } catch (error) {
    if (!added) throw error
  }
  return true
}

async function add() {
  if (sabotage === 'lock') {
    addOne()
    return true
  }
  switch (random(64)) {
    case 0:
      return forgetLock(addOne)
    case 1:
      atomic.lock()
      return inside(() => process.exit(0))
    case 2:
    case 3:
    case 4:
      return addWithinUpdate()
    default:
      return withLock(addOne)
  }
}

void live(async () => {
  if (await add()) board.acknowledge(seat)
})
