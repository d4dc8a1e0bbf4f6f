// The example that moves memory between processes while it is written to.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

import { digest, makeMemory } from '../examples/migrate/machine-memory.js'
import { migrate, type Migration } from '../examples/migrate/source.js'
import { receive } from '../examples/migrate/stream.js'
import { type GuestMemoryMmap, pageSize } from '../index.js'
import { tracked } from './write-tracking.js'

const MAIN = fileURLToPath(new URL('../examples/migrate/main.ts', import.meta.url))
const PAGE = pageSize()
const SIZE = 64 * PAGE

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), MAIN, ...args], {
    encoding: 'utf8',
    timeout: 120_000,
  })
}

tracked('a machine that writes all the time is on the other side what it was here', (t) => {
  const { status, stdout, stderr } = run('--size', '32', '--rate', '20', '--max-rounds', '5', '--json')
  t.is(stderr, '')
  t.is(status, 0)
  const { rounds, downtime, isEqual, pagesSent, pagesOfEverything } = JSON.parse(stdout) as Migration & {
    pagesSent: number
    pagesOfEverything: number
  }
  t.true(isEqual)
  t.true(rounds.length >= 2)
  t.true(rounds.slice(1).some(({ pages }) => pages > 0))
  t.true(downtime > 0)
  t.true(pagesSent < pagesOfEverything)
})

test('options that are none are refused', (t) => {
  for (const args of [['--size', '0'], ['--rate', 'x'], ['--unknown']]) {
    const { status, stderr } = run(...args)
    t.is(status, 1, args.join(' '))
    t.regex(stderr, /^error: /)
  }
  t.regex(run('--help').stdout, /--stop-below/)
})

/** Moves memory within this process, while `write` writes to it before each harvest. */
async function moved(
  t: ExecutionContext,
  write: (memory: GuestMemoryMmap, round: number) => void,
  forgets = false,
): Promise<Migration & { there: GuestMemoryMmap }> {
  const [memory, there] = [makeMemory(SIZE), makeMemory(SIZE)]
  for (const region of memory) region.fill(1, 0, region.size)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-migrate-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const server = net.createServer({ pauseOnConnect: true }).listen(path.join(folder, 'socket'))
  await once(server, 'listening')
  const connected = once(server, 'connection') as Promise<[net.Socket]>
  const socket = net.connect(path.join(folder, 'socket'))
  t.teardown(() => socket.destroy())
  const [other] = await connected
  server.close()
  const answer = async (): Promise<void> => {
    await receive(other, there)
    other.write(Buffer.of(1))
    other.end(digest(there))
  }
  const received = answer()
  using tracker = memory.trackWrites()
  let round = 0
  const harvest = (): [bigint, number][] => {
    write(memory, (round += 1))
    const ranges = tracker.harvest()
    return forgets && round === 2 ? [] : ranges
  }
  const migration = await migrate(
    socket,
    memory,
    { harvest },
    { stopBelow: 1, maxRounds: 10, stop: async () => {}, onProgress: () => {} },
  )
  await received
  return { ...migration, there }
}

/** Fewer pages each round, at both ends of the memory. */
const write = (memory: GuestMemoryMmap, round: number): void => {
  const view = memory.views(2 ** 32, SIZE / 2)[0] as Uint8Array
  for (let page = round; page < 8; page += 1) view[page * PAGE + round] = round
}

tracked('each round sends what was written in the one before', async (t) => {
  const { rounds, isEqual } = await moved(t, write)
  t.true(isEqual)
  t.deepEqual(
    rounds.map(({ pages }) => pages),
    [64, 7, 6, 5, 4, 3, 2, 1],
  )
})

tracked('what a harvest has forgotten is noticed', async (t) => {
  const { isEqual } = await moved(t, write, true)
  t.false(isEqual)
})
