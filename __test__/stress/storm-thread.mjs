// Reads and writes memory in every way while its files are truncated, and judges what it meets. Is ended at any moment.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { Buffer } from 'node:buffer'
import fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic, Ordering } from '../../index.js'
import { randomNumbers } from './random.mjs'
import { HALF, isWordOf, PAGE, PAGES, SLOTS, startOf, StormBoard, THREADS, wordOf } from './storm-layout.mjs'

const { place: own, files, scratch, sabotage } = workerData
const board = new StormBoard(workerData.board)
const random = randomNumbers(workerData.seed)
const atomic = GuestMemoryAtomic.fromShared(workerData.ticket)
const readAsync = promisify(fs.read)

const words = new Uint32Array(PAGE / 4)
const bytes = new Uint8Array(words.buffer)

/** When a thread is told to end, all that it calls returns at once, undone. */
const canCall = () => atomic.clone() !== undefined

function fail(what, failure) {
  if (!canCall()) return
  board.count(what)
  parentPort.postMessage(failure)
}

/** The first word that is not what it should be, or the first one. */
const oddOne = (found, slot, page) => found.find((word) => !isWordOf(word, slot, page)) ?? found[0]

/** Does a transfer to a file, and returns what came there. */
function transferred(transfer) {
  const fd = fs.openSync(`/proc/self/fd/${scratch}`, 'r+')
  const read = () => {
    fs.readSync(fd, bytes, 0, PAGE, 0)
    return words
  }
  let result
  try {
    result = transfer(fd)
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
  if (result instanceof Promise) return result.then(read).finally(() => fs.closeSync(fd))
  const found = read()
  fs.closeSync(fd)
  return found
}

/** Ways to read a page by methods: what they return is words of it. */
const READS = {
  readU32: ({ memory, at }) => [memory.readU32(at)],
  load: ({ memory, at }) => [memory.load('u32', at, Ordering.Acquire)],
  readU64: ({ memory, at }) => {
    const value = memory.readU64(at - (at % 8))
    return [Number(value & 0xffff_ffffn), Number(value >> 32n)]
  },
  'readU32 of a region': ({ region, offset }) => [region.readU32(offset)],
  'a slice': ({ memory, at }) => [memory.getSlice(at, 4).readU32(0)],
  'a reference': ({ region, offset }) => [region.getRef('u32', offset).load()],
  readObj: ({ memory, start }) => memory.readObj(['u32', PAGE / 4], start),
  readSlice: ({ memory, start }) => {
    memory.readSlice(bytes, start)
    return words
  },
  'writeSlice from a view': ({ memory, start, view, slot, page }) => {
    // Zeros of lost memory would be met by whoever reads the page next.
    memory.writeSlice(view(page).subarray(HALF), start + HALF)
    return [wordOf(slot, page, 0)]
  },
  writeAllVolatileTo: ({ memory, start }) => transferred((fd) => memory.writeAllVolatileTo(start, fd, PAGE)),
  writeAllVolatileToAsync: ({ memory, start }) => transferred((fd) => memory.writeAllVolatileToAsync(start, fd, PAGE)),
}

/** Ways to write a word by methods. */
const WRITES = {
  writeU32: ({ memory, at, word }) => memory.writeU32(word, at),
  store: ({ memory, at, word }) => memory.store('u32', word, at, Ordering.Release),
  'writeU32 of a region': ({ region, offset, word }) => region.writeU32(word, offset),
  writeObj: ({ memory, at, word }) => memory.writeObj('u32', word, at),
  writeSlice: ({ memory, at, word }) => memory.writeSlice(new Uint8Array(new Uint32Array([word]).buffer), at),
}

/** Ways through views, which know of no loss: zeros may come, and foreign bytes may not. */
const VIEWS = {
  'a loop': ({ view, page }) => {
    const found = wordsIn(view(page))
    for (let index = 0; index < found.length; index += 1) words[index] = found[index]
    return words
  },
  'a copy': ({ view, page }) => wordsIn(view(page).slice()),
  'a DataView': ({ region, offset }) => [new DataView(region.buffer).getUint32(offset, true)],
  'a Buffer': ({ region, offset }) => [Buffer.from(region.buffer).readUInt32LE(offset)],
  'Atomics.load': ({ view, page }) => [Atomics.load(wordsIn(view(page)), 1)],
  'a store': ({ view, page, word }) => {
    wordsIn(view(page)).fill(word, HALF / 4)
    return []
  },
  'Atomics.store': ({ view, page, word }) => {
    Atomics.store(wordsIn(view(page)), HALF / 4, word)
    return []
  },
  'fs.readSync': ({ view, page, slot }) => {
    fs.readSync(files[slot], view(page), HALF, HALF, page * PAGE + HALF)
    return []
  },
  'fs.read': ({ view, page, slot }) =>
    readAsync(files[slot], view(page), HALF, HALF, page * PAGE + HALF).then(() => []),
}
const wordsIn = (view) => new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4)

const named = (ways) => Object.entries(ways)
const [reads, writes, views] = [named(READS), named(WRITES), named(VIEWS)]
const oneOf = (ways) => ways[random(ways.length)]

/** Whether the memory of a slot was whole all the time since this epoch. */
const isWhole = (slot, epoch) => epoch % 2 === 0 && board.epoch(slot) === epoch

function judgeError(error, way, slot, epoch) {
  if (error.code === 'ERR_DISPOSED') return board.count('errors of released memory')
  // What a system call meets is short, or EFAULT.
  if (error.code === 'EFAULT' && way.startsWith('fs.')) return board.count('errors of lost memory')
  if (error.code !== 'ERR_MEMORY_FAULT') return fail('errors without a loss', `${way}: ${error.stack}`)
  board.count('errors of lost memory')
  if (isWhole(slot, epoch)) fail('errors without a loss', `${way} of slot ${slot}, of which nothing was lost: ${error}`)
}

function judgeWord(word, way, place, isSilent) {
  const { slot, page } = place
  if (word === undefined || isWordOf(word, slot, page)) return
  if (word === 0 && !isSilent) return board.count('zeros in views')
  const what = word === 0 ? 'silent zeros' : 'foreign bytes'
  fail(what, `${way} of slot ${slot}, page ${page}, has met 0x${word.toString(16)}`)
}

/** Whether a word that was written is in the file, unless that was truncated since. Nobody else writes there. */
function judgeWrite(way, { slot, offset, word }, epoch) {
  fs.readSync(files[slot], bytes, 0, 4, offset)
  if (!isWhole(slot, epoch)) return
  if (words[0] === word) board.count('writes found in the file')
  else fail('writes lost in silence', `${way} of 0x${word.toString(16)}: the file has 0x${words[0].toString(16)}`)
}

/** Somewhere in a page, at a word that no other thread writes to by methods. */
function placeIn(memory) {
  const slot = random(SLOTS)
  const page = random(PAGES)
  const offset = page * PAGE + 4 * (THREADS * random(HALF / 4 / THREADS) + own)
  const start = startOf(slot) + page * PAGE
  const region = memory.findRegion(startOf(slot))
  const view = (each) => new Uint8Array(region.buffer, each * PAGE, PAGE)
  return {
    memory,
    region,
    view,
    slot,
    page,
    offset,
    start,
    at: startOf(slot) + offset,
    word: wordOf(slot, page, random(255)),
  }
}

async function access(memory, epochs) {
  const place = placeIn(memory)
  const { slot, page } = place
  const epoch = epochs[slot]
  const kind = random(8)
  const isByMethod = kind < 6
  const [way, run] = oneOf(kind < 4 ? reads : kind < 6 ? writes : views)
  let done = 0
  try {
    // One place often enough for fast paths, and for the engine to compile what is done there.
    for (const times = kind === 0 ? 200 : 1; done < times;) {
      done += 1
      let found = run(place)
      if (found instanceof Promise) found = await found
      if (kind >= 4 && kind < 6) judgeWrite(way, place, epoch)
      else judgeWord(oddOne(found, slot, page), way, place, isByMethod || sabotage === 'zeros')
    }
  } catch (error) {
    judgeError(error, way, slot, epoch)
  }
  board.count(isByMethod ? 'accesses by methods' : 'accesses by views', done)
}

/** Brings back what was lost, as any thread may: where the file is long enough. */
function heal(memory) {
  try {
    memory.findRegion(startOf(random(SLOTS))).healFaults()
    board.count('heals')
  } catch (error) {
    if (error.code !== 'ERR_MAPPING_PAST_EOF' && error.code !== 'ERR_DISPOSED')
      fail('errors without a loss', error.stack)
  }
}

/** Guards that are kept for a while: of maps that are replaced meanwhile, and of regions that are released. */
const kept = []

async function live() {
  parentPort.postMessage(null)
  for (let round = 1; !board.stopped; round += 1) {
    const epochs = Array.from({ length: SLOTS }, (_, slot) => board.epoch(slot))
    const guard = atomic.memory()
    for (let time = 0; time < 16; time += 1) await access(guard, epochs)
    // Of an old map nothing is known but that it gives no foreign bytes and no silent zeros.
    if (kept.length > 0) await access(kept[random(kept.length)], Array(SLOTS).fill(1))
    if (random(4) === 0) heal(guard)
    kept.push(guard)
    if (kept.length > 8) for (const each of kept.splice(0)) each.dispose()
    if (round % 8 === 0) await setImmediate()
    if (round % 128 === 0) globalThis.gc()
  }
  process.exit()
}
// Nobody awaits it at the top of a module: see life.mjs.
void live()
