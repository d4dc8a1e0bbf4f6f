/**
 * Measures `save`, `fromSnapshot` and `discard` beside what else does it, and writes snapshot.md: npm run bench:snapshot
 *
 * A machine that is busy shares its processors and its disk: so everyone takes turns, what counts is the best round, and processor time
 * is told beside the time that has passed.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { FileOffset, GuestMemoryMmap, GuestRegionMmap, memfdCreate, pageSize } from '../index.js'
import { SeededRandom } from '../examples/machine/seeded-random.js'
import { digits } from './format.js'
import { describeMachine } from './machine.js'
import { row } from './report.js'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, mebibytes: { type: 'string', default: '1024' } },
})
const ROUNDS = Number(values.rounds)
const SIZE = Number(values.mebibytes) * 2 ** 20
const PAGE = pageSize()
/** Milliseconds between two ticks of the event loop while memory is saved. */
const TICK = 5

/** Of one round, in milliseconds. */
interface Sample {
  readonly passed: number
  readonly processor: number
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-bench-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
const target = path.join(folder, 'target')

async function own(work: () => unknown): Promise<Sample> {
  const used = process.cpuUsage()
  const begun = performance.now()
  await work()
  const passed = performance.now() - begun
  const { user, system } = process.cpuUsage(used)
  return { passed, processor: (user + system) / 1000 }
}

/** Runs a program by a shell that measures it. */
async function program(command: string): Promise<Sample> {
  const child = spawn('bash', ['-c', `TIMEFORMAT='%R %U %S'; time ${command} 2>/dev/null`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [told, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  if (code !== 0) throw new Error(`${command}: exit code ${String(code)}`)
  const [passed = 0, user = 0, system = 0] = told.trim().split(' ').map(Number)
  return { passed: 1000 * passed, processor: 1000 * (user + system) }
}

interface Memory {
  readonly name: string
  /** What the figures are about. */
  readonly remark: string
  readonly memory: GuestMemoryMmap
  readonly bytes: Uint8Array
  /** Another program's name for it. */
  readonly path: string
}

function makeMemory(name: string, remark: string, has: (page: number) => boolean): Memory {
  const fd = memfdCreate('snapshot', SIZE)
  const region = GuestRegionMmap.fromRange(0, SIZE, new FileOffset(fd, 0))
  const bytes = region.asUint8Array()
  const content = new SeededRandom(1).bytes(PAGE)
  for (let page = 0; page < SIZE / PAGE; page += 1) if (has(page)) bytes.set(content, page * PAGE)
  return { name, remark, memory: GuestMemoryMmap.fromRegions([region]), bytes, path: `/proc/${process.pid}/fd/${fd}` }
}

/** The ticks of an event loop that has nothing else to do, while `work` runs. */
async function ticksDuring(work: () => Promise<unknown>): Promise<{ passed: number; ticks: number; longest: number }> {
  let [ticks, longest, last] = [0, 0, performance.now()]
  const begun = last
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    ticks += 1
  }, TICK)
  await work()
  clearInterval(timer)
  return { passed: performance.now() - begun, ticks, longest }
}

async function save({ memory }: Memory): Promise<void> {
  const fd = fs.openSync(target, 'w')
  await memory.save(fd)
  fs.closeSync(fd)
}

const CONTENDERS: Record<string, (memory: Memory) => Promise<Sample>> = {
  '`save`': (memory) => own(() => save(memory)),
  '`cp --sparse=always`': ({ path }) => program(`cp --sparse=always ${path} ${target}`),
  '`dd conv=sparse bs=1M`': ({ path }) => program(`dd conv=sparse bs=1M if=${path} of=${target}`),
  '`fs.promises.writeFile`': ({ bytes }) => own(() => fs.promises.writeFile(target, bytes)),
}

const best = (samples: readonly Sample[], what: keyof Sample): number =>
  Math.min(...samples.map((sample) => sample[what]))
const mebibytes = (bytes: number): string => `${digits(bytes / 2 ** 20)} MiB`

/** Everyone in turn, each with a new file. */
async function compareSaves(memory: Memory): Promise<string[]> {
  const names = Object.keys(CONTENDERS)
  const samples = new Map(names.map((name) => [name, [] as Sample[]]))
  const sizes = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, contender] of Object.entries(CONTENDERS)) {
      fs.rmSync(target, { force: true })
      samples.get(name)?.push(await contender(memory))
      sizes.set(name, fs.statSync(target).blocks * 512)
    }
  }
  fs.rmSync(target, { force: true })
  return names.map((name) => {
    const own = samples.get(name) ?? []
    return row([name, digits(best(own, 'passed')), digits(best(own, 'processor')), mebibytes(sizes.get(name) ?? 0)])
  })
}

async function restores({ memory }: Memory): Promise<number> {
  const fd = fs.openSync(target, 'w+')
  const { table } = await memory.save(fd)
  const samples: Sample[] = []
  for (let round = 0; round < 10 * ROUNDS; round += 1) {
    samples.push(await own(() => GuestMemoryMmap.fromSnapshot(fd, table)))
  }
  fs.closeSync(fd)
  fs.rmSync(target)
  return best(samples, 'passed')
}

async function discards(): Promise<string[]> {
  const binary = path.join(folder, 'discard')
  execFileSync('cc', ['-O2', '-o', binary, path.join(import.meta.dirname, 'c/discard.c')])
  const region = GuestRegionMmap.fromRange(0, SIZE)
  const bytes = region.asUint8Array()
  const touch = (): void => {
    for (let at = 0; at < SIZE; at += PAGE) bytes[at] = 1
  }
  touch()
  const samples: Record<string, Sample[]> = { '`discard`, and a store to each page': [], 'the same in C': [] }
  const [ours, c] = Object.values(samples) as [Sample[], Sample[]]
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(
      await own(() => {
        region.discard(0, SIZE)
        touch()
      }),
    )
    const [passed = 0, processor = 0] = execFileSync(binary, [String(SIZE), '1'], { encoding: 'utf8' })
      .split(' ')
      .map(Number)
    c.push({ passed, processor })
  }
  region.release()
  return Object.entries(samples).map(([name, own]) =>
    row([name, digits(best(own, 'passed')), digits(best(own, 'processor'))]),
  )
}

const SCATTERED = new SeededRandom(2)
const memories = [
  makeMemory(
    '10 % of the pages, scattered',
    'Nearly every page is a write of its own: what that takes in the file system is the floor for everyone who leaves holes.',
    () => SCATTERED.below(10) === 0,
  ),
  makeMemory(
    'dense',
    'Nothing can be left out, so that it is as fast as the page cache takes the bytes, in writes of 256 KiB.',
    () => true,
  ),
]
const sections: string[] = []
for (const memory of memories) {
  sections.push(
    `## ${digits(SIZE / 2 ** 30)} GiB, ${memory.name}`,
    '',
    memory.remark,
    '',
    row(['', 'ms', 'ms of processors', 'size of the file']),
    row(['---', '--:', '--:', '--:']),
    ...(await compareSaves(memory)),
    '',
  )
  const { passed, ticks, longest } = await ticksDuring(() => save(memory))
  fs.rmSync(target)
  sections.push(
    `While \`save\` ran, for ${digits(passed)} ms in this round, a timer of ${TICK} ms was called ${ticks} times; the longest pause was ${digits(longest)} ms.`,
    `\`fromSnapshot\` mapped the file in ${(await restores(memory)).toFixed(3)} ms.`,
    '',
  )
}
const page = [
  '# Snapshots, and memory given back',
  '',
  `Written by \`npm run bench:snapshot\`: the best of ${ROUNDS} rounds, in which everyone takes turns and writes a new file on the same disk, through the`,
  'page cache and without `fsync`. The memory is a memfd, which the other programs open by its name in `/proc`. Processor time has that of',
  'all threads in it, and is what a busy machine leaves alone; ratios within a column are what to look at.',
  '',
  row(['', '']),
  row(['---', '---']),
  ...describeMachine().map(([what, value]) => row([what, value])),
  '',
  ...sections,
  `## ${digits(SIZE / 2 ** 30)} GiB of anonymous memory given back, and touched again`,
  '',
  'Nearly all of it is the kernel, which makes new pages for those that are touched; the C program is `benches/c/discard.c`.',
  '',
  row(['', 'ms', 'ms of processors']),
  row(['---', '--:', '--:']),
  ...(await discards()),
  '',
].join('\n')
fs.writeFileSync(path.join(import.meta.dirname, 'snapshot.md'), page)
process.stdout.write(page)
