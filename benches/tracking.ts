/**
 * Measures what it costs to know who has written where, and writes tracking.md: npm run bench:tracking
 *
 * A busy machine shares its processors: so what counts is the best round, in time of processors.
 */
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { GuestMemoryMmap, pageSize, type WriteTracker } from '../index.js'
import { digits } from './format.js'
import { describeMachine } from './machine.js'
import { row } from './report.js'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, mebibytes: { type: 'string', default: '1024' } },
})
const ROUNDS = Number(values.rounds)
const SIZE = Number(values.mebibytes) * 2 ** 20
const PAGE = pageSize()
const PAGES = SIZE / PAGE

/** Milliseconds of processors. */
function cost(work: () => unknown): number {
  const used = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(used)
  return (user + system) / 1000
}

/** The best of all rounds. `prepare` is not counted. */
function best(work: () => unknown, prepare: () => void = () => {}): number {
  let least = Infinity
  for (let round = 0; round < ROUNDS; round += 1) {
    prepare()
    least = Math.min(least, cost(work))
  }
  return least
}

/** A store to each page of a part, through views. */
function touch(memory: GuestMemoryMmap, every: number): void {
  const bytes = memory.views(0, SIZE)[0] as Uint8Array
  for (let page = 0; page < PAGES; page += every) bytes[page * PAGE] = 1
}

/** Nanoseconds for a `writeU32`, at pages that were written before. */
function writes(memory: GuestMemoryMmap): number {
  const COUNT = 1_000_000
  const loop = (): void => {
    for (let index = 0; index < COUNT; index += 1) memory.writeU32(index, (index & 255) * PAGE)
  }
  loop()
  return (best(loop) / COUNT) * 1e6
}

const newMemory = (bitmap: boolean): GuestMemoryMmap => {
  const memory = GuestMemoryMmap.fromRanges([[0, SIZE]], { bitmap })
  touch(memory, 1)
  return memory
}

const memory = newMemory(false)
const plain = writes(memory)
let tracker: WriteTracker | null = null
const arm = best(
  () => {
    tracker = memory.trackWrites()
  },
  () => tracker?.dispose(),
)
const held = tracker as unknown as WriteTracker
const clean = (): void => void held.harvest()
const rows = [
  ['`trackWrites`', `${digits(arm)} ms`],
  ['`harvest`, nothing written', `${digits(best(clean, clean))} ms`],
]
for (const [name, every] of [
  ['1 % of the pages written', 100],
  ['all pages written', 1],
] as const) {
  const prepare = (): void => {
    clean()
    touch(memory, every)
  }
  rows.push([`\`harvest\`, ${name}`, `${digits(best(clean, prepare))} ms`])
}
const unwritten = best(
  () => touch(memory, 1),
  () => touch(memory, 1),
)
const first = best(() => touch(memory, 1), clean)
rows.push(['the first write to a page after a harvest', `${digits(((first - unwritten) / PAGES) * 1000)} µs more`])
const byKernel = writes(memory)
held.dispose()
const byBitmap = writes(newMemory(true))

const page = `# Who has written where

Written by \`npm run bench:tracking\`: the best of ${ROUNDS} rounds, in time of processors, on ${digits(SIZE / 2 ** 30)} GiB of anonymous memory.

|  |  |
| --- | --- |
${describeMachine()
  .map(([what, value]) => row([what, value]))
  .join('\n')}

|  |  |
| --- | --: |
${rows.map(row).join('\n')}

What a \`writeU32\` to a page costs that was written before: the kernel takes no part in it, and the bitmap marks the page each time.

|  | ns |
| --- | --: |
${row(['not tracked', digits(plain)])}
${row(['by the kernel (`trackWrites`)', digits(byKernel)])}
${row(['by a bitmap (`bitmap: true`)', digits(byBitmap)])}
`
const file = path.join(import.meta.dirname, 'tracking.md')
fs.writeFileSync(file, page)
process.stdout.write(page)
