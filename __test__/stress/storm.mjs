// Files are truncated, made longer and healed under threads that read and write them in every way, and end at any moment.
// In the files no word is ever zero: they are made longer by writes of whole pages. So a zero that a method gives was lost in silence.
//
//   node storm.mjs SECONDS [--seed NUMBER] [--sabotage zeros|foreign|writes|errors|mappings|crash]
//
// Prints what was done as JSON, and ends with 1 if something was met that must not be. A sabotage does what must be noticed.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import process from 'node:process'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
// Before the package, which takes away what it needs.
import { keptForEver, recovered } from './kept.mjs'
import {
  FileOffset,
  GuestMemoryAtomic,
  GuestMemoryMmap,
  GuestRegionMmap,
  memfdCreate,
  MmapRegion,
  onMemoryFault,
} from '../../index.js'
import { randomNumbers } from './random.mjs'
import {
  FOREIGN,
  freshPage,
  isWordOf,
  PAGE,
  PAGES,
  SIZE,
  SLOTS,
  startOf,
  StormBoard,
  THREADS,
} from './storm-layout.mjs'

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, sabotage: { type: 'string' } },
  allowPositionals: true,
})
const { sabotage } = values
const random = randomNumbers(Number(values.seed))
const end = performance.now() + Number(positionals[0]) * 1000

/** How many milliseconds a thread has before it may be ended, from when it has started. */
const LIFE = 400
/** How many mappings there may be of the files: of regions that were replaced, and whole in parts. The most that was seen is 8. */
const MOST_MAPPINGS = 100
const NAME = `storm-${process.pid}`

setFlagsFromString('--expose-gc')
globalThis.gc ??= runInNewContext('gc')

const block = new SharedArrayBuffer(StormBoard.length)
const board = new StormBoard(block)
const failures = []
function fail(what, failure) {
  board.count(what)
  failures.push(failure)
}

function write(slot, from) {
  for (let page = from; page < PAGES; page += 1) fs.writeSync(files[slot], freshPage(slot, page), 0, PAGE, page * PAGE)
}

const files = Array.from({ length: SLOTS }, () => memfdCreate(NAME, 0, { seal: false }))
const options = { recoverFaults: sabotage !== 'crash', private: sabotage === 'writes' }
const regionOf = (slot) => GuestRegionMmap.fromRange(startOf(slot), SIZE, new FileOffset(files[slot], 0), options)
for (let slot = 0; slot < SLOTS; slot += 1) write(slot, 0)

const regions = Array.from({ length: SLOTS }, (_, slot) => regionOf(slot))
const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRegions(regions))
let told = 0
onMemoryFault(() => (told += 1))

/** The threads, each in its place. */
const threads = []
let started = 0

function start(place) {
  started += 1
  const scratch = scratches[place]
  const seed = Number(values.seed) + started
  const workerData = { place, ticket: atomic.share(), board: block, files, scratch, seed, sabotage }
  const worker = new Worker(new URL('storm-thread.mjs', import.meta.url), { workerData, execArgv: [] })
  worker.on('message', (failure) => {
    if (failure === null) worker.readyAt = performance.now()
    else failures.push(failure)
  })
  worker.on('error', (error) => failures.push(`a thread: ${error.stack}`))
  worker.on('exit', () => {
    if (!board.stopped) threads[place] = start(place)
  })
  return worker
}
const scratches = Array.from({ length: THREADS }, () => memfdCreate('storm-scratch', PAGE))
for (let place = 0; place < THREADS; place += 1) threads.push(start(place))

/** What may come to lie where something was. */
const foreign = []
function mapForeign() {
  const mapping = new MmapRegion(SIZE)
  new Uint32Array(mapping.buffer).fill(FOREIGN)
  foreign.push(mapping)
  if (foreign.length > 8) foreign.shift().release()
}

/** Ways to have done with a region that was replaced. A collection ends the last one. */
const ENDS = [
  (region) => region.release(),
  (region) => atomic.synchronize().then(() => region.release()),
  () => undefined,
]

async function replace(slot) {
  const old = regions[slot]
  regions[slot] = regionOf(slot)
  atomic.update(() => GuestMemoryMmap.fromRegions(regions))
  board.count('regions replaced')
  // Nobody waits here for threads that hold old guards.
  void ENDS[random(ENDS.length)](old)
}

/** Whether a method gives a word of a page. */
function judge(slot, page, isLost) {
  try {
    const word = regions[slot].readU32(page * PAGE)
    if (isLost) fail('silent zeros', `page ${page} of slot ${slot} is lost, and was read: 0x${word.toString(16)}`)
    else if (!isWordOf(word, slot, page)) fail('foreign bytes', `a healed page has 0x${word.toString(16)}`)
  } catch (error) {
    if (error.code !== 'ERR_MEMORY_FAULT' || !isLost) fail('errors without a loss', error.stack)
  }
}

/** Waits for none, one or a few milliseconds. */
const linger = () => (random(3) === 0 ? setImmediate() : setTimeout(random(4)))

async function change(slot) {
  if (sabotage !== 'errors') board.nextEpoch(slot)
  let length = PAGES
  for (let times = 1 + random(2); times > 0; times -= 1) {
    length = random(length + 1)
    fs.ftruncateSync(files[slot], length * PAGE)
    board.count('truncations')
    if (length < PAGES && random(4) === 0) judge(slot, length + random(PAGES - length), true)
    await linger()
  }
  if (sabotage === 'foreign' && random(8) === 0) fs.writeSync(files[slot], new Uint8Array(PAGE).fill(0xde), 0, PAGE, 0)
  write(slot, length)
  regions[slot].healFaults()
  board.count('heals')
  for (let page = 0; page < PAGES; page += 1) judge(slot, page, false)
  if (random(8) === 0) replace(slot)
  if (sabotage !== 'errors') board.nextEpoch(slot)
}

const mappings = () => fs.readFileSync('/proc/self/maps', 'utf8').split('\n')
const ours = () => mappings().filter((line) => line.includes(`/memfd:${NAME} `)).length
let most = 0

const leaked = []
while (performance.now() < end && failures.length === 0) {
  const slot = random(SLOTS)
  await change(slot)
  await linger()
  mapForeign()
  if (sabotage === 'mappings') leaked.push(regionOf(slot))
  if (board.counts().heals % 16 === 0) {
    globalThis.gc()
    most = Math.max(most, ours())
  }
  const old = threads.find(({ readyAt }) => performance.now() - readyAt > LIFE + random(LIFE))
  if (old !== undefined) {
    board.count('terminations')
    await old.terminate()
  }
}
board.stop()
await Promise.all(threads.map((worker) => worker.terminate()))

/** Whether there are no more mappings than those of the current map, and of bytes that ended threads may have given away. */
const isBounded = () => ours() <= SLOTS + keptForEver()
for (let round = 0; round < 50 && !isBounded(); round += 1) {
  globalThis.gc()
  await setTimeout(20)
}
if (!isBounded()) failures.push(`left: ${ours()} mappings, of ${SLOTS + keptForEver()} that may be`)

const counts = board.counts()
for (const what of ['silent zeros', 'foreign bytes', 'writes lost in silence', 'errors without a loss']) {
  if (counts[what] > 0 && failures.length === 0) failures.push(`${counts[what]} ${what}`)
}
if (most > MOST_MAPPINGS) failures.push(`there were ${most} mappings, of ${MOST_MAPPINGS} that may be`)
console.log(JSON.stringify({ 'faults recovered': recovered(), 'losses told': told, ...counts, 'most mappings': most }))
for (const failure of failures.slice(0, 5)) console.error(failure)
process.exitCode = failures.length > 0 ? 1 : 0
