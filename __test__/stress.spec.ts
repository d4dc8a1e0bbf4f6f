// The stress suite, shorter than `npm run test:stress`, and that it notices what it is there to notice.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'

interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  errors: string
}

const stress = (...args: string[]): Promise<Ending> => run('stress/main.ts', '--only', 'threads', ...args)

async function run(script: string, ...args: string[]): Promise<Ending> {
  const main = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, ['--import=tsx', main, ...args], { timeout: 90_000, killSignal: 'SIGABRT' })
  const exit = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (...how: [number | null, NodeJS.Signals | null]) => resolve(how))
  })
  const [output, errors, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  return { code, signal, output, errors }
}

test.serial('nothing is lost, torn, leaked or stuck while threads die at any moment', async (t) => {
  t.timeout(120_000)
  // A busy machine gets more time to end threads.
  for (const seconds of [5, 30]) {
    const { code, signal, output, errors } = await stress('--seconds', String(seconds))
    t.log(output.trim())
    t.is(errors, '')
    t.is(signal, null)
    t.is(code, 0)
    const count = (what: string): number => Number(new RegExp(`^${what} +(\\d+)$`, 'm').exec(output)?.[1])
    const all = ['terminations', 'replaces', 'lock hand-overs', 'increments', 'snapshots', 'pages verified']
    const missing = all.filter((what) => !(count(what) > 0))
    if (missing.length === 0) return
    if (seconds === 30) t.deepEqual(missing, [])
  }
})

// What the suite must notice is done on purpose.
const SABOTAGES: Record<string, RegExp> = {
  lock: /someone else held the lock too|the counter is \d+ after \d+ increments/,
  update: /an update was lost/,
  pages: /a torn page/,
  mappings: /left: [1-9]\d* mappings, [1-9]\d* descriptors/,
}

for (const [sabotage, complaint] of Object.entries(SABOTAGES)) {
  test.serial(`the suite fails when something is wrong with: ${sabotage}`, async (t) => {
    t.timeout(120_000)
    // A race has to happen before it can be noticed: a busy machine gets more time for it.
    for (const seconds of [3, 10, 30]) {
      const { code, errors } = await stress('--seconds', String(seconds), '--sabotage', sabotage)
      if (code === 0 && seconds < 30) continue
      t.regex(errors, complaint)
      t.is(code, 1)
      return
    }
  })
}

test.serial('the suite is ended when it hangs', async (t) => {
  const { signal, errors } = await stress('--seconds', '60', '--patience', '2', '--sabotage', 'hang')
  t.regex(errors, /^hung: /)
  t.is(signal, 'SIGKILL')
})

interface Releases {
  readonly changes: number
  readonly terminations: number
  readonly reads: number
  readonly refused: number
  readonly zeros: number
}

for (const when of ['after', 'during']) {
  const what = when === 'after' ? 'nothing of a release is met after a grace period' : 'zeros and refusals are met'
  test.serial(
    `${what}, and never a foreign byte, while regions are released under readers that end at any moment`,
    async (t) => {
      const { code, signal, output, errors } = await run('stress/releases.mjs', '5', when)
      t.log(output.trim())
      t.is(errors, '')
      t.is(signal, null)
      t.is(code, 0)
      const { changes, terminations, reads, refused, zeros } = JSON.parse(output) as Releases
      for (const count of [changes, terminations, reads]) t.true(count > 0)
      if (when === 'after') t.deepEqual([refused, zeros], [0, 0])
    },
  )
}

test.serial('readers notice when a region is released too soon', async (t) => {
  const { code, errors } = await run('stress/releases.mjs', '30', 'too-soon')
  t.regex(errors, /has met 0x0|ERR_DISPOSED|was released/)
  t.is(code, 1)
})

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? test.serial : test.skip
if (!isLinux) test('skipped: memory recovers from faults on Linux only', (t) => t.pass())

onLinux('no loss is silent while files are truncated under threads that read, write, heal and end', async (t) => {
  const { code, signal, output, errors } = await run('stress/storm.mjs', '10')
  t.log(output.trim())
  t.is(errors, '')
  t.is(signal, null)
  t.is(code, 0)
  const counts = JSON.parse(output) as Record<string, number>
  for (const what of ['faults recovered', 'accesses by methods', 'accesses by views', 'heals', 'terminations']) {
    t.true((counts[what] ?? 0) > 0, what)
  }
})

const LOSSES: Record<string, RegExp> = {
  zeros: /has met 0x0$/m,
  foreign: /has (met )?0xdededede$/m,
  writes: /: the file has 0x57/,
  errors: /of which nothing was lost/,
  mappings: /left: \d+ mappings/,
}

for (const [sabotage, complaint] of Object.entries(LOSSES)) {
  onLinux(`the storm fails when something is wrong with: ${sabotage}`, async (t) => {
    t.timeout(120_000)
    // It ends with the first failure, but for what is counted at the end.
    const seconds = sabotage === 'mappings' ? 1 : 60
    const { code, errors } = await run('stress/storm.mjs', String(seconds), '--sabotage', sabotage)
    t.regex(errors, complaint)
    t.is(code, 1)
  })
}

onLinux('the storm ends the process where memory does not recover', async (t) => {
  const { signal } = await run('stress/storm.mjs', '60', '--sabotage', 'crash')
  t.is(signal, 'SIGBUS')
})
