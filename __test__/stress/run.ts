// One run: starts the threads, ends some of them every few milliseconds, and audits what is left.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
// Before the package, which takes away what it needs.
import { keptForEver } from './kept.mjs'
import { GuestMemoryAtomic, GuestMemoryMmap, memfdCreate } from '../../index.js'
import { descriptorsOf, eventually, mappingsOf } from '../process-resources.js'
import { increment, totals } from './counter.mjs'
import { ACCOUNTS, Board, HOLDING, WAITING } from './layout.mjs'
import { firstMap, readManifest } from './maps.mjs'
import { randomNumbers } from './random.mjs'
import { type Role, Seat } from './seat.js'

const ROLES: Role[] = [
  ...Array<Role>(3).fill('reader'),
  ...Array<Role>(3).fill('writer'),
  ...Array<Role>(4).fill('holder'),
]
/** The main thread takes part as a holder, in the last seat. */
const MAIN_SEAT = ROLES.length

const SABOTAGES = ['lock', 'update', 'pages', 'mappings', 'hang'] as const
export type Sabotage = (typeof SABOTAGES)[number]
export const isSabotage = (value: string): value is Sabotage => (SABOTAGES as readonly string[]).includes(value)

export interface Options {
  seconds: number
  seed: number
  /** How long, in milliseconds, anything may stand still. */
  patience: number
  /** Makes the suite do what it must notice. */
  sabotage: Sabotage | undefined
  onProgress: (done: number, report: Report) => void
}

export interface Report {
  /** What was survived, in the order of interest. */
  survived: Record<string, number>
  /** What went wrong; empty when all is well. */
  failures: string[]
}

/** A file to map, which the kernel lists under this name. The descriptor is ours to close. */
function openFile(name: string): number {
  if (process.platform === 'linux') return memfdCreate(name, ACCOUNTS.size)
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  const fd = fs.openSync(path.join(directory, name), 'w+')
  fs.ftruncateSync(fd, ACCOUNTS.size)
  fs.rmSync(directory, { recursive: true })
  return fd
}

/** New threads have `gc` as well. */
function exposeGarbageCollection(): void {
  setFlagsFromString('--expose-gc')
  globalThis.gc ??= runInNewContext('gc') as NonNullable<typeof globalThis.gc>
}

export class Run {
  readonly #options: Options
  readonly #random: (below: number) => number
  readonly #block = new SharedArrayBuffer(Board.lengthFor(ROLES.length + 1))
  readonly #board = new Board(this.#block)
  readonly #failures: string[] = []
  readonly #name = `stress-${process.pid}`
  readonly #fd = openFile(this.#name)
  readonly #atomic = new GuestMemoryAtomic(firstMap(this.#fd))
  readonly #seats: Seat[] = []
  /** What must not be kept. */
  readonly #leaked: ReturnType<GuestMemoryAtomic['memory']>[] = []
  #started = 0
  #ticketsLeft = 0
  #diedWaiting = 0
  #slowestEnd = 0

  constructor(options: Options) {
    this.#options = options
    this.#random = randomNumbers(options.seed)
    exposeGarbageCollection()
  }

  async run(): Promise<Report> {
    const { patience } = this.#options
    const watchdog = new Worker(new URL('watchdog.mjs', import.meta.url), {
      workerData: { board: this.#block, patience },
      execArgv: [],
    })
    watchdog.on('error', (error) => this.#fail(`the watchdog: ${error}`))
    const descriptors = this.#openDescriptors()
    for (const [number, role] of ROLES.entries()) this.#seats.push(this.#seat(number, role))
    await Promise.all([this.#reap(), this.#takePart()])
    this.#board.stop()
    await Promise.all(this.#seats.map((seat) => seat.end()))
    await this.#audit(descriptors)
    await watchdog.terminate()
    fs.closeSync(this.#fd)
    return this.#report()
  }

  #fail(what: string): void {
    this.#failures.push(what)
  }

  #seat(number: number, role: Role): Seat {
    return new Seat({
      number,
      role,
      start: () => {
        this.#started += 1
        const seed = this.#options.seed + this.#started
        const ticket = this.#atomic.share()
        const { sabotage } = this.#options
        const workerData = { seat: number, fd: this.#fd, board: this.#block, seed, ticket, sabotage }
        return { workerData, onEnd: (time) => this.#afterwards(number, ticket, time) }
      },
      onError: (error) => this.#fail(`a ${role}: ${error.message}`),
      isOver: () => this.#isOver,
    })
  }

  get #isOver(): boolean {
    return this.#board.stopped || this.#failures.length > 0
  }

  /** After the end of a thread, which took `time` from when it was told to; null when it was not. */
  #afterwards(seat: number, ticket: ReturnType<GuestMemoryAtomic['share']>, time: number | null): void {
    const board = this.#board
    if (time !== null) {
      board.count('terminations')
      this.#slowestEnd = Math.max(this.#slowestEnd, time)
    }
    if (board.state(seat) === HOLDING) board.count('abandoned')
    if (board.state(seat) === WAITING && time !== null) this.#diedWaiting += 1
    board.setState(seat, 0)
    try {
      // A thread that was ended while it started has left its ticket, which would keep the memory.
      GuestMemoryAtomic.fromShared(ticket)
      this.#ticketsLeft += 1
    } catch {
      // taken, as it should be
    }
  }

  /** Ends random threads, unless most of them are about to start: something has to be done in between. */
  async #reap(): Promise<void> {
    const end = performance.now() + this.#options.seconds * 1000
    while (performance.now() < end && !this.#isOver) {
      await setTimeout(1 + this.#random(12))
      this.#options.onProgress(1 - (end - performance.now()) / (this.#options.seconds * 1000), this.#report())
      const ready = this.#seats.filter((seat) => seat.isReady)
      if (ready.length < this.#seats.length / 2) continue
      // The worst moments are not left to chance alone.
      const holding = this.#seats.filter((_, number) => this.#board.state(number) === HOLDING)
      const among = [this.#seats, ready, ready, holding][this.#random(4)] ?? []
      among[this.#random(Math.max(among.length, 1))]?.reap()
    }
    this.#board.stop()
  }

  /** The main thread never blocks; it must get its turn nevertheless. */
  async #takePart(): Promise<void> {
    while (!this.#isOver) {
      const guard = await this.#atomic.lockAsync()
      this.#board.count('handovers')
      this.#board.attempt(MAIN_SEAT)
      const memory = this.#atomic.memory()
      increment(memory, MAIN_SEAT, () => {})
      if (this.#options.sabotage === 'mappings') this.#leaked.push(memory)
      else memory.dispose()
      guard.dispose()
      this.#board.acknowledge(MAIN_SEAT)
      this.#board.count('beats')
      if (this.#options.sabotage === 'hang') await this.#atomic.lockAsync()
      await setTimeout(5)
    }
  }

  #openDescriptors(): number | null {
    return process.platform === 'linux' ? descriptorsOf(this.#name) - this.#inUse() : null
  }

  /** Descriptors of the regions that the current map has. */
  #inUse(): number {
    const memory = this.#atomic.memory()
    const { numRegions } = memory
    memory.dispose()
    return numRegions
  }

  async #audit(descriptors: number | null): Promise<void> {
    const guard = this.#atomic.tryLock()
    if (guard === null) return this.#fail('the lock is held, and nobody is there to hold it')
    this.#auditMemory()
    guard.replace(new GuestMemoryMmap())
    if (descriptors === null) return
    // Bytes that a thread may have given away when it was terminated stay mapped, each by one buffer at least.
    const isBack = (): boolean =>
      mappingsOf(this.#name) <= keptForEver() && descriptorsOf(this.#name) - descriptors === mappingsOf(this.#name)
    if (!(await eventually(isBack, 200))) {
      this.#fail(
        `left: ${mappingsOf(this.#name)} mappings, ${descriptorsOf(this.#name) - descriptors} descriptors, of ${keptForEver()} that may be`,
      )
    }
  }

  /** Compares all accounts. */
  #auditMemory(): void {
    const board = this.#board
    const memory = this.#atomic.memory()
    const { count, own } = totals(memory, ROLES.length + 1)
    const sum = own.reduce((all, each) => all + each, 0n)
    if (count !== sum) this.#fail(`the counter is ${count} after ${sum} increments`)
    for (const [seat, done] of own.entries()) {
      // Between the two are those that a terminated thread could not acknowledge, or did not come to.
      if (done < board.acknowledged(seat) || done > board.attempts(seat)) {
        const [from, to] = [board.acknowledged(seat), board.attempts(seat)]
        this.#fail(`seat ${seat} has incremented ${done} times, which should be from ${from} to ${to}`)
      }
    }
    const { generation } = readManifest(memory)
    const known = board.counted('replaces')
    const unknown = board.counted('terminations')
    if (generation < known || generation > known + unknown) {
      this.#fail(`${generation} maps were published, which should be ${known}, and up to ${unknown} more`)
    }
    memory.dispose()
  }

  #report(): Report {
    const board = this.#board
    const survived = {
      terminations: board.counted('terminations'),
      'ended while they held the lock': board.counted('abandoned'),
      'ended while they waited for it': this.#diedWaiting,
      'ended before they took their ticket': this.#ticketsLeft,
      'slowest end, ms': Math.round(this.#slowestEnd),
      replaces: board.counted('replaces'),
      'lock hand-overs': board.counted('handovers'),
      'given up waiting': board.counted('givenUp'),
      'guards lost to a collection': board.counted('forgotten'),
      increments: Array.from({ length: ROLES.length + 1 }, (_, seat) => board.acknowledged(seat)).reduce(
        (a, b) => a + b,
      ),
      snapshots: board.counted('snapshots'),
      'pages verified': board.counted('pages'),
    }
    return { survived, failures: this.#failures }
  }
}
