// What the threads of the stress suite have in common.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setImmediate, setTimeout } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic } from '../../index.js'
import { Board, HOLDING, IDLE, WAITING } from './layout.mjs'
import { randomNumbers } from './random.mjs'

export const { seat, fd, sabotage } = workerData
export const board = new Board(workerData.board)
export const random = randomNumbers(workerData.seed)
export const atomic = GuestMemoryAtomic.fromShared(workerData.ticket)

/** Lets finalizers run, and messages come in. */
export const turn = () => setImmediate()

/**
 * Whether calls are done: when a thread is told to end, all that it calls returns at once, undone, and it may still take some
 * steps. (So newer versions of Node.js do, for all addons.)
 */
export const canCall = () => atomic.clone() !== undefined

export async function collect() {
  globalThis.gc()
  await turn()
}

/**
 * Does one thing after another, until the suite ends. Nobody awaits it at the top of a module: Node.js 20 ends the process
 * when a thread is terminated while V8 starts a module that awaits (a fatal error of `SourceTextModule::ExecuteAsyncModule`),
 * which has nothing to do with this package. One run in ten met that.
 */
export async function live(step) {
  parentPort.postMessage('ready')
  for (let steps = 1; !board.stopped; steps += 1) {
    await step()
    if (steps % 8 === 0) await turn()
    // What a thread has made of maps and regions is only let go of at a collection.
    if (steps % 128 === 0) await collect()
  }
}

/** Some time that belongs to the one who holds the lock: none, a busy moment, or a short sleep. */
export function linger() {
  switch (random(6)) {
    case 0:
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random(3))
      break
    case 1:
      for (const end = performance.now() + random(1000) / 1000; performance.now() < end;);
      break
    default:
  }
}

/** Counts that the lock was given to this thread, for `work`. */
export function inside(work) {
  board.setState(seat, HOLDING)
  board.count('handovers')
  const result = work()
  board.setState(seat, IDLE)
  return result
}

/** Whether this thread still holds the lock. */
function holds() {
  try {
    atomic.lock({ timeout: 0 }).dispose()
    return false
  } catch (error) {
    if (error.code === 'ERR_LOCK_HELD') return true
    if (error.code === 'ERR_LOCK_TIMEOUT') return false
    throw error
  }
}

/** Does `work` with a guard that nobody disposes of: a collection gives the lock back. */
export async function forgetLock(work) {
  const isForgotten = (() => {
    const guard = atomic.tryLock()
    if (guard !== null) inside(() => work(guard))
    return guard !== null
  })()
  if (!isForgotten) return false
  board.count('forgotten')
  for (let rounds = 0; holds(); rounds += 1) {
    if (rounds > 100) throw new Error('a lock whose guard was collected is still held')
    await collect()
  }
  return true
}

const isExpected = ({ code, name }) => code === 'ERR_LOCK_TIMEOUT' || name === 'AbortError'

/** Ways to get the lock: what they return is a guard, or null. */
const ways = [
  () => atomic.lock(),
  () => atomic.lock({ timeout: random(20) }),
  () => atomic.tryLock(),
  () => atomic.lockAsync(),
  () => atomic.lockAsync({ timeout: random(20) }),
  async () => {
    const controller = new AbortController()
    const waiting = atomic.lockAsync({ signal: controller.signal })
    void setTimeout(random(20)).then(() => controller.abort())
    return waiting
  },
]

/** Takes the lock in one way or another, for `work`; whether it was to be had. */
export async function withLock(work) {
  board.setState(seat, WAITING)
  let guard
  try {
    guard = await ways[random(ways.length)]()
  } catch (error) {
    if (!isExpected(error)) throw error
    guard = null
  }
  board.setState(seat, IDLE)
  if (guard === null) {
    board.count('givenUp')
    return false
  }
  try {
    inside(() => work(guard))
  } finally {
    guard.dispose()
  }
  return true
}
