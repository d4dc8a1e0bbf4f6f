// Every function of the package with missing, wrong and malicious arguments in every position.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import { callables, vm } from './surface.mjs'
import { hostileValues } from './values.mjs'
import { complain, errorOf, isAllowed } from './verdict.mjs'

/** Draws that replace all arguments at once, for each function. */
const RANDOM_CALLS = 150
/** Positions that are tried where the right arguments are unknown or all optional. */
const LEAST_POSITIONS = 2

/** The same numbers in every run: xorshift. */
let state = 0x2545f491
function random(below) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

const pending = []

/** Calls, and judges what is thrown now or later. */
function attempt(title, call, args, described) {
  const where = () => `${title}(${described.join(', ')})`
  let result
  const error = errorOf(() => {
    result = call(args)
  })
  if (error !== null) {
    if (!isAllowed(error)) complain(where(), error)
  } else if (result instanceof Promise) {
    const settled = result.then(putAway, (reason) => isAllowed(reason) || complain(where(), reason))
    pending.push({ settled, where })
  } else {
    putAway(result, title)
  }
}

/** Frees locks and descriptors, of which there are few. */
function putAway(result, title) {
  if (result instanceof vm.GuestMemoryExclusiveGuard) result.dispose()
  if (title === 'module.memfdCreate') fs.closeSync(result)
}

async function settlePending() {
  const late = Symbol('late')
  for (const { settled, where } of pending.splice(0)) {
    const ended = await Promise.race([settled, setTimeout(20_000, late, { ref: false })])
    if (ended === late) complain(where(), 'a promise that never settles')
  }
  globalThis.gc()
  await setImmediate()
}

/** Only `util.inspect` calls this one, with arguments of its own. */
const isInspection = (title) => title.endsWith(String(inspect.custom))

let calls = 0
for (const { title, call, right } of callables()) {
  if (isInspection(title)) continue
  const positions = Math.max(right().length + 1, LEAST_POSITIONS)
  for (let count = 0; count <= right().length; count += 1) {
    attempt(title, call, right().slice(0, count), [`the first ${count} right arguments`])
    calls += 1
  }
  for (let position = 0; position < positions; position += 1) {
    for (const [label, make] of hostileValues) {
      const args = right()
      args[position] = make()
      attempt(title, call, args, [`argument ${position} is ${label}`])
      calls += 1
    }
    await settlePending()
  }
  for (let round = 0; round < RANDOM_CALLS; round += 1) {
    const drawn = Array.from({ length: random(positions) + 1 }, () => hostileValues[random(hostileValues.length)])
    attempt(
      title,
      call,
      drawn.map(([, make]) => make()),
      drawn.map(([label]) => label),
    )
    calls += 1
  }
  await settlePending()
}
console.log(`${calls} calls`)
