// Replaces the map by one with a region more, fewer, or anew.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { advance } from './counter.mjs'
import { PAGE, slotAddress } from './layout.mjs'
import { atomic, board, canCall, fd, forgetLock, inside, linger, live, random, sabotage, withLock } from './life.mjs'
import { nextMap, readManifest } from './maps.mjs'

/** With the lock held. */
function derive(current) {
  const { next, generation } = nextMap(current, { fd, random, nonce: board.nextNonce() })
  linger()
  advance(current, generation)
  return next
}

function replace(guard) {
  const current = atomic.memory()
  guard.replace(derive(current))
  current.dispose()
}

/** Changes the map, in one of the ways there are; whether it did. */
async function change() {
  switch (random(8)) {
    case 0:
    case 1:
    case 2:
    case 3:
      atomic.update((current) => inside(() => derive(current)))
      return true
    case 4:
      // Replaces nothing, and lets the lock go.
      await forgetLock(() => linger())
      return false
    default:
      return withLock(replace)
  }
}

/** What must not be done: the map is read before the lock is taken. */
function changeUnlocked() {
  const { next } = nextMap(atomic.memory(), { fd, random, nonce: board.nextNonce() })
  linger()
  atomic.lock().replace(next)
}

/** What must not be done: a region is changed after it was published. */
function scribble() {
  const memory = atomic.memory()
  for (const { slot } of readManifest(memory).entries.slice(0, 1)) {
    memory.writeU32(random(2 ** 32), slotAddress(slot) + PAGE / 2)
  }
  memory.dispose()
}

void live(async () => {
  if (sabotage === 'update') changeUnlocked()
  if (sabotage === 'pages') scribble()
  if ((await change()) && canCall()) board.count('replaces')
})
