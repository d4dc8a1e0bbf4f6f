// Programs that do everything wrong, each in a process of its own: it must live, and find nothing to complain about.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const directory = fileURLToPath(new URL('hostile/', import.meta.url))

interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  errors: string
}

async function run(args: string[]): Promise<Ending> {
  const child = spawn(process.execPath, ['--expose-gc', ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    // One that hangs is ended by a signal, which is a failure too.
    timeout: 300_000,
    killSignal: 'SIGKILL',
  })
  const exit = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const [output, errors, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  return { code, signal, output, errors }
}

const SCRIPTS = {
  'every member works when it is called rightly': 'right-calls.mjs',
  'wrong arguments in every position are refused with documented errors': 'arguments.mjs',
  'methods and getters refuse a foreign this': 'receivers.mjs',
  'classes refuse to be called and made as they are not meant to be': 'constructors.mjs',
  'copies within guest memory are overlap-safe, across regions too': 'overlap.mjs',
  'callbacks and getters may change what a call works on': 'reentry.mjs',
  'memory without the right to read or write is not touched': 'protection.mjs',
  'absurd sizes and orderings are refused': 'sizes.mjs',
  'threads may end at any moment': 'workers.mjs',
  'polluted prototypes break nothing but the calls that run into them': 'pollution.mjs',
  'recursion ends in a RangeError': 'recursion.mjs',
}

for (const [title, script] of Object.entries(SCRIPTS)) {
  test.serial(title, async (t) => {
    t.timeout(360_000)
    const { code, signal, output, errors } = await run([script])
    if (output !== '') t.log(output.trim())
    t.is(signal, null, errors)
    t.is(code, 0, errors)
  })
}

test.serial('a script that dies or complains is noticed', async (t) => {
  t.is((await run(['-e', 'process.abort()'])).signal, 'SIGABRT')
  const complaining = `import { complain } from './verdict.mjs'; complain('here', 'something is wrong')`
  const { code, errors } = await run(['--input-type=module', '-e', complaining])
  t.is(code, 1)
  t.regex(errors, /here: something is wrong\n1 different complaints/)
})
