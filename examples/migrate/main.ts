/**
 * Moves the memory of a machine that goes on writing to it, from this process to another one.
 *
 *     npm run migrate
 *     npm run migrate -- --size 1024 --writers 3 --rate 50
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import type { Worker } from 'node:worker_threads'
import CliTable from 'cli-table3'
import { Command } from 'commander'
import { pageSize, type GuestMemoryMmap } from '../../index.js'
import { integer } from '../machine/integer-option.js'
import { MIB } from '../machine/memory-layout.js'
import { makeTemporaryFolder } from '../machine/temporary-folder.js'
import { startThread } from '../typescript-thread.js'
import { trackerOf } from '../write-tracking.js'
import { makeMemory } from './machine-memory.js'
import { migrate, pagesIn, type Migration } from './source.js'
import type { WriterData } from './writer.js'

interface Settings {
  readonly size: number
  readonly writers: number
  readonly rate: number
  readonly hot: number
  readonly stopBelow: number
  readonly maxRounds: number
  readonly json: boolean
}

const positive = integer(1, 2 ** 20)

function startWriter(workerData: WriterData): Worker {
  return startThread(new URL('writer.ts', import.meta.url), { workerData })
}

async function stopWriters(writers: readonly Worker[]): Promise<void> {
  await Promise.all(
    writers.map(async (writer) => {
      writer.postMessage('stop')
      await once(writer, 'message')
      await writer.terminate()
    }),
  )
}

async function startDestination(socketPath: string, size: number): Promise<ChildProcess> {
  const destination = fork(new URL('destination.ts', import.meta.url), [socketPath, String(size)])
  const exit = once(destination, 'exit').then(([code]) => {
    throw new Error(`the destination has ended with ${code}`)
  })
  await Promise.race([once(destination, 'message'), exit])
  // From here on the socket tells.
  exit.catch(() => {})
  return destination
}

function fillSome(memory: GuestMemoryMmap): void {
  // A third of the memory was used before.
  for (const region of memory) {
    for (let offset = 0; offset < region.size / 3; offset += pageSize()) region.writeU32(offset + 1, offset)
  }
}

function report({ rounds, downtime, isEqual }: Migration, { json }: Settings, dataPages: number): void {
  const sent = rounds.reduce((sum, { pages }) => sum + pages, 0)
  const everything = dataPages * rounds.length
  if (json) {
    console.log(JSON.stringify({ rounds, downtime, isEqual, pagesSent: sent, pagesOfEverything: everything }))
    return
  }
  const table = new CliTable({ head: ['round', 'pages', 'MiB', 'ms', 'MiB/s'], style: { head: [], border: [] } })
  rounds.forEach(({ pages, milliseconds }, index) => {
    const mib = (pages * pageSize()) / MIB
    const name = index === rounds.length - 1 ? 'stopped' : String(index + 1)
    table.push([name, pages, mib.toFixed(1), milliseconds.toFixed(1), ((mib / milliseconds) * 1000).toFixed(0)])
  })
  console.log(table.toString())
  console.log(`sent ${sent} pages; all data in each round would be ${everything}`)
  console.log(`the machine stood still for ${downtime.toFixed(1)} ms`)
  console.log(isEqual ? 'both sides have the same SHA-256' : 'THE TWO SIDES DIFFER')
}

async function run(settings: Settings): Promise<number> {
  const size = settings.size * MIB
  const memory = makeMemory(size)
  fillSome(memory)
  using tracker = trackerOf(memory)
  if (tracker === null) {
    console.log('skipped: this kernel cannot track writes (Linux 6.7 can)')
    return 0
  }
  const socketPath = path.join(makeTemporaryFolder(), 'migrate.sock')
  const destination = await startDestination(socketPath, size)
  const socket = net.connect(socketPath)
  const hotPages = Math.max(1, Math.floor((size / 2 / pageSize()) * (settings.hot / 100)))
  const writers = Array.from({ length: settings.writers }, (_, seed) =>
    startWriter({ memory: memory.share(), seed, hotPages, rate: settings.rate }),
  )
  try {
    await Promise.all(writers.map((writer) => once(writer, 'message')))
    const migration = await migrate(socket, memory, tracker, {
      stopBelow: settings.stopBelow,
      maxRounds: settings.maxRounds,
      stop: () => stopWriters(writers),
      onProgress: (round, sent, left) => {
        if (process.stderr.isTTY) process.stderr.write(`\rround ${round}: ${sent} pages sent, ${left} left\x1b[K`)
      },
    })
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    report(migration, settings, pagesIn(memory.dataRanges()))
    return migration.isEqual ? 0 : 1
  } finally {
    socket.destroy()
    await Promise.all(writers.map((writer) => writer.terminate()))
    if (destination.exitCode === null) destination.kill()
  }
}

const command = new Command('migrate')
  .description('Moves the memory of a machine that goes on writing to it, to another process.')
  .option('--size <MiB>', 'memory of the machine', positive, 256)
  .option('--writers <count>', 'threads that write', positive, 2)
  .option('--rate <pages>', 'pages that each of them writes to in a millisecond', positive, 10)
  .option('--hot <percent>', 'how much of the memory they write to', positive, 5)
  .option('--stop-below <pages>', 'stop the machine when no more pages are left', positive, 256)
  .option('--max-rounds <count>', 'or after so many rounds', positive, 30)
  .option('--json', 'print what came of it as JSON', false)
  .action(async (settings: Settings) => {
    process.exitCode = await run(settings)
  })

try {
  await command.parseAsync()
} catch (error) {
  console.error(`migrate: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
