// One memory map, many threads: tickets, the lock, snapshots and shared buffers between them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import {
  FileOffset,
  type GuestMemoryExclusiveGuard,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  memfdCreate,
  type SharedMemory,
} from '../index.js'
import { descriptorsOf, eventually, mappingsOf, settle } from './process-resources.js'
import { refusesArgument } from './refusal.js'
import { Agent } from './threads/agent.js'

const PAGE = 4096
const INVALID = { code: 'ERR_INVALID_TICKET' }
const HELD = { code: 'ERR_LOCK_HELD' }
const TIMED_OUT = { code: 'ERR_LOCK_TIMEOUT' }

const script = (name: string): string => fileURLToPath(new URL(`threads/${name}`, import.meta.url))

function newAtomic(): GuestMemoryAtomic {
  return new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, PAGE]]))
}

let names = 0
const freshName = (): string => `threads-${process.pid}-${(names += 1)}`

/** Memory that the kernel lists under this name. */
function namedMemory(name: string): GuestMemoryMmap {
  const fd = memfdCreate(name, PAGE)
  try {
    return GuestMemoryMmap.fromRangesWithFiles([[0, PAGE, new FileOffset(fd, 0)]])
  } finally {
    fs.closeSync(fd)
  }
}

const isGone = (name: string) => (): boolean => mappingsOf(name) === 0 && descriptorsOf(name) === 0

function readU32(atomic: GuestMemoryAtomic, address: number): number {
  using guard = atomic.memory()
  return guard.readU32(address)
}

function writeU32(atomic: GuestMemoryAtomic, value: number, address: number): void {
  using guard = atomic.memory()
  guard.writeU32(value, address)
}

/** Whether the lock is free now. */
function isFree(atomic: GuestMemoryAtomic): boolean {
  const guard = atomic.tryLock()
  guard?.dispose()
  return guard !== null
}

/** What a promise is rejected with. (An abort is no error in the eyes of ava.) */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const [settled] = await Promise.allSettled([promise])
  if (settled.status === 'fulfilled') throw new Error('not rejected')
  return settled.reason
}

// ------------------------------------------------------------------------------------------------ tickets

test.serial('a ticket is plain data, and any copy of it is as good', (t) => {
  const atomic = newAtomic()
  const ticket = atomic.share()
  t.is(ticket.type, 'GuestMemoryAtomic')
  t.is(typeof ticket.id, 'string')
  t.is(Object.getPrototypeOf(ticket), Object.prototype)
  const copy = structuredClone(JSON.parse(JSON.stringify(ticket)) as SharedMemory)
  t.deepEqual(copy, ticket)
  writeU32(GuestMemoryAtomic.fromShared(copy), 5, 0)
  t.is(readU32(atomic, 0), 5)
  t.throws(() => GuestMemoryAtomic.fromShared(ticket), INVALID)
})

test.serial('a ticket works through workerData, in a message, and in a thread of a thread', async (t) => {
  const atomic = newAtomic()
  writeU32(atomic, 0xcafe, 16)
  const byWorkerData = await Agent.start(t, atomic)
  t.is(await byWorkerData.call('read', 16), 0xcafe)
  const byMessage = await Agent.start(t, null)
  await byMessage.call('take', atomic.share())
  t.is(await byMessage.call('read', 16), 0xcafe)
  t.is(await byMessage.call('readNested', { ticket: atomic.share(), address: 16 }), 0xcafe)
  // Made there, taken here.
  const back = GuestMemoryAtomic.fromShared((await byMessage.call('share')) as SharedMemory)
  t.is(readU32(back, 16), 0xcafe)
})

test.serial('a ticket for a map takes its regions to another thread', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  memory.writeU32(0xbeef, 8)
  const agent = await Agent.start(t, null)
  t.is(await agent.call('readMap', { ticket: memory.share(), address: 8 }), 0xbeef)
  t.is([...GuestMemoryMmap.fromShared(memory.share())][0], [...memory][0])
})

test.serial('handles in all threads share the map and the lock', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('write', { address: 0, value: 1 })
  t.is(readU32(atomic, 0), 1)
  await agent.call('lock')
  t.is(atomic.clone().tryLock(), null)
  await agent.call('replace', 3)
  t.deepEqual(
    [...atomic.memory()].map((region) => region.startAddr),
    [0x3_0000n],
  )
  atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(0, PAGE)))
  t.is(await agent.call('snapshot'), 2)
})

test.serial('a thread that does nothing but look sees a map that another has put there', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const poll = await agent.begin('poll', { address: 0, value: 1 })
  await agent.inside()
  // Long enough for the loop to be compiled by every compiler.
  await setTimeout(300)
  const successor = GuestMemoryMmap.fromRanges([[0, PAGE]])
  successor.writeU8(1, 0)
  atomic.update(() => successor)
  t.true(((await poll.result) as number) > 1)
})

test.serial('of many threads that take one ticket, one gets it', async (t) => {
  const ticket = newAtomic().share()
  const agents = await Promise.all([1, 2, 3].map(() => Agent.start(t, null)))
  const answers = await Promise.allSettled(agents.map((agent) => agent.call('take', ticket)))
  t.is(answers.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const answer of answers) if (answer.status === 'rejected') t.like(answer.reason, INVALID)
})

test.serial('used, unknown and forged tickets are refused', (t) => {
  for (const type of ['GuestMemoryAtomic', 'GuestMemoryMmap'] as const) {
    const take = (ticket: unknown) => () =>
      ({ GuestMemoryAtomic, GuestMemoryMmap })[type].fromShared(ticket as SharedMemory)
    const issue = (): SharedMemory => (type === 'GuestMemoryAtomic' ? newAtomic() : new GuestMemoryMmap()).share()
    const ticket = issue()
    take({ ...ticket })()
    t.throws(take(ticket), INVALID)
    const { id } = issue()
    for (const forged of ['', '0', id.slice(1), `${id} `, id.toUpperCase() === id ? `${id}0` : id.toUpperCase()]) {
      t.throws(take({ type, id: forged }), INVALID, forged)
    }
    for (let i = 0; i < id.length; i += 1) {
      const forged = `${id.slice(0, i)}${id[i] === '0' ? '1' : '0'}${id.slice(i + 1)}`
      t.throws(take({ type, id: forged }), INVALID, forged)
    }
    for (const wrong of [undefined, null, id, {}, { type }, { type, id: 1 }]) {
      const { code } = t.throws(take(wrong)) as NodeJS.ErrnoException
      t.true(code === 'ERR_INVALID_TICKET' || code === 'ERR_INVALID_ARG_TYPE', `${code} for ${JSON.stringify(wrong)}`)
    }
    t.notThrows(take({ type, id }), 'the real one is still good')
  }
})

test.serial('ids do not follow one another', (t) => {
  const ids = Array.from({ length: 200 }, () => newAtomic().share().id)
  t.is(new Set(ids).size, ids.length)
  const numbers = ids.map((id) => BigInt(`0x${id}`))
  const steps = new Set(numbers.slice(1).map((number, i) => number - (numbers[i] as bigint)))
  t.is(steps.size, ids.length - 1)
})

test.serial('a ticket offered to the wrong class stays good', (t) => {
  const atomic = newAtomic()
  writeU32(atomic, 7, 0)
  const ticket = atomic.share()
  const mapTicket = new GuestMemoryMmap().share()
  for (const wrong of [ticket, { ...ticket, type: 'GuestMemoryMmap' as const }]) {
    t.throws(() => GuestMemoryMmap.fromShared(wrong), INVALID)
  }
  for (const wrong of [mapTicket, { ...mapTicket, type: 'GuestMemoryAtomic' as const }]) {
    t.throws(() => GuestMemoryAtomic.fromShared(wrong), INVALID)
  }
  t.is(readU32(GuestMemoryAtomic.fromShared(ticket), 0), 7)
  t.is(GuestMemoryMmap.fromShared(mapTicket).numRegions, 0)
})

test.serial('a ticket is of no use in another process', (t) => {
  const tickets = [newAtomic().share(), new GuestMemoryMmap().share()]
  const answers = execFileSync(process.execPath, [script('take.mjs'), JSON.stringify(tickets)], { encoding: 'utf8' })
  t.deepEqual(JSON.parse(answers), ['ERR_INVALID_TICKET', 'ERR_INVALID_TICKET'])
  t.notThrows(() => GuestMemoryAtomic.fromShared(tickets[0] as SharedMemory))
})

test.serial('a ticket is of no use in another copy of the addon', (t) => {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] }
  const addon = sharedObjects.find((file) => /vm-memory\.[^/]*\.node$/.test(file)) as string
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  const copy = path.join(directory, 'copy.node')
  fs.copyFileSync(addon, copy)
  const other = createRequire(import.meta.url)(copy) as Pick<typeof import('../index.js'), 'GuestMemoryMmap'>
  const ticket = new GuestMemoryMmap().share()
  t.throws(() => other.GuestMemoryMmap.fromShared(ticket), INVALID)
  t.notThrows(() => GuestMemoryMmap.fromShared(ticket))
  const foreign = new other.GuestMemoryMmap().share()
  t.throws(() => GuestMemoryMmap.fromShared(foreign), INVALID)
})

for (const how of ['is terminated', 'exits', 'returns', 'throws'] as const) {
  test.serial(`tickets that nobody took are dropped when their thread ${how}`, async (t) => {
    const name = freshName()
    const agent = await Agent.start(t, null)
    const tickets = (await agent.call('issue', name)) as SharedMemory[]
    await agent.call('collect')
    t.is(mappingsOf(name), 1, 'they hold the memory')
    await end(agent, how)
    t.true(isGone(name)())
    t.throws(() => GuestMemoryMmap.fromShared(tickets[0] as SharedMemory), INVALID)
    t.throws(() => GuestMemoryAtomic.fromShared(tickets[1] as SharedMemory), INVALID)
  })
}

test.serial('what was taken outlives the thread that made the ticket', async (t) => {
  const agent = await Agent.start(t, null)
  const [ticket] = (await agent.call('issue', freshName())) as [SharedMemory]
  const memory = GuestMemoryMmap.fromShared(ticket)
  await agent.terminate()
  t.is(memory.readU32(0), 0x600d)
})

// ------------------------------------------------------------------------------------------------ the lock: waiting

test.serial('a lock that another thread holds is waited for, as long as one wants', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('lock')
  t.is(atomic.tryLock(), null)
  t.throws(() => atomic.lock({ timeout: 0 }), TIMED_OUT)
  const start = performance.now()
  t.throws(() => atomic.lock({ timeout: 30 }), TIMED_OUT)
  t.true(performance.now() - start >= 29, 'not before the time')
  await agent.call('unlock')
  atomic.lock({ timeout: 0 }).dispose()
  t.true(isFree(atomic))
})

test.serial('a thread that waits gets the lock when it is given back', async (t) => {
  const atomic = newAtomic()
  const [first, second] = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  const guard = atomic.lock()
  const locking = await first.beginBlocking('lock', { timeout: 30_000 })
  const updating = await second.beginBlocking('update')
  guard.dispose()
  t.is(await locking.result, 'locked')
  t.is(atomic.tryLock(), null)
  await first.call('unlock')
  t.is(await updating.result, 1)
  t.true(isFree(atomic))
})

test.serial('a thread does not wait for itself', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const guard = atomic.lock()
  t.throws(() => atomic.lock(), HELD)
  t.throws(() => atomic.clone().update((map) => map), HELD)
  t.is(atomic.tryLock(), null)
  guard.dispose()

  // Nor for what could not be delivered while it waits.
  await agent.call('lock')
  const pending = atomic.lockAsync()
  t.throws(() => atomic.lock(), HELD)
  t.throws(() => atomic.lock({ timeout: 5 }), HELD)
  t.throws(() => atomic.update((map) => map), HELD)
  t.is(atomic.tryLock(), null)
  const second = atomic.lockAsync()
  await agent.call('unlock')
  ;(await pending).dispose()
  ;(await second).dispose()
  t.true(isFree(atomic))
})

test.serial('first come, first served, whether one blocks or not', async (t) => {
  const atomic = newAtomic()
  const agents = await Promise.all([1, 2, 3, 4].map(() => Agent.start(t, atomic)))
  const [first, second, third, fourth] = agents as [Agent, Agent, Agent, Agent]
  const signAsync = async (name: number): Promise<void> => {
    const lock = await atomic.lockAsync()
    const length = readU32(atomic, 0)
    writeU32(atomic, name, 4 + 4 * length)
    writeU32(atomic, length + 1, 0)
    lock.dispose()
  }
  const guard = atomic.lock()
  const pending = [
    (await first.beginBlocking('lockAndSign', 1)).result,
    signAsync(2),
    (await second.beginBlocking('updateAndSign', 3)).result,
    (await third.begin('lockAsyncAndSign', 4)).result,
  ]
  await third.call('read', 0) // so that it is in line
  pending.push((await fourth.beginBlocking('lockAndSign', 5)).result, signAsync(6))
  t.is(readU32(atomic, 0), 0)
  guard.dispose()
  // It has been given to the first already, so nobody can come between.
  t.is(atomic.tryLock(), null)
  await Promise.all(pending)
  t.is(readU32(atomic, 0), 6)
  t.deepEqual(
    [1, 2, 3, 4, 5, 6].map((i) => readU32(atomic, 4 * i)),
    [1, 2, 3, 4, 5, 6],
  )
})

test.serial('waiters that abort, time out or die are skipped', async (t) => {
  const atomic = newAtomic()
  const agents = await Promise.all([1, 2, 3, 4, 5].map(() => Agent.start(t, atomic)))
  const [timed, blocked, waiting, leaving, last] = agents as [Agent, Agent, Agent, Agent, Agent]
  const controller = new AbortController()
  const guard = atomic.lock()
  const timedOut = await timed.begin('lock', { timeout: 150 })
  await blocked.beginBlocking('lock')
  const aborted = atomic.lockAsync({ signal: controller.signal })
  const late = atomic.lockAsync({ timeout: 10 })
  await waiting.begin('lockAsync')
  await leaving.begin('lockAsync')
  const served = await last.beginBlocking('lockAndSign', 9)

  controller.abort()
  const reasons = await Promise.all([aborted, late, timedOut.result].map(rejection))
  t.like(reasons[0], { name: 'AbortError' })
  t.like(reasons[1], TIMED_OUT)
  t.like(reasons[2], TIMED_OUT)
  await blocked.terminate()
  await waiting.terminate()
  await leaving.begin('exit')
  t.is(await leaving.exit, 0)
  t.is(readU32(atomic, 0), 0)
  guard.dispose()
  await served.result
  t.is(readU32(atomic, 4), 9)
  t.true(isFree(atomic))
})

test.serial('a lock granted to a thread that dies before it hears of it goes to the next', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const guard = atomic.lock()
  await agent.begin('lockAsyncAndSpin')
  await agent.inside()
  const next = atomic.lockAsync()
  guard.dispose()
  t.is(await Promise.race([next, setTimeout(50, 'not yet')]), 'not yet')
  await agent.terminate()
  ;(await next).dispose()
  t.true(isFree(atomic))
})

// ------------------------------------------------------------------------------------------------ the lock: lockAsync

test.serial('lockAsync rejects with what its signal was aborted with', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('lock')
  t.like(await rejection(atomic.lockAsync({ signal: AbortSignal.abort() })), { name: 'AbortError' })
  const timedOut = await rejection(atomic.lockAsync({ signal: AbortSignal.timeout(10) }))
  t.true(timedOut instanceof DOMException)
  t.like(timedOut, { name: 'TimeoutError' })
  const controller = new AbortController()
  const reason = new Error('changed my mind')
  const waiting = atomic.lockAsync({ signal: controller.signal, timeout: 60_000 })
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  // Nobody is left in line.
  await agent.call('unlock')
  t.true(isFree(atomic))
  // Aborted before, it does not even try.
  await t.throwsAsync(atomic.lockAsync({ signal: AbortSignal.abort(reason) }), { is: reason })
  t.true(isFree(atomic))
})

test.serial('an abort after the grant does nothing', async (t) => {
  const atomic = newAtomic()
  const controller = new AbortController()
  const guard = await atomic.lockAsync({ signal: controller.signal, timeout: 20 })
  controller.abort()
  await setTimeout(40)
  t.is(atomic.tryLock(), null)
  guard.replace(new GuestMemoryMmap())
  t.is(atomic.memory().numRegions, 0)
})

test.serial('lockAsync gives up after its time', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  ;(await atomic.lockAsync({ timeout: 0 })).dispose()
  await agent.call('lock')
  await t.throwsAsync(atomic.lockAsync({ timeout: 0 }), TIMED_OUT)
  await t.throwsAsync(atomic.lockAsync({ timeout: 15 }), TIMED_OUT)
  const endless = atomic.lockAsync({ timeout: Infinity })
  await agent.call('unlock')
  ;(await endless).dispose()
})

test.serial('wrong options are refused, by rejection where there is a promise', async (t) => {
  const atomic = newAtomic()
  for (const timeout of [-1, NaN, -Infinity]) {
    t.throws(() => atomic.lock({ timeout }), { code: 'ERR_OUT_OF_RANGE' })
    await t.throwsAsync(atomic.lockAsync({ timeout }), { code: 'ERR_OUT_OF_RANGE' })
  }
  for (const timeout of ['1', null, {}] as unknown as number[]) {
    refusesArgument(t, () => atomic.lock({ timeout }))
    await t.throwsAsync(atomic.lockAsync({ timeout }), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const signal of [{}, { aborted: false }, null] as unknown as AbortSignal[]) {
    await t.throwsAsync(atomic.lockAsync({ signal }), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.true(isFree(atomic))
})

test.serial('lockAsync leaves the event loop and the thread pool alone', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  await agent.call('lock')
  let granted = 0
  const waiting = Array.from({ length: 32 }, async () => {
    const lock = await atomic.lockAsync()
    granted += 1
    lock.dispose()
  })
  for (let turns = 0; turns < 100; turns += 1) await setImmediate()
  // The pool has four threads: if the waiters sat on those, nothing of this could be done.
  t.true((await fs.promises.readFile(fileURLToPath(import.meta.url))).length > 0)
  await Promise.all(Array.from({ length: 8 }, () => fs.promises.stat(process.execPath)))
  t.is(granted, 0)
  await agent.call('unlock')
  await Promise.all(waiting)
  t.is(granted, 32)
})

/** Runs a script that must end by itself. */
async function run(name: string, ...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [script(name), ...args], { timeout: 30_000, killSignal: 'SIGKILL' })
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, output, errors }
}

test.serial('a pending lockAsync keeps the process, as pending I/O does, and nothing else of it', async (t) => {
  t.deepEqual(await run('pending-lock.mjs', 'wait'), { code: 0, output: 'granted\n', errors: '' })
  t.deepEqual(await run('pending-lock.mjs'), { code: 0, output: '', errors: '' })
})

// ------------------------------------------------------------------------------------------------ the lock: ends

test.serial('a thread that is blocked in lock() or update() ends within 200 ms of terminate()', async (t) => {
  const atomic = newAtomic()
  const guard = atomic.lock()
  for (const task of ['lock', 'update']) {
    const times: number[] = []
    for (let round = 0; round < 3; round += 1) {
      const agent = await Agent.start(t, atomic)
      await agent.beginBlocking(task)
      times.push(await agent.terminate())
    }
    times.sort((a, b) => a - b)
    t.log(task, times.map((time) => `${time.toFixed(1)} ms`).join(', '))
    t.true((times[1] as number) < 200)
  }
  guard.dispose()
  t.true(isFree(atomic))
})

test.serial('process.exit() of the main thread is not held up by threads that wait', async (t) => {
  t.deepEqual(await run('exit-with-waiters.mjs'), { code: 0, output: 'exiting\n', errors: '' })
})

type Ending = 'is terminated' | 'exits' | 'returns' | 'throws'

async function end(agent: Agent, how: Ending): Promise<void> {
  if (how === 'is terminated') await agent.terminate()
  else await agent.begin({ exits: 'exit', returns: 'close', throws: 'throwUncaught' }[how])
  await agent.exit
}

const LOSSES: [how: string, lose: (agent: Agent) => Promise<unknown>][] = [
  ...(['is terminated', 'exits', 'returns', 'throws'] as const).map((how): (typeof LOSSES)[number] => [
    how,
    (agent) => end(agent, how),
  ]),
  [
    'loses its guard to a collection',
    async (agent) => {
      await agent.call('loseLock')
      await agent.call('collect')
    },
  ],
]

for (const [how, lose] of LOSSES) {
  test.serial(`a holder that ${how} gives the lock back, and the map stays as it was`, async (t) => {
    const atomic = newAtomic()
    const before = atomic.memory().intoInner()
    const [holder, blocked] = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
    await holder.call('lock')
    const pending = atomic.lockAsync()
    const updating = await blocked.beginBlocking('update')
    await lose(holder)
    ;(await pending).dispose()
    t.is(await updating.result, 1)
    t.true(isFree(atomic))
    t.deepEqual([...atomic.memory()], [...before])
    if (how === 'throws') t.is(holder.errors[0]?.message, 'uncaught')
    else t.deepEqual(holder.errors, [])
  })
}

test.serial('an update that never returns ends with its thread', async (t) => {
  const atomic = newAtomic()
  const before = atomic.memory().intoInner()
  const [agent, blocked] = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  await agent.begin('updateForEver')
  await agent.inside()
  t.is(atomic.tryLock(), null)
  const waiting = await blocked.beginBlocking('lock')
  await agent.terminate()
  t.is(await waiting.result, 'locked')
  await blocked.call('unlock')
  t.true(isFree(atomic))
  t.is(atomic.memory().intoInner(), before)
})

test.serial('an update that throws or exits leaves map and lock as they were', async (t) => {
  const atomic = newAtomic()
  const before = atomic.memory().intoInner()
  const agent = await Agent.start(t, atomic)
  await t.throwsAsync(agent.call('updateAndThrow'), { message: 'from within' })
  t.true(isFree(atomic))
  await agent.begin('updateAndExit')
  t.is(await agent.exit, 0)
  t.true(isFree(atomic))
  t.is(atomic.memory().intoInner(), before)
})

// ------------------------------------------------------------------------------------------------ snapshots

/** Three threads with a snapshot each, of a map that has then been replaced. */
async function snapshots(t: ExecutionContext, name: string, address?: number): Promise<Agent[]> {
  const atomic = new GuestMemoryAtomic(namedMemory(name))
  const agents = await Promise.all([1, 2, 3].map(() => Agent.start(t, atomic)))
  for (const agent of agents) t.is(await agent.call('snapshot', address), address === undefined ? 1 : 0)
  atomic.lock().replace(new GuestMemoryMmap())
  return agents
}

test.serial('old regions are unmapped with the last guard, though the other threads stay idle', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.call('disposeSnapshots')
  }
  t.true(await eventually(isGone(name)))
})

test.serial('threads that have read through their guards let go of old regions at a collection', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name, 0)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.call('disposeSnapshots')
    await agent.call('collect')
  }
  t.true(await eventually(isGone(name)))
})

test.serial('guards that threads have dropped are given back at a collection', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name, 0)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.call('dropSnapshots')
    await agent.call('collect')
  }
  t.true(await eventually(isGone(name)))
})

test.serial('guards of threads that were terminated hold nothing', async (t) => {
  const name = freshName()
  const agents = await snapshots(t, name, 0)
  for (const agent of agents) {
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.terminate()
  }
  t.true(await eventually(isGone(name)))
})

test.serial('threads that are terminated while they make buffers leave nothing mapped', async (t) => {
  const name = freshName()
  for (let round = 0; round < 16; round += 1) {
    const agent = await Agent.start(t, null)
    await agent.begin('makeBuffers', { file: name, count: 3000 })
    await agent.inside()
    await setTimeout((round % 8) / 2)
    await agent.terminate()
  }
  t.true(await eventually(isGone(name)), `${mappingsOf(name)} mappings are left`)
})

// ------------------------------------------------------------------------------------------------ reading, modifying, writing

const COUNT = 60

/** Two threads insert regions, at the same time; how many there are then. */
async function insertInTwoThreads(t: ExecutionContext, task: string): Promise<number> {
  const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
  const agents = [await Agent.start(t, atomic), await Agent.start(t, atomic)]
  await Promise.all(agents.map((agent, i) => agent.call(task, { first: i * COUNT, count: COUNT })))
  return atomic.memory().numRegions
}

test.serial('two threads that change the map by update lose nothing', async (t) => {
  t.is(await insertInTwoThreads(t, 'insertByUpdate'), 2 * COUNT)
})

test.serial('two threads that read the map before they take the lock lose changes', async (t) => {
  const left = await insertInTwoThreads(t, 'insertByReadingFirst')
  t.true(left < 2 * COUNT, `${left} of ${2 * COUNT} regions are left`)
})

// ------------------------------------------------------------------------------------------------ shared buffers

/** Whether this runtime has the call, by the versions that brought it. */
function hasSharedBuffers(): boolean {
  if (process.versions.bun !== undefined) return true
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  const since: Record<number, number> = { 22: 23, 24: 16, 26: 1 }
  return major > 26 || minor >= (since[major] ?? Infinity)
}

if (hasSharedBuffers()) {
  test.serial('a shared buffer is the memory itself, in every thread that it is posted to', async (t) => {
    const region = GuestRegionMmap.fromRange(0, PAGE)
    const { sharedBuffer } = region
    t.true(sharedBuffer instanceof SharedArrayBuffer)
    t.is(sharedBuffer.byteLength, PAGE)
    t.is(region.sharedBuffer, sharedBuffer)
    const agent = await Agent.start(t, null)
    const adding = await agent.begin('add', { buffer: sharedBuffer, index: 4, times: 20_000 })
    const words = new Int32Array(sharedBuffer)
    for (let i = 0; i < 20_000; i += 1) Atomics.add(words, 4, 1)
    await adding.result
    t.is(region.readU32(16), 40_000)
  })

  test.serial('threads wait and notify each other on guest memory', async (t) => {
    const region = GuestRegionMmap.fromRange(0, PAGE)
    const agent = await Agent.start(t, null)
    const buffer = region.sharedBuffer
    region.writeU32(5, 0)
    t.is(await agent.call('waitFor', { buffer, index: 0, value: 0 }), 'not-equal')
    region.writeU32(0, 0)
    const waiting = await agent.begin('waitFor', { buffer, index: 0, value: 0 })
    while (Atomics.notify(new Int32Array(buffer), 0) === 0) await setTimeout(2)
    t.is(await waiting.result, 'ok')
  })

  test.serial('a shared buffer keeps the memory mapped in whatever thread it is, and lets go of it', async (t) => {
    const name = freshName()
    const agent = await Agent.start(t, null)
    await (() => {
      const buffer = [...namedMemory(name)][0]?.sharedBuffer
      return agent.begin('waitFor', { buffer, index: 0, value: 0 })
    })()
    await settle()
    t.is(mappingsOf(name), 1)
    await agent.terminate()
    t.true(await eventually(isGone(name)))
  })
} else {
  test.serial('sharedBuffer is refused where the runtime cannot make one', (t) => {
    t.throws(() => GuestRegionMmap.fromRange(0, PAGE).sharedBuffer, { code: 'ERR_UNSUPPORTED' })
  })
}

// ------------------------------------------------------------------------------------------------ the guards themselves

test.serial('a guard of the lock is of the thread that took it: the others see its effects alone', async (t) => {
  const atomic = newAtomic()
  const agent = await Agent.start(t, atomic)
  const guards: GuestMemoryExclusiveGuard[] = []
  for (let round = 0; round < 3; round += 1) {
    await agent.call('lock')
    const pending = atomic.lockAsync()
    await agent.call('replace', round)
    const guard = await pending
    guards.push(guard)
    t.is(atomic.memory().lastAddr, BigInt(round) * 65536n + BigInt(PAGE) - 1n)
    guard.dispose()
  }
  for (const guard of guards) t.throws(() => guard.replace(new GuestMemoryMmap()), { code: 'ERR_DISPOSED' })
})
