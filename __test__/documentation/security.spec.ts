// That what SECURITY.md guarantees is shown by tests which exist, and what it warns of happens as it says.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'

import { GuestMemoryMmap, Ordering, memfdCreate, pageSize } from '../../index.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = fs.readFileSync(path.join(root, 'SECURITY.md'), 'utf8')
const PAGE = pageSize()
const { EFAULT } = os.constants.errno

// ---------------------------------------------------------------------------------------------------------- the page

/** What is wrong with the tests that are named: `[spec](file) "title"`, with `…` for what the title has of its own. */
function complaints(text: string): string[] {
  const wrong = [...text.matchAll(/\]\((?<file>__test__\/[^)]*)\) "(?<title>[^"]*)"/g)].flatMap(({ groups }) => {
    const { file, title } = groups as { file: string; title: string }
    const spec = path.join(root, file)
    if (!fs.existsSync(spec)) return [`there is no ${file}`]
    const source = fs.readFileSync(spec, 'utf8')
    return title.split('…').every((part) => source.includes(part.trim())) ? [] : [`${file} has no "${title}"`]
  })
  const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: object }
  const commands = [...text.matchAll(/`npm run ([\w:]+)/g)].map((match) => match[1] as string)
  const claims = [...text.matchAll(/^\| (.*?) +\|(.*)\|$/gm)].filter(
    ([, claim]) => !/^(?:Claim|Version|-+|\d.*)$/.test(claim!),
  )
  return [
    ...wrong,
    ...commands.filter((command) => !(command in scripts)).map((command) => `there is no npm run ${command}`),
    ...claims
      .filter(([, , shownBy]) => !/\]\(__test__|npm run/.test(shownBy!))
      .map(([, claim]) => `nothing shows: ${claim}`),
  ]
}

test('every claim of SECURITY.md names a test that exists', (t) => {
  t.deepEqual(complaints(page), [])
  t.true(page.split('](__test__').length > 20)
})

test('a claim without its test is noticed', (t) => {
  const changed = page.replace('"polluted prototypes', '"prettier prototypes')
  t.deepEqual(complaints(changed).length, 1)
  t.deepEqual(complaints('| Claim | Shown by |\n| --- | --- |\n| Nothing happens. | |'), [
    'nothing shows: Nothing happens.',
  ])
})

// ------------------------------------------------------------------------------------------------- hostile guest

test('what was read is a copy, and views are the memory itself', (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  const [view] = memory.views(0, 2) as [Uint8Array]
  const array = memory.readObj(['u8', 2], 0) as Uint8Array
  memory.writeU8(1, 0)
  t.deepEqual([...array], [0, 0])
  t.deepEqual([...view], [1, 0])
})

/** In another thread, two values by turns, for ever. */
const FLIPPING = `
  const { workerData } = require('node:worker_threads')
  const { GuestMemoryMmap, Ordering } = require(workerData.entry)
  const memory = GuestMemoryMmap.fromShared(workerData.ticket)
  for (;;) {
    memory.store('u64', 0n, 8, Ordering.SeqCst)
    memory.store('u64', 2n ** 64n - 1n, 8, Ordering.SeqCst)
  }`

test('an atomic load sees all of a store or nothing', async (t) => {
  const memory = GuestMemoryMmap.fromRanges([[0, PAGE]])
  const workerData = { entry: path.join(root, 'index.js'), ticket: memory.share() }
  const worker = new Worker(FLIPPING, { eval: true, execArgv: [], workerData })
  await once(worker, 'online')
  const ref = memory.getSlice(0, PAGE).getAtomicRef('u64', 8)
  const seen = new Set<number | bigint>()
  let last: number | bigint = 0n
  for (let changes = 0; changes < 50;) {
    const value = memory.load('u64', 8, Ordering.SeqCst)
    seen.add(value).add(ref.load(Ordering.SeqCst))
    if (value !== last) changes += 1
    last = value
  }
  await worker.terminate()
  // Sorted: which of them is seen first is chance.
  t.deepEqual([...seen].toSorted(), [0n, 2n ** 64n - 1n])
})

// -------------------------------------------------------------------------------------------------- hostile peer

interface Ending {
  readonly signal: NodeJS.Signals | null
  readonly printed: unknown
}

/** Where these tests run with AddressSanitizer, it is not to report what is meant to happen. */
const env = { ...process.env, ASAN_OPTIONS: `${process.env['ASAN_OPTIONS'] ?? ''}:handle_sigbus=0` }

/** Runs a script, which is killed after `timeout` milliseconds. */
function run(args: readonly string[], timeout = 60_000): Ending {
  const { signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    env,
    timeout,
    killSignal: 'SIGKILL',
  })
  if (stdout !== '') return { signal, printed: JSON.parse(stdout) }
  return { signal, printed: signal === null ? stderr : null }
}

const truncated = (mapping: string, way: string): Ending => run(['truncated-file.mjs', mapping, way])

for (const way of [
  'a scalar',
  'a write',
  'a copy',
  'an atomic',
  'a view',
  'a transfer to bytes',
  'a scalar in another thread',
]) {
  test(`beyond the end of a truncated file, ${way} ends the process`, (t) => {
    t.deepEqual(truncated('shared', way), { signal: 'SIGBUS', printed: null })
  })
}

test('a listener for SIGBUS does not save the process: it hangs', (t) => {
  t.is(run(['truncated-file.mjs', 'shared', 'a scalar with a listener'], 2000).signal, 'SIGKILL')
})

test('a private mapping is no better', (t) => {
  t.deepEqual(truncated('private', 'a scalar'), { signal: 'SIGBUS', printed: null })
})

const SURVIVED: Readonly<Record<string, unknown>> = {
  'a transfer to a descriptor': ['ERR_IO', EFAULT],
  'a transfer from a descriptor': ['ERR_IO', EFAULT],
  'an asynchronous transfer': ['ERR_IO', EFAULT],
  'a view that fs writes': ['EFAULT', EFAULT],
}
for (const [way, error] of Object.entries(SURVIVED)) {
  test(`beyond the end of a truncated file, ${way} fails with EFAULT`, (t) => {
    t.deepEqual(truncated('shared', way), { signal: null, printed: error })
  })
}

test('look-ups do not notice that a file was truncated', (t) => {
  t.deepEqual(truncated('shared', 'look-ups').printed, [true, PAGE, 1])
})

test('the page that a truncated file ends in goes on with zeros', (t) => {
  t.deepEqual(truncated('shared', 'both sides of the end').printed, [7, 0])
})

test('a file that has grown again is good, with zeros for what it lost', (t) => {
  t.is(truncated('shared', 'a file that has grown again').printed, 0)
})

if (process.platform === 'linux') {
  test('nobody can truncate a memfd of memfdCreate, unless it is to be left unsealed', (t) => {
    const [sealed, unsealed] = [memfdCreate('sealed', PAGE), memfdCreate('unsealed', PAGE, { seal: false })]
    t.throws(() => fs.ftruncateSync(sealed, 0), { code: 'EPERM' })
    t.notThrows(() => fs.ftruncateSync(unsealed, 0))
    fs.closeSync(sealed)
    fs.closeSync(unsealed)
  })

  test('a write to a hole in a file ends the process where the file system is full', (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
    t.teardown(() => fs.rmSync(folder, { recursive: true }))
    const mount = ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k none "$0" && exec "$@"', folder]
    if (spawnSync('unshare', [...mount, 'true']).status !== 0) {
      t.log('no file system of its own can be mounted here')
      t.pass()
      return
    }
    const { status, signal, stdout, stderr } = spawnSync(
      'unshare',
      [...mount, process.execPath, 'missing-page.mjs', folder],
      { cwd: import.meta.dirname, encoding: 'utf8', env },
    )
    t.is(signal, 'SIGBUS', `exit code ${status}: ${stdout}${stderr}`)
  })

  test('a write to huge pages ends the process where the host has none', (t) => {
    const [, total] = /^HugePages_Total: +(\d+)$/m.exec(fs.readFileSync('/proc/meminfo', 'utf8')) ?? []
    if (total !== '0') {
      t.log(`the host has ${total ?? 'no support for'} huge pages`)
      t.pass()
      return
    }
    t.deepEqual(run(['missing-page.mjs', '--huge']), { signal: 'SIGBUS', printed: null })
  })
}
