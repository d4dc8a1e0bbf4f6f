// The program of examples/snapshot, run as a person runs it, on files that others have made.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { UsageError } from '../examples/machine/usage-error.js'
import { parseCommandLine } from '../examples/snapshot/command-line.js'
import { parseRegion, type Region } from '../examples/snapshot/layout.js'
import { openMemoryFile } from '../examples/snapshot/memory-file.js'
import { overlay } from '../examples/snapshot/diff.js'
import { picture } from '../examples/snapshot/picture.js'
import { SeededRandom } from '../examples/machine/seeded-random.js'
import { GuestMemoryMmap, pageSize, type SnapshotTable } from '../index.js'

const MAIN = fileURLToPath(new URL('../examples/snapshot/main.ts', import.meta.url))
const PAGE = pageSize()
const [MIB, GIB] = [2 ** 20, 2 ** 30]

const testOnLinux = process.platform === 'linux' ? test.serial : test.serial.skip

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(folder: string, args: readonly string[]): ChildProcess & { stdout: NodeJS.ReadableStream } {
  return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), MAIN, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  }) as ChildProcess & { stdout: NodeJS.ReadableStream }
}

async function ended(child: ChildProcess): Promise<Run> {
  const { stdout, stderr } = child as { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream }
  const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, 'close')])
  return { code: code as number | null, stdout: out, stderr: err }
}

const run = (folder: string, ...args: readonly string[]): Promise<Run> => ended(start(folder, args))

/** What the program prints as JSON, when it ends well. */
async function told<T>(t: ExecutionContext, folder: string, ...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await run(folder, ...args, '--json')
  t.deepEqual([code, stderr], [0, ''])
  return JSON.parse(stdout) as T
}

/** Exit code 2 (or another one), one line that says what is wrong, and the same files as before. */
async function refuses(
  t: ExecutionContext,
  folder: string,
  args: readonly string[],
  message: string | RegExp,
  code = 2,
): Promise<void> {
  const before = fs.readdirSync(folder)
  const done = await run(folder, ...args)
  t.deepEqual([done.code, done.stdout], [code, ''], args.join(' '))
  if (typeof message === 'string') t.is(done.stderr, `snapshot: ${message}\n`)
  else t.regex(done.stderr, message)
  t.is(done.stderr.trimEnd().split('\n').length, 1, 'one line')
  t.deepEqual(fs.readdirSync(folder), before)
}

function makeFolder(t: ExecutionContext): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-snapshot-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a sparse file, with bytes at some places; returns its path. */
function sparseFile(
  folder: string,
  name: string,
  size: number,
  ...parts: readonly [offset: number, bytes: Uint8Array][]
): string {
  const file = path.join(folder, name)
  const fd = fs.openSync(file, 'w')
  fs.ftruncateSync(fd, size)
  for (const [offset, bytes] of parts) fs.writeSync(fd, bytes, 0, bytes.length, offset)
  fs.closeSync(fd)
  return file
}

const blocks = (file: string): number => fs.statSync(file).blocks * 512
const random = (length: number): Buffer => randomFillSync(Buffer.alloc(length, 1))

interface Inspected {
  readonly pageSize: number
  readonly size: number
  readonly regions: readonly {
    readonly start: string
    readonly size: number
    readonly data: number
    readonly zeros: number
    readonly ranges: readonly (readonly [addr: string, count: number])[]
  }[]
  readonly found?: readonly { readonly addr: string; readonly text: string }[]
}

interface Differences {
  readonly pages: number
  readonly size: number
  readonly ranges: readonly (readonly [addr: string, count: number])[]
}

// -------------------------------------------------------------------------------------------------- save and restore

testOnLinux('a memory file is saved without its zeros, and restored', async (t) => {
  const folder = makeFolder(t)
  const content = random(3 * PAGE)
  // A page of zeros between two of data; and a last page that is none.
  content.fill(0, PAGE, 2 * PAGE)
  sparseFile(folder, 'vm.mem', 16 * MIB + 100, [MIB, content], [16 * MIB, Buffer.alloc(100, 7)])
  const saved = await told<SnapshotTable & { files: string[]; size: number; written: number }>(
    t,
    folder,
    'save',
    'vm.mem',
    'vm.snapshot',
  )
  t.deepEqual(saved, {
    files: ['vm.snapshot', 'vm.snapshot.json'],
    size: 16 * MIB + 100,
    written: 2 * PAGE + 100,
    regions: [{ start: '0x0', size: 16 * MIB + 100, offset: 0 }],
  })
  const snapshot = path.join(folder, 'vm.snapshot')
  t.true(fs.readFileSync(snapshot).equals(fs.readFileSync(path.join(folder, 'vm.mem'))))
  t.true(blocks(snapshot) <= 3 * PAGE)
  const table = fs.readFileSync(`${snapshot}.json`, 'utf8')
  t.deepEqual(JSON.parse(table), { regions: saved.regions })
  t.is(fs.statSync(snapshot).mode & 0o077, 0, 'nobody else may read it')

  const { code, stdout, stderr } = await run(folder, 'restore', 'vm.snapshot', 'again.mem')
  t.deepEqual([code, stderr], [0, ''])
  t.is(
    stdout,
    `16.0 MiB of memory in 1 region, of which ${((2 * PAGE + 100) / 1024).toPrecision(3)} KiB are not zero\nagain.mem\n`,
  )
  t.true(fs.readFileSync(path.join(folder, 'again.mem')).equals(fs.readFileSync(snapshot)))
  t.deepEqual(fs.readdirSync(folder).toSorted(), ['again.mem', 'vm.mem', 'vm.snapshot', 'vm.snapshot.json'])
})

testOnLinux('regions lie where they are told to, in either file', async (t) => {
  const folder = makeFolder(t)
  const [low, high] = [random(PAGE), random(PAGE)]
  // High memory comes first in this file.
  const memoryFile = sparseFile(folder, 'vm.mem', 8 * MIB, [0, high], [4 * MIB, low])
  const regions = ['--region', '0:1M@4M', '--region', '4G:2M@0']
  const { regions: table } = await told<SnapshotTable>(
    t,
    folder,
    'save',
    'vm.mem',
    's',
    ...regions,
    '--table',
    't.json',
  )
  t.deepEqual(table, [
    { start: '0x0', size: MIB, offset: 0 },
    { start: '0x100000000', size: 2 * MIB, offset: MIB },
  ])
  const fd = fs.openSync(path.join(folder, 's'), 'r')
  t.teardown(() => fs.closeSync(fd))
  const memory = GuestMemoryMmap.fromSnapshot(fd, { regions: table })
  const bytes = Buffer.alloc(PAGE)
  for (const [addr, expected] of [
    [0, low],
    [4 * GIB, high],
  ] as const) {
    memory.readSlice(bytes, addr)
    t.true(bytes.equals(expected))
  }

  await told(t, folder, 'restore', 's', 'again.mem', ...regions, '--table', 't.json')
  const again = fs.readFileSync(path.join(folder, 'again.mem'))
  t.is(again.length, 5 * MIB)
  t.true(again.equals(fs.readFileSync(memoryFile).subarray(0, 5 * MIB)))

  // Without an offset, a region follows the one before.
  const followed = await told<SnapshotTable>(
    t,
    folder,
    'save',
    'vm.mem',
    's2',
    '--region',
    '0x0:0x100000',
    '--region',
    '1T:3m',
  )
  t.deepEqual(followed.regions, [
    { start: '0x0', size: MIB, offset: 0 },
    { start: '0x10000000000', size: 3 * MIB, offset: MIB },
  ])
})

testOnLinux('a snapshot of Firecracker is restored, and so is its table that somebody has written', async (t) => {
  const folder = makeFolder(t)
  // Regions one after the other, no header; the hole of a PC between them in the address space, not in the file.
  const [first, second] = [random(2 * PAGE), random(PAGE)]
  const file = sparseFile(folder, 'mem', 4 * MIB, [PAGE, first], [3 * MIB, second])
  const table = {
    regions: [
      { start: '0x0', size: 3 * MIB, offset: 0 },
      { start: '0x100000000', size: MIB, offset: 3 * MIB },
    ],
  }
  fs.writeFileSync(`${file}.json`, JSON.stringify(table))
  const { regions, size } = await told<Inspected>(t, folder, 'inspect', 'mem')
  t.is(size, 4 * MIB)
  t.deepEqual(
    regions.map(({ start, ranges }) => [start, ranges]),
    [
      ['0x0', [[`0x${PAGE.toString(16)}`, 2 * PAGE]]],
      ['0x100000000', [['0x100000000', PAGE]]],
    ],
  )
  await told(t, folder, 'restore', 'mem', 'vm.mem')
  t.true(fs.readFileSync(path.join(folder, 'vm.mem')).equals(fs.readFileSync(file)))
  // And what is saved again is what it was.
  await told(t, folder, 'save', 'vm.mem', 'mem2', '--region', '0:3M', '--region', '4G:1M')
  t.true(fs.readFileSync(path.join(folder, 'mem2')).equals(fs.readFileSync(file)))
  t.deepEqual(JSON.parse(fs.readFileSync(path.join(folder, 'mem2.json'), 'utf8')), table)
})

testOnLinux('64 GiB with a few pages of data are saved, compared and looked into as those pages are', async (t) => {
  const folder = makeFolder(t)
  const pages = [0, 5 * GIB, 64 * GIB - PAGE]
  const file = sparseFile(
    folder,
    'vm.mem',
    64 * GIB,
    ...pages.map((offset) => [offset, random(PAGE)] as [number, Buffer]),
  )
  const { written } = await told<{ written: number }>(t, folder, 'save', 'vm.mem', 'vm.snapshot')
  t.is(written, 3 * PAGE)
  const snapshot = path.join(folder, 'vm.snapshot')
  t.is(fs.statSync(snapshot).size, 64 * GIB)
  t.true(blocks(snapshot) <= 3 * PAGE + MIB, `${blocks(snapshot)} bytes`)
  t.is((await told<Differences>(t, folder, 'diff', 'vm.mem', 'vm.snapshot')).pages, 0)
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, Buffer.of(1), 0, 1, 20 * GIB + 10)
  fs.closeSync(fd)
  const { code, stdout } = await run(folder, 'diff', 'vm.mem', 'vm.snapshot')
  t.is(code, 1)
  t.regex(stdout, /^0x500000000-0x500000fff 4 KiB$/m)
  t.regex(stdout, /^1 page of 64 GiB differ/m)
  const shown = (await run(folder, 'inspect', 'vm.mem')).stdout
  t.regex(shown, /64 GiB/)
  t.is(shown.match(/░/g)?.length, 4 + 1, 'a piece for each page, and what the mark means')
})

testOnLinux('what exists is replaced by --force alone', async (t) => {
  const folder = makeFolder(t)
  sparseFile(folder, 'vm.mem', MIB, [0, random(PAGE)])
  for (const name of ['s', 's.json']) fs.writeFileSync(path.join(folder, name), 'old')
  await refuses(t, folder, ['save', 'vm.mem', 's'], 's: exists already (--force replaces it)')
  fs.unlinkSync(path.join(folder, 's'))
  await refuses(t, folder, ['save', 'vm.mem', 's'], 's.json: exists already (--force replaces it)')
  t.is(fs.readFileSync(path.join(folder, 's.json'), 'utf8'), 'old')
  fs.writeFileSync(path.join(folder, 's'), Buffer.alloc(2 * MIB, 9))
  await told(t, folder, 'save', 'vm.mem', 's', '--force')
  t.true(fs.readFileSync(path.join(folder, 's')).equals(fs.readFileSync(path.join(folder, 'vm.mem'))))
  await refuses(t, folder, ['save', 'vm.mem', 'vm.mem', '--force'], 'vm.mem: is the file that is read')
  fs.linkSync(path.join(folder, 'vm.mem'), path.join(folder, 'link'))
  await refuses(t, folder, ['save', 'vm.mem', 'link', '-f'], 'link: is the file that is read')
  await refuses(t, folder, ['save', 'vm.mem', 'new', '-f', '--table', 'vm.mem'], 'vm.mem: is the file that is read')
  fs.writeFileSync(path.join(folder, 'x.partial'), '')
  await refuses(
    t,
    folder,
    ['restore', 's', 'x'],
    'x.partial: exists already: it is being written, or is left of a run that was killed',
  )
})

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  testOnLinux(`${signal} ends a save, which leaves nothing, and says so`, async (t) => {
    const folder = makeFolder(t)
    const content = random(64 * MIB)
    sparseFile(
      folder,
      'vm.mem',
      640 * MIB,
      ...Array.from({ length: 10 }, (_, at) => [at * 64 * MIB, content] as [number, Buffer]),
    )
    fs.writeFileSync(path.join(folder, 's'), 'old')
    const child = start(folder, ['save', 'vm.mem', 's', '--force'])
    const done = ended(child)
    const partial = path.join(folder, 's.partial')
    // In the middle of it: something is written, and by far not all.
    while (child.exitCode === null && !(fs.existsSync(partial) && blocks(partial) > 0)) await sleep(1)
    child.kill(signal)
    t.deepEqual(await done, { code, stdout: '', stderr: `snapshot: s: ended by ${signal}; nothing is left of it\n` })
    t.deepEqual(fs.readdirSync(folder).toSorted(), ['s', 'vm.mem'])
    t.is(fs.readFileSync(path.join(folder, 's'), 'utf8'), 'old')
  })
}

testOnLinux('a signal ends a comparison and an inspection', async (t) => {
  const folder = makeFolder(t)
  const content = random(64 * MIB)
  sparseFile(
    folder,
    'a',
    512 * MIB,
    ...Array.from({ length: 8 }, (_, at) => [at * 64 * MIB, content] as [number, Buffer]),
  )
  for (const args of [
    ['diff', 'a', 'a'],
    ['inspect', 'a', '--find', 'nothing at all'],
  ]) {
    const child = start(folder, args)
    const done = ended(child)
    // Until it has mapped the file, which it reads then.
    const maps = `/proc/${child.pid}/maps`
    while (child.exitCode === null && !fs.readFileSync(maps, 'utf8').includes(`${folder}/a`)) await sleep(1)
    child.kill('SIGINT')
    t.deepEqual(await done, { code: 130, stdout: '', stderr: 'snapshot: ended by SIGINT\n' })
  }
})

testOnLinux('a file system that is full leaves nothing, and is told', async (t) => {
  const folder = makeFolder(t)
  const disk = path.join(folder, 'disk')
  fs.mkdirSync(disk)
  sparseFile(folder, 'vm.mem', 8 * MIB, [0, random(8 * MIB)])
  const command = [
    `mount -t tmpfs -o size=4m none '${disk}'`,
    `'${process.execPath}' --import '${import.meta.resolve('tsx')}' '${MAIN}' save vm.mem disk/s`,
    'echo "exit code $?"',
    `ls '${disk}'`,
  ].join('; ')
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' })
  } catch {
    return t.pass('skipped: this user cannot have a mount namespace of its own')
  }
  const output = execFileSync('unshare', ['-m', 'sh', '-c', `{ ${command}; } 2>&1`], { cwd: folder, encoding: 'utf8' })
  t.regex(output, /^snapshot: disk\/s: .*No space left on device.*; nothing is left of it\nexit code 1\n$/)
})

// ------------------------------------------------------------------------------------------------------------- diff

testOnLinux('pages that differ are told by guest address', async (t) => {
  const folder = makeFolder(t)
  const [x, y] = [random(PAGE), random(4 * PAGE)]
  const changed = Buffer.from(y)
  changed[PAGE - 1] = (changed[PAGE - 1] ?? 0) ^ 1
  changed[3 * PAGE] = (changed[3 * PAGE] ?? 0) ^ 1
  // The same; in b alone; in a alone; zeros in a and a hole in b; changed in two places; the last byte.
  sparseFile(folder, 'a', 8 * MIB, [0, x], [3 * MIB, x], [4 * MIB, Buffer.alloc(PAGE)], [6 * MIB, y])
  sparseFile(folder, 'b', 8 * MIB, [0, x], [MIB, x], [6 * MIB, changed], [8 * MIB - 1, Buffer.of(1)])
  const regions = ['--region', '0:4M', '--region', '4G:4M']
  const hex = (value: number): string => `0x${value.toString(16)}`
  const expected = [
    [hex(MIB), PAGE],
    [hex(3 * MIB), PAGE],
    [hex(4 * GIB + 2 * MIB), PAGE],
    [hex(4 * GIB + 2 * MIB + 3 * PAGE), PAGE],
    [hex(4 * GIB + 4 * MIB - PAGE), PAGE],
  ]
  for (const files of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    const { code, stdout, stderr } = await run(folder, 'diff', ...files, ...regions, '--json')
    t.deepEqual([code, stderr], [1, ''])
    t.deepEqual(JSON.parse(stdout), { pageSize: PAGE, pages: 5, size: 5 * PAGE, ranges: expected })
  }
  const { code, stdout } = await run(folder, 'diff', 'a', 'b', ...regions)
  t.is(code, 1)
  const lines = stdout.split('\n')
  t.is(lines[0], `${hex(MIB)}-${hex(MIB + PAGE - 1)} ${PAGE / 1024} KiB`)
  t.is(lines.at(-2), `5 pages of 8 MiB differ: ${(5 * PAGE) / 1024} KiB in 5 ranges`)
  t.true(lines.some((line) => /^ +no memory: 4\.00 GiB$/.test(line)))

  t.deepEqual(await run(folder, 'diff', 'a', 'a'), { code: 0, stdout: 'all 8 MiB are the same\n', stderr: '' })
})

test('two lists of ranges are laid over each other as page by page', (t) => {
  const chance = new SeededRandom(3)
  for (let round = 0; round < 300; round += 1) {
    const make = (): { pages: boolean[]; ranges: [bigint, number][] } => {
      const pages = Array.from({ length: 24 }, () => chance.below(3) === 0)
      const ranges: [bigint, number][] = []
      pages.forEach((has, index) => {
        const last = ranges.at(-1)
        // Ranges may touch, where regions do.
        if (has && last && last[0] + BigInt(last[1]) === BigInt(index) && chance.below(4) > 0) last[1] += 1
        else if (has) ranges.push([BigInt(index), 1])
      })
      return { pages, ranges }
    }
    const [a, b] = [make(), make()]
    const seen = Array.from({ length: 24 }, () => [false, false])
    let end = 0n
    for (const [addr, count, inA, inB] of overlay(a.ranges, b.ranges)) {
      t.true(addr >= end && count > 0 && (inA || inB))
      end = addr + BigInt(count)
      for (let index = Number(addr); index < Number(end); index += 1) seen[index] = [inA, inB]
    }
    t.deepEqual(
      seen,
      a.pages.map((inA, index) => [inA, b.pages[index] ?? false]),
    )
  }
})

testOnLinux('what cannot be compared is refused, with the exit code of trouble', async (t) => {
  const folder = makeFolder(t)
  sparseFile(folder, 'a', MIB)
  sparseFile(folder, 'b', 2 * MIB)
  await refuses(t, folder, ['diff', 'a', 'b'], 'the regions are not the same: 0x0:1048576 and 0x0:2097152')
  await refuses(t, folder, ['diff', 'a', 'nothing'], 'nothing: no such file')
  await refuses(
    t,
    folder,
    ['diff', 'a', 'b', '--region', '0:2M'],
    /^snapshot: a: its regions are not right: .*beyond the end/,
  )
})

// ---------------------------------------------------------------------------------------------------------- inspect

testOnLinux('an inspection finds a text, wherever it lies, and how it goes on', async (t) => {
  const folder = makeFolder(t)
  const banner = 'Linux version 6.1.0-50-amd64 (builder@host) #1 SMP'
  const at = [17, PAGE - 5, MIB - 1, 2 * MIB - 13, 3 * MIB - 20]
  const content = Buffer.alloc(3 * MIB, 0x80)
  for (const offset of at) content.write(`${banner}\n`, offset, 'latin1')
  sparseFile(folder, 'vm.mem', 16 * MIB, [4 * MIB, content])
  // The last one is cut off by the end of what there is in the file.
  const { found } = await told<Inspected>(
    t,
    folder,
    'inspect',
    'vm.mem',
    '--region',
    '4G:7M',
    '--find',
    'Linux version',
  )
  t.deepEqual(
    found,
    at.map((offset) => ({
      addr: `0x${(4 * GIB + 4 * MIB + offset).toString(16)}`,
      text: banner.slice(0, 3 * MIB - offset),
    })),
  )
  const { stdout } = await run(folder, 'inspect', 'vm.mem', '--find', 'Linux version')
  t.regex(stdout, /^0x400011 Linux version 6\.1\.0-50-amd64 \(builder@host\) #1 SMP$/m)
  t.regex(stdout, /^5 places$/m)
  const none = await run(folder, 'inspect', 'vm.mem', '--find', 'no such text')
  t.deepEqual([none.code, none.stdout.trimEnd().split('\n').at(-1)], [0, 'no "no such text"'])
  // Too often to be of use.
  sparseFile(folder, 'many', MIB, [0, Buffer.alloc(PAGE, 'xy')])
  const many = await run(folder, 'inspect', 'many', '--find', 'xyx')
  t.regex(many.stdout, /^100 places; the first 100 are shown$/m)
})

testOnLinux('an inspection tells data, zeros that are stored, and draws where they are', async (t) => {
  const folder = makeFolder(t)
  const stored = Buffer.concat([random(2 * PAGE), Buffer.alloc(3 * PAGE), random(PAGE)])
  sparseFile(folder, 'vm.mem', 64 * PAGE, [32 * PAGE, stored])
  const regions = ['--region', `0:${64 * PAGE}`]
  const inspected = await told<Inspected>(t, folder, 'inspect', 'vm.mem', ...regions)
  t.deepEqual(inspected, {
    pageSize: PAGE,
    size: 64 * PAGE,
    regions: [
      {
        start: '0x0',
        size: 64 * PAGE,
        data: 6 * PAGE,
        zeros: 3 * PAGE,
        ranges: [[`0x${(32 * PAGE).toString(16)}`, 6 * PAGE]],
      },
    ],
  })
  const { stdout } = await run(folder, 'inspect', 'vm.mem', ...regions)
  t.regex(stdout, new RegExp(`^0x00000 ${'·'.repeat(32)}██···█${'·'.repeat(26)}$`, 'm'))
  t.false(stdout.includes('\u001b'))
})

test('a picture has a line for a piece of address space, and says where there is no memory', (t) => {
  const memory = GuestMemoryMmap.fromRanges([
    [0, 64 * PAGE],
    [128 * PAGE, 3 * PAGE],
  ])
  const range = (page: number, pages: number): [bigint, number] => [BigInt(page * PAGE), pages * PAGE]
  const hex = (page: number): string => `0x${(page * PAGE).toString(16).padStart(5, '0')}`
  t.deepEqual(picture(memory, [range(0, 1), range(63, 1), range(129, 2)]), [
    `${hex(0)} █${'·'.repeat(62)}█`,
    `        no memory: ${(64 * PAGE) / 1024} KiB`,
    `${hex(128)} ·██`,
    `a character is ${PAGE / 1024} KiB: · nothing, ░ ▒ ▓ a part, █ all`,
  ])
  // Narrow terminals have more lines, with the same in them.
  t.deepEqual(picture(memory, [range(0, 1), range(63, 1), range(129, 2)], 30).slice(0, 4), [
    `${hex(0)} █${'·'.repeat(15)}`,
    `${hex(16)} ${'·'.repeat(16)}`,
    `${hex(32)} ${'·'.repeat(16)}`,
    `${hex(48)} ${'·'.repeat(15)}█`,
  ])
  const large = GuestMemoryMmap.fromRanges([[0, 64 * MIB]])
  const lines = picture(large, [
    [0n, PAGE],
    [BigInt(32 * MIB), 32 * MIB - PAGE],
  ])
  t.true(lines.length <= 25)
  const shades = lines
    .slice(0, -1)
    .map((line) => line.split(' ')[1] ?? '')
    .join('')
  t.regex(shades, /^░·+█+▓$/)
  t.is(shades.indexOf('█'), shades.length / 2)
})

// ------------------------------------------------------------------------------------------------------- command line

testOnLinux('--help tells what there is, of all and of each', async (t) => {
  const folder = makeFolder(t)
  const { code, stdout, stderr } = await run(folder, '--help')
  t.deepEqual([code, stderr], [0, ''])
  for (const word of ['save', 'restore', 'diff', 'inspect', 'Exit code']) t.true(stdout.includes(word), word)
  for (const [name, option] of [
    ['save', '--region'],
    ['restore', '--force'],
    ['diff', '--table'],
    ['inspect', '--find'],
  ] as const) {
    const help = await run(folder, name, '--help')
    t.deepEqual([help.code, help.stderr], [0, ''])
    t.true(help.stdout.includes(option) && help.stdout.includes('--json'), name)
  }
})

test('a region of the command line is a base, a size, and where it is in the file', (t) => {
  const region = (...texts: string[]): unknown => {
    const order = parseCommandLine(['inspect', 'file', ...texts.flatMap((text) => ['--region', text])])
    return order?.options.region
  }
  t.deepEqual(region('0:1M@4M', '0x1000:4k', '1T:0x10@2G'), [
    { start: '0x0', size: MIB, offset: 4 * MIB },
    { start: '0x1000', size: 4096, offset: 5 * MIB },
    { start: '0x10000000000', size: 16, offset: 2 * GIB },
  ])
  t.deepEqual(region('0xffffffffffffffff:1'), [{ start: '0xffffffffffffffff', size: 1, offset: 0 }])
  const refused = (text: string, why: string): void => {
    const message = `option '--region <base:size[@offset]>' argument '${text}' is invalid. ${why}`
    t.throws(() => region(text), { instanceOf: UsageError, message }, text)
  }
  for (const text of [
    '',
    '0',
    '0:',
    ':1M',
    '0:1M@',
    '0:1M@1M@1M',
    '-1:1M',
    '0:1.5M',
    '0:1P',
    '0x:1M',
    '1e3:1M',
    'x',
    '0:1M ',
  ]) {
    refused(text, 'It must be like 0x100000000:4G or 0x100000000:4G@3G.')
  }
  refused('0x10000000000000000:1M', 'Addresses have 64 bits.')
  refused('0:9007199254740992', 'No file is so long.')
  refused('0:1@9007199254740991', 'No file is so long.')
})

testOnLinux('wrong usage is one line, exit code 2, and nothing is done', async (t) => {
  const folder = makeFolder(t)
  sparseFile(folder, 'vm.mem', MIB, [0, random(PAGE)])
  fs.mkdirSync(path.join(folder, 'folder'))
  fs.writeFileSync(path.join(folder, 'empty'), '')
  execFileSync('mkfifo', [path.join(folder, 'fifo')])
  for (const [args, message] of [
    [[], 'missing a command: save, restore, diff or inspect'],
    [['sav'], "unknown command 'sav' (Did you mean save?)"],
    [['save', 'vm.mem'], "missing required argument 'snapshot'"],
    [['save', 'vm.mem', 's', 'x'], /too many arguments/],
    [['save', 'vm.mem', 's', '--bogus'], "unknown option '--bogus'"],
    [['save', 'vm.mem', 's', '--region', '0'], /^snapshot: option '--region .* argument '0' is invalid/],
    [['save', 'nothing', 's'], 'nothing: no such file'],
    [['save', 'folder', 's'], 'folder: is a directory'],
    [['save', 'empty', 's'], 'empty: is empty'],
    [['save', 'fifo', 's'], 'fifo: is not a regular file'],
    [['save', 'vm.mem', 'fifo', '--force'], 'fifo: is not a regular file'],
    [['save', 'vm.mem', 'nowhere/s'], 'nowhere/s.partial: no such file'],
    [['inspect', 'vm.mem', '--find', ''], '--find needs a text'],
    [['inspect', 'vm.mem', '--table', 'none.json'], 'none.json: no such file'],
    [['inspect', 'vm.mem', '--table', 'vm.mem'], 'vm.mem: is no JSON'],
    [['inspect', 'vm.mem', '--table', 't', '--region', '0:4K'], /cannot be used with option/],
  ] as const) {
    await refuses(t, folder, args, message)
  }
})

testOnLinux('regions that are wrong, or not of this file, are refused', async (t) => {
  const folder = makeFolder(t)
  const file = sparseFile(folder, 'vm.mem', MIB, [0, random(PAGE)])
  const open = (...regions: readonly string[]): unknown =>
    openMemoryFile(file, { region: regions.reduce<readonly Region[]>((all, text) => parseRegion(text, all), []) })
  for (const [regions, why] of [
    [['0:0'], /has no size$/],
    [['0:2M'], /beyond the end of the file/],
    [['0:4K@100'], /starts at no page/],
    [['0xfffffffffffff000:1M'], /beyond the last address/],
    [['0:8K', '4K:8K'], /does not start behind the one before/],
    [['4G:8K@0', '8G:8K@4K'], /overlaps another one in the file/],
  ] as const) {
    t.throws(() => open(...regions), { instanceOf: UsageError, message: why }, regions.join(' '))
  }
  for (const table of [
    'null',
    '[]',
    '{}',
    '{"regions":1}',
    '{"regions":[]}',
    '{"regions":[{}]}',
    '{"regions":[{"start":0,"size":1,"offset":0}]}',
  ]) {
    fs.writeFileSync(path.join(folder, 'vm.mem.json'), table)
    t.throws(
      () => openMemoryFile(file, {}),
      { instanceOf: UsageError, message: /: its regions are not right: / },
      table,
    )
  }
  await refuses(t, folder, ['inspect', 'vm.mem'], /^snapshot: vm\.mem: its regions are not right: /)
})

testOnLinux('whoever has seen enough closes the pipe, which is no failure to be told', async (t) => {
  const folder = makeFolder(t)
  sparseFile(
    folder,
    'a',
    32 * MIB,
    ...Array.from({ length: 4000 }, (_, index) => [2 * index * PAGE, Buffer.of(1)] as [number, Buffer]),
  )
  sparseFile(folder, 'b', 32 * MIB)
  const child = start(folder, ['diff', 'a', 'b'])
  const stderr = text(child.stderr as NodeJS.ReadableStream)
  child.stdout.once('data', () => (child.stdout as unknown as { destroy(): void }).destroy())
  const [code] = (await once(child, 'close')) as [number]
  t.true([1, 141].includes(code), `${code}`)
  t.is(await stderr, '')
})

testOnLinux('a bar shows how far it is, on a terminal alone', async (t) => {
  const folder = makeFolder(t)
  sparseFile(folder, 'vm.mem', 8 * MIB, [0, random(8 * MIB)])
  const command = `stty cols 80; exec '${process.execPath}' --import '${import.meta.resolve('tsx')}' '${MAIN}' save vm.mem s`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    env: { ...process.env, TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.once('error', () => {})
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  if (code === -2) return t.pass('skipped: no `script` of util-linux here, which makes a terminal')
  t.is(code, 0)
  t.regex(output, /write +█+ 100%/)
})
