// The example program, run as a person runs it, and the readers of its input files.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { checkTable } from '../examples/machine/report.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SECTOR = 512

interface Segment {
  address: bigint
  /** As `address`, if it is not given. */
  virtualAddress?: bigint
  content: Uint8Array
  memorySize?: number
}

/** An ELF64 executable with these PT_LOAD segments, which is entered at the start of the first. */
function elfFile(segments: readonly Segment[], entry = segments[0]?.address ?? 0n): Buffer {
  const headers = Buffer.alloc(64 + 56 * segments.length)
  headers.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  headers.writeUInt16LE(2, 16)
  headers.writeUInt16LE(62, 18)
  headers.writeUInt32LE(1, 20)
  headers.writeBigUInt64LE(entry, 24)
  headers.writeBigUInt64LE(64n, 32)
  headers.writeUInt16LE(64, 52)
  headers.writeUInt16LE(56, 54)
  headers.writeUInt16LE(segments.length, 56)
  let offset = headers.length
  for (const [index, { address, virtualAddress, content, memorySize }] of segments.entries()) {
    const at = 64 + 56 * index
    headers.writeUInt32LE(1, at)
    headers.writeUInt32LE(6, at + 4)
    headers.writeBigUInt64LE(BigInt(offset), at + 8)
    headers.writeBigUInt64LE(virtualAddress ?? address, at + 16)
    headers.writeBigUInt64LE(address, at + 24)
    headers.writeBigUInt64LE(BigInt(content.length), at + 32)
    headers.writeBigUInt64LE(BigInt(memorySize ?? content.length), at + 40)
    offset += content.length
  }
  return Buffer.concat([headers, ...segments.map(({ content }) => content)])
}

const CODE = randomFillSync(Buffer.alloc(70_001))
const INITIALISED = randomFillSync(Buffer.alloc(1000))
const BSS_SIZE = 300_000
const SMALL_ELF = elfFile([
  { address: 0x40_0000n, content: CODE },
  { address: 0x60_0123n, content: INITIALISED, memorySize: INITIALISED.length + BSS_SIZE },
])

const sha256 = (...parts: Uint8Array[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

function temporaryFolder(t: ExecutionContext): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-spec-'))
  // Another user has to get in, for the test of a file that cannot be read.
  fs.chmodSync(folder, 0o777)
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

function writeFile(folder: string, name: string, content: Uint8Array): string {
  const file = path.join(folder, name)
  fs.writeFileSync(file, content)
  return file
}

interface Run {
  code: number | null
  stdout: string
  stderr: string
}

function start(args: readonly string[], folder: string, options: { uid?: number } = {}) {
  return spawn(process.execPath, ['--import', 'tsx', 'examples/machine.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
}

async function run(args: readonly string[], folder: string, options: { uid?: number } = {}): Promise<Run> {
  const child = start(args, folder, options)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number | null, stdout, stderr }
}

/** The table rows whose first cell is `name`, each as its cells. */
function rows(stdout: string, name: RegExp): string[][] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('│')
        .map((cell) => cell.trim()),
    )
    .filter(([first]) => name.test(first ?? ''))
}

function count(stdout: string, name: string): number {
  return Number(rows(stdout, new RegExp(`^${name}$`))[0]?.[1])
}

function leftovers(folder: string): string[] {
  return fs.readdirSync(folder).filter((name) => name.startsWith('vm-memory-machine-'))
}

function passed(t: ExecutionContext, { code, stdout, stderr }: Run): void {
  t.is(stderr, '')
  t.is(code, 0)
  t.regex(stdout, /^Shows guest memory at work: /)
  t.regex(stdout, /^All \d+ checks passed\.\nTo read on: .*\n$/m)
  const checks = rows(stdout, /^(ELF segment \d|ROM|disk (reads|writes)|the whole disk)/)
  t.true(checks.length >= 5)
  for (const [name, digest, verdict] of checks) {
    t.regex(digest ?? '', /^[0-9a-f]{64}$/, name)
    t.is(verdict, 'equal', name)
  }
}

test.serial('it loads an ELF file, works a disk under hot-plug, and finds everything equal', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const content = randomFillSync(Buffer.alloc(2048 * SECTOR))
  const disk = writeFile(folder, 'disk.raw', content)
  fs.chmodSync(disk, 0o444)
  const done = await run(
    [elf, disk, '--memory', '64', '--requests', '600', '--queue-size', '64', '--hot-plug-every', '7'],
    folder,
  )
  passed(t, done)
  const { stdout } = done

  // What is in guest memory is what the segments are, not only what the program says that the file has.
  t.is(rows(stdout, /^ELF segment 0 /)[0]?.[1], sha256(CODE))
  t.is(rows(stdout, /^ELF segment 1 /)[0]?.[1], sha256(INITIALISED, Buffer.alloc(BSS_SIZE)))
  const lastByte = 0x30_0123 + INITIALISED.length + BSS_SIZE - 1
  t.regex(stdout, new RegExp(`segment 1 RW- +0x600123 -> 0x300123-0x${lastByte.toString(16)}\\n`))
  t.regex(stdout, /entry point +0x400000 -> 0x100000\n/)

  const sweep = Math.ceil(2048 / 256)
  const served = ['reads', 'writes', 'flushes', 'ids'].map((kind) => count(stdout, `virtio-blk ${kind}`))
  t.is(
    served.reduce((sum, requests) => sum + requests, 0),
    600 + sweep,
  )
  t.true(count(stdout, 'virtio-blk reads') > sweep && count(stdout, 'virtio-blk writes') > 0)
  const added = count(stdout, 'regions hot-added')
  const removed = count(stdout, 'regions hot-removed')
  t.true(added > 10 && removed > 10 && added - removed <= 4, `${added} added, ${removed} removed`)
  t.true(count(stdout, 'buffers in hot-added regions') > 50)
  // Each region that went was asked for once more, and so was the ROM at the start.
  t.true(count(stdout, 'requests refused, as due') >= removed)
  t.regex(stdout, /^GuestMemoryMmap \{$/m)

  t.is(sha256(fs.readFileSync(disk)), sha256(content), 'only a copy of the image was written to')
  t.deepEqual(leftovers(folder), [])
})

test.serial('it shows progress as plain lines where there is no terminal', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const disk = writeFile(folder, 'disk.raw', Buffer.alloc(8 * SECTOR))
  const done = await run([elf, disk, '-r', '40', '-m', '64'], folder)
  passed(t, done)
  for (const percent of [25, 50, 75, 100]) t.regex(done.stdout, new RegExp(`^mixed requests +${percent}%$`, 'm'))
  t.false(done.stdout.includes('\u001b'))
})

test.serial('in place, the requests write to the image itself', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const content = randomFillSync(Buffer.alloc(100 * SECTOR + 17))
  const disk = writeFile(folder, 'disk.raw', content)
  const done = await run([elf, disk, '--in-place', '-r', '100', '-m', '64', '-q', '4', '-p', '1'], folder)
  passed(t, done)
  const after = fs.readFileSync(disk)
  t.is(after.length, content.length)
  t.not(sha256(after), sha256(content))
  t.is(rows(done.stdout, /^the whole disk$/)[0]?.[1], sha256(after.subarray(0, 100 * SECTOR)))
  t.deepEqual(after.subarray(100 * SECTOR), content.subarray(100 * SECTOR), 'what is no whole sector is not touched')
})

test.serial('the same seed makes the same requests, another one others', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const disk = writeFile(folder, 'disk.raw', Buffer.alloc(256 * SECTOR))
  const digests: (string | undefined)[] = []
  for (const seed of ['7', '7', '8']) {
    const done = await run([elf, disk, '-r', '60', '-m', '64', '--seed', seed], folder)
    passed(t, done)
    digests.push(rows(done.stdout, /^disk writes$/)[0]?.[1])
  }
  t.is(digests[0], digests[1])
  t.not(digests[0], digests[2])
})

test.serial('without arguments it takes the running node, and RAM on both sides of the PCI hole', async (t) => {
  const folder = temporaryFolder(t)
  const magic = Buffer.alloc(4)
  const fd = fs.openSync(process.execPath, 'r')
  fs.readSync(fd, magic, 0, 4, 0)
  fs.closeSync(fd)
  const done = await run(['--requests', '200'], folder)
  if (magic.equals(Buffer.from('\u007fELF'))) {
    passed(t, done)
    // 64 MiB in requests of 128 KiB, after the 200.
    t.true(count(done.stdout, 'virtio-blk reads') > 512)
  } else {
    t.deepEqual([done.code, done.stderr], [2, `machine: ${process.execPath}: not an ELF file\n`])
  }
  t.deepEqual(leftovers(folder), [])
})

test.serial('a disk that changes behind the device is noticed: exit code 1', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const disk = writeFile(folder, 'disk.raw', Buffer.alloc(64 * SECTOR))
  const child = start([elf, disk, '--in-place', '-r', '100000', '-m', '64', '-p', '0'], folder)
  // Again and again: a write behind the end makes the file as long as it was.
  let cutting: NodeJS.Timeout | null = null
  const output = text(
    child.stdout.map((chunk: Buffer) => {
      if (/mixed requests +25%/.test(chunk.toString())) cutting ??= setInterval(() => fs.truncateSync(disk, 0), 1)
      return chunk
    }),
  )
  t.teardown(() => clearInterval(cutting ?? undefined))
  const [stdout, stderr, [code]] = await Promise.all([output, text(child.stderr), once(child, 'close')])
  t.not(cutting, null)
  t.is(code, 1)
  t.regex(stderr, /^machine: request type 0, sector \d+: status 1, expected 0$/m)
  t.regex(stderr, /^machine: \d+ of \d+ checks and \d+ requests failed$/m)
  t.notRegex(stdout, /checks passed/)
})

for (const [what, offset, target] of [
  ['virtual', 0xffff_ffff_8000_0000n, '0x100123'],
  ['physical', 0n, '0x100123'],
  ['unknown', 0x1234_0000_0000n, 'in no segment'],
] as const) {
  test.serial(`it tells where the entry point of a kernel is when its address is ${what}`, async (t) => {
    const folder = temporaryFolder(t)
    const kernel = [{ address: 0x100_0000n, virtualAddress: 0xffff_ffff_8100_0000n, content: CODE }]
    const elf = writeFile(folder, 'kernel.elf', elfFile(kernel, offset + 0x100_0123n))
    const disk = writeFile(folder, 'disk.raw', Buffer.alloc(8 * SECTOR))
    const done = await run([elf, disk, '-r', '4', '-m', '64'], folder)
    passed(t, done)
    const entry = (offset + 0x100_0123n).toString(16)
    t.regex(done.stdout, new RegExp(`^  entry point +0x${entry} -> ${target}$`, 'm'))
  })
}

test.serial('nothing is cut on a terminal of 60 columns', async (t) => {
  const hasTerminal = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0
  if (!hasTerminal) return t.pass('skipped: no `script` of util-linux here, which makes a terminal')
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const command = `stty cols 60; exec '${process.execPath}' --import tsx examples/machine.ts ${elf} -r 600 -m 64`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder, TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  t.is(code, 0)
  // eslint-disable-next-line no-control-regex
  const lines = output.replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '\n').split(/[\r\n]+/)
  // Only the map itself is printed as wide as it is everywhere: the terminal wraps it.
  const long = lines.filter((line) => line.length > 60 && !/^ {2}0x[\da-f]{16}-/.test(line))
  t.deepEqual(long, [])
  t.false(output.includes('…'))
  t.true(lines.some((line) => line.startsWith('mixed requests') && line.includes('█')))
  const digest = sha256(CODE)
  const at = lines.indexOf('ELF segment 0 RW-: equal')
  t.deepEqual(lines.slice(at + 1, at + 3), [`  ${digest.slice(0, 32)}`, `  ${digest.slice(32)}`])
})

test('a check that failed has both digests, on wide terminals and on narrow ones', (t) => {
  const [guest, file] = [sha256(CODE), sha256(INITIALISED)]
  for (const columns of [60, 200]) {
    const shown = checkTable([{ name: 'ROM', guest, file }], columns)
    t.regex(shown, /DIFFERENT/)
    for (const digest of [guest, file]) {
      for (const half of [digest.slice(0, 32), digest.slice(32)]) t.true(shown.includes(half))
    }
    t.true(shown.split('\n').every((line) => line.length <= columns))
  }
})

test.serial('interrupted, it removes its temporary folder', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const child = start([elf, '-r', '10000000', '-m', '64'], folder)
  // The first lines come when the folder is there.
  await once(child.stdout, 'data')
  t.is(leftovers(folder).length, 1)
  child.kill('SIGINT')
  t.deepEqual(await once(child, 'close'), [130, null])
  t.deepEqual(leftovers(folder), [])
})

test.serial('interrupted again and again, it removes its temporary folder all the same', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'small.elf', SMALL_ELF)
  const child = start([elf, '-r', '10000000', '-m', '64'], folder)
  await once(child.stdout, 'data')
  const interrupting = setInterval(() => child.kill('SIGINT'), 1)
  // The engine takes its handlers off last, so the code may be that of either end.
  await once(child, 'close')
  clearInterval(interrupting)
  t.deepEqual(leftovers(folder), [])
})

/** The process of a group that runs the program itself: the last one in the line with it in its arguments. Linux only. */
function programOf(group: number): number {
  const processes = fs.readdirSync('/proc').flatMap((pid) => {
    try {
      // Behind the name, which may have any characters: state, parent, group.
      const [, parent, of] = fs
        .readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
      const isProgram = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('examples/machine.ts')
      return Number(of) === group && isProgram ? [{ pid: Number(pid), parent: Number(parent) }] : []
    } catch {
      return [] // no process, or one that has ended
    }
  })
  const last = processes.find(({ pid }) => processes.every(({ parent }) => parent !== pid))
  if (last === undefined) throw new Error('the program does not run')
  return last.pid
}

test.serial('Ctrl-C ends `npm start` in its busy stage, and leaves nothing behind', async (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: processes are found in /proc')
  const folder = temporaryFolder(t)
  // What the terminal sends goes to all processes of the group. The script before `start`, which builds, is left out.
  const child = spawn('npm', ['start', '--ignore-scripts', '--', '-r', '4000'], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  const group = child.pid as number
  t.teardown(() => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-group, 'SIGKILL')
  })
  const ended = once(child, 'close')
  let output = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    output += chunk
    if (/^mixed requests +25%$/m.test(output)) break
  }
  t.is(leftovers(folder).length, 1)
  // Busy for as long as this: whoever started it must wait for it, not kill it.
  const program = programOf(group)
  process.kill(program, 'SIGSTOP')
  process.kill(-group, 'SIGINT')
  await setTimeout(500)
  process.kill(program, 'SIGCONT')
  await ended
  // npm may end before the program does.
  for (let tries = 0; tries < 100 && leftovers(folder).length > 0; tries += 1) await setTimeout(50)
  t.deepEqual(leftovers(folder), [])
})

test.serial('--help and --version answer and exit with 0', async (t) => {
  const folder = temporaryFolder(t)
  const help = await run(['--help'], folder)
  t.deepEqual([help.code, help.stderr], [0, ''])
  for (const option of ['--memory', '--requests', '--queue-size', '--hot-plug-every', '[elf] [disk]']) {
    t.true(help.stdout.includes(option), option)
  }
  const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string }
  t.deepEqual(await run(['--version'], folder), { code: 0, stdout: `${version}\n`, stderr: '' })
})

/** Exit code 2, one line on stderr that says what is wrong, nothing else done. */
async function refuses(
  t: ExecutionContext,
  args: readonly string[],
  message: string,
  options: { uid?: number } = {},
): Promise<void> {
  const folder = temporaryFolder(t)
  t.deepEqual(await run(args, folder, options), { code: 2, stdout: '', stderr: `machine: ${message}\n` })
  t.deepEqual(leftovers(folder), [])
}

const wrongOptions: [string[], string][] = [
  [['--bogus'], "unknown option '--bogus'"],
  [['--memry', '5'], "unknown option '--memry' (Did you mean --memory?)"],
  [['--memory'], "option '-m, --memory <MiB>' argument missing"],
  [
    ['--memory', '1.5'],
    "option '-m, --memory <MiB>' argument '1.5' is invalid. It must be an integer from 1 to 1048576.",
  ],
  [
    ['--requests', '0'],
    "option '-r, --requests <n>' argument '0' is invalid. It must be an integer from 1 to 100000000.",
  ],
  [['--queue-size', '48'], "option '-q, --queue-size <n>' argument '48' is invalid. It must be a power of two."],
  [['a', 'b', 'c'], 'too many arguments. Expected 2 arguments but got 3.'],
  [['--in-place'], '--in-place needs a disk image'],
]

for (const [args, message] of wrongOptions) {
  test.serial(`${args.join(' ')} is wrong usage`, (t) => refuses(t, args, message))
}

const wrongElfFiles: [string, Uint8Array, string][] = [
  ['is empty', Buffer.alloc(0), 'is empty'],
  ['is a text', Buffer.from('#!/bin/sh\n'), 'not an ELF file'],
  ['ends in the header', SMALL_ELF.subarray(0, 40), 'is cut short: the ELF header is not whole'],
  ['ends in the program headers', SMALL_ELF.subarray(0, 100), 'is cut short: the program headers are not whole'],
  ['ends in a segment', SMALL_ELF.subarray(0, -1), 'is cut short: segment 1 goes on after the end of the file'],
  ['is for 32 bits', SMALL_ELF.with(4, 1), 'not a 64-bit little-endian ELF file'],
  ['is big-endian', SMALL_ELF.with(5, 2), 'not a 64-bit little-endian ELF file'],
  ['has no program headers', elfFile([]), 'has no program headers, so nothing to load'],
  [
    'has nothing to load',
    elfFile([{ address: 0n, content: Buffer.alloc(0) }]),
    'has no PT_LOAD segment, so nothing to load',
  ],
  [
    'has more in the file than in memory',
    elfFile([{ address: 0n, content: CODE, memorySize: 9 }]),
    'segment 0 is larger in the file than in memory',
  ],
  [
    'overlaps itself',
    elfFile([
      { address: 0x5000n, content: CODE },
      { address: 0x4fffn, content: INITIALISED },
    ]),
    'segments 1 and 0 overlap in memory',
  ],
  [
    'is larger than the RAM',
    elfFile([{ address: 0x10_0000n, content: CODE, memorySize: 60 * 2 ** 20 }]),
    'too large for the RAM: it needs 66 MiB below the PCI hole, there are 64 MiB (see --memory)',
  ],
  [
    'is larger than any RAM below the hole',
    elfFile([
      { address: 0n, content: CODE },
      { address: 0xffff_ffff_8000_0000n, content: CODE },
    ]),
    'too large for the RAM: it needs 17592186042374 MiB below the PCI hole, there are 64 MiB (no more than 3072 MiB can be there)',
  ],
]

for (const [what, content, message] of wrongElfFiles) {
  test.serial(`an ELF file that ${what} is refused in one line`, (t) => {
    const elf = writeFile(temporaryFolder(t), 'wrong.elf', content)
    return refuses(t, [elf, '--memory', '64'], `${elf}: ${message}`)
  })
}

for (const which of ['ELF file', 'disk']) {
  /** The arguments with `name` as the file in question. */
  const withFile = (folder: string, name: string): string[] =>
    which === 'disk' ? [writeFile(folder, 'good.elf', SMALL_ELF), name, '--memory', '64'] : [name, '--memory', '64']

  test.serial(`${which}: no such file`, (t) => {
    const folder = temporaryFolder(t)
    const name = path.join(folder, 'missing')
    return refuses(t, withFile(folder, name), `${name}: no such file`)
  })

  test.serial(`${which}: a directory`, (t) => {
    const folder = temporaryFolder(t)
    return refuses(t, withFile(folder, folder), `${folder}: is a directory`)
  })

  test.serial(`${which}: not a regular file`, (t) =>
    refuses(t, withFile(temporaryFolder(t), '/dev/null'), '/dev/null: is not a regular file'),
  )

  test.serial(`${which}: a file that may not be read`, (t) => {
    const folder = temporaryFolder(t)
    const name = writeFile(folder, 'secret', SMALL_ELF)
    fs.chmodSync(name, 0o000)
    // root may read everything, so it asks as nobody.
    const options = process.getuid?.() === 0 ? { uid: 65534 } : {}
    return refuses(t, withFile(folder, name), `${name}: permission denied`, options)
  })
}

test.serial('disk: empty, or without a whole sector', async (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'good.elf', SMALL_ELF)
  const empty = writeFile(folder, 'empty', Buffer.alloc(0))
  await refuses(t, [elf, empty, '--memory', '64'], `${empty}: is empty`)
  const small = writeFile(folder, 'small', Buffer.alloc(SECTOR - 1))
  await refuses(t, [elf, small, '--memory', '64'], `${small}: is smaller than one sector (512 bytes)`)
})

test.serial('disk: the ELF file itself is not written to', (t) => {
  const folder = temporaryFolder(t)
  const elf = writeFile(folder, 'good.elf', SMALL_ELF)
  fs.symlinkSync(elf, path.join(folder, 'link'))
  const link = path.join(folder, 'link')
  return refuses(t, [elf, link, '--in-place', '--memory', '64'], `${link}: is the ELF file, and a disk gets written`)
})
