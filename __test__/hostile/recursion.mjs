// Calls that recurse until the stack is full, and every call where there is hardly any stack left.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { callables, vm } from './surface.mjs'
import { complain, errorOf, expectSame, isAllowed, isStackOverflow } from './verdict.mjs'

const BASE = 65536
const memory = vm.GuestMemoryMmap.fromRanges([[BASE, 4096]], { bitmap: true })

function mustOverflow(where, call) {
  const error = errorOf(call)
  if (error === null || !isStackOverflow(error)) complain(where, error ?? 'returned')
}

mustOverflow('tryAccess in tryAccess', function recurse() {
  memory.tryAccess(1, BASE, () => {
    recurse()
    return 1
  })
})
mustOverflow('a guard in each tryAccess', function recurse() {
  const guard = new vm.GuestMemoryAtomic(memory).memory()
  guard.tryAccess(1, BASE, () => {
    recurse()
    return 1
  })
})
mustOverflow('update of ever another map', function recurse() {
  new vm.GuestMemoryAtomic(memory).update((map) => {
    recurse()
    return map
  })
})
mustOverflow('a getter that asks for itself', () => {
  const options = {
    get bitmap() {
      return vm.GuestRegionMmap.fromRange(0, 4096, null, options) !== null
    },
  }
  vm.GuestRegionMmap.fromRange(0, 4096, null, options)
})
mustOverflow('a proxy that asks for itself', () => {
  const value = new Proxy([0], {
    get: () => memory.writeObj(['u8', 1], value, BASE),
  })
  memory.writeObj(['u8', 1], value, BASE)
})

// Arguments that are nested without end.
const cycle = []
cycle.push(cycle, cycle, cycle)
for (const { title, call, right } of callables()) {
  const args = right().map(() => cycle)
  const error = errorOf(() => {
    letGo(call(args))
  })
  if (error !== null && !isAllowed(error)) complain(`${title} with cycles`, error)
}

/** Frees locks, now or when they are granted. */
function letGo(result) {
  if (result instanceof Promise) result.then(letGo, () => {})
  else if (result instanceof vm.GuestMemoryExclusiveGuard) result.dispose()
}

const ATTEMPTS = 100

/**
 * Fills the stack, and calls `attempt` on the way back, in each frame in which it can be called at all, until it has
 * been called often enough: with almost no stack first, then with ever a little more.
 */
function callWithLittleStack(attempt) {
  let left = ATTEMPTS
  const once = () => {
    left -= 1
    attempt(left)
  }
  const dive = () => {
    try {
      dive()
    } catch {
      // The stack is full here.
    }
    if (left === 0) return
    try {
      once()
    } catch {
      // And here still.
    }
  }
  dive()
  return left
}

let calls = 0
let overflowed = 0
for (const { title, call, right } of callables()) {
  const prepared = Array.from({ length: ATTEMPTS }, right)
  const results = prepared.map(() => undefined)
  const errors = prepared.map(() => null)
  const left = callWithLittleStack((i) => {
    try {
      results[i] = call(prepared[i])
    } catch (error) {
      errors[i] = error
    }
  })
  expectSame(`calls of ${title} that were not made`, left, 0)
  for (const result of results) {
    letGo(result)
  }
  for (const error of errors) {
    calls += 1
    if (error === null) continue
    if (isStackOverflow(error)) overflowed += 1
    else if (!isAllowed(error)) complain(`${title} with little stack`, error)
  }
}

memory.writeU8(7, BASE)
expectSame('the memory afterwards', memory.readU8(BASE), 7)
console.log(`${calls} calls with little stack, ${overflowed} of which had too little`)
