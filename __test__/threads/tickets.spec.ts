// Tickets: what one thread gives to another, and what else is done with them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, type SharedMemory } from '../../index.js'
import { freshName, isGone } from '../named-memory.js'
import { mappingsOf } from '../process-resources.js'
import { Agent } from './agent.js'
import { newAtomic, readU32, writeU32 } from './atomic.js'
import { script } from './script.js'

const PAGE = 4096
const INVALID = { code: 'ERR_INVALID_TICKET' }

test.serial('a ticket is plain data, and any copy of it is as good', (t) => {
  const atomic = newAtomic()
  const ticket = atomic.share()
  t.is(ticket.type, 'GuestMemoryAtomic')
  t.is(typeof ticket.id, 'string')
  t.is(Object.getPrototypeOf(ticket), Object.prototype)
  const copy = structuredClone(JSON.parse(JSON.stringify(ticket)) as typeof ticket)
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
  const back = GuestMemoryAtomic.fromShared((await byMessage.call('share')) as SharedMemory<'GuestMemoryAtomic'>)
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
    const take = (ticket: unknown) => () => ({ GuestMemoryAtomic, GuestMemoryMmap })[type].fromShared(ticket as never)
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
    t.throws(() => GuestMemoryMmap.fromShared(wrong as never), INVALID)
  }
  for (const wrong of [mapTicket, { ...mapTicket, type: 'GuestMemoryAtomic' as const }]) {
    t.throws(() => GuestMemoryAtomic.fromShared(wrong as never), INVALID)
  }
  t.is(readU32(GuestMemoryAtomic.fromShared(ticket), 0), 7)
  t.is(GuestMemoryMmap.fromShared(mapTicket).numRegions, 0)
})

test.serial('a ticket is of no use in another process', (t) => {
  const tickets = [newAtomic().share(), new GuestMemoryMmap().share()]
  const answers = execFileSync(process.execPath, [script('take.mjs'), JSON.stringify(tickets)], { encoding: 'utf8' })
  t.deepEqual(JSON.parse(answers), ['ERR_INVALID_TICKET', 'ERR_INVALID_TICKET'])
  t.notThrows(() => GuestMemoryAtomic.fromShared(tickets[0] as SharedMemory<'GuestMemoryAtomic'>))
})

test.serial('a ticket is of no use in another copy of the addon', (t) => {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] }
  const addon = sharedObjects.find((file) => /vm-memory\.[^/]*\.node$/.test(file)) as string
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  const copy = path.join(directory, 'copy.node')
  fs.copyFileSync(addon, copy)
  const other = createRequire(import.meta.url)(copy) as Pick<typeof import('../../index.js'), 'GuestMemoryMmap'>
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
    const tickets = (await agent.call('issue', name)) as [
      SharedMemory<'GuestMemoryMmap'>,
      SharedMemory<'GuestMemoryAtomic'>,
    ]
    await agent.call('collect')
    t.is(mappingsOf(name), 1, 'they hold the memory')
    await agent.end(how)
    t.true(isGone(name)())
    t.throws(() => GuestMemoryMmap.fromShared(tickets[0]), INVALID)
    t.throws(() => GuestMemoryAtomic.fromShared(tickets[1]), INVALID)
  })
}

test.serial('what was taken outlives the thread that made the ticket', async (t) => {
  const agent = await Agent.start(t, null)
  const [ticket] = (await agent.call('issue', freshName())) as [SharedMemory<'GuestMemoryMmap'>]
  const memory = GuestMemoryMmap.fromShared(ticket)
  await agent.terminate()
  t.is(memory.readU32(0), 0x600d)
})
