// What becomes of an access to memory that the host has lost: it goes on or throws where memory recovers, and is the end elsewhere.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { check, fact } from './checks.mjs'

const start = (...args) => spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })

/** Under an emulator, a program of the emulated machine cannot start another one. */
const canLose = process.platform === 'linux' && start('--version').error === undefined

function run(what) {
  const program = fileURLToPath(new URL('./lossy.mjs', import.meta.url))
  return process.versions.deno ? start('run', '--allow-all', program, what) : start(program, what)
}

let outcomes
function findOutcomes() {
  if (outcomes !== undefined) return outcomes
  const { stdout, stderr, signal, error } = run('all')
  assert.ok(stdout?.startsWith('{'), `${stdout}${stderr}${signal}${error}`)
  outcomes = JSON.parse(stdout)
  return outcomes
}

let end
function findEnd() {
  end ??= run('one').signal
  return end
}

const METHODS = ['coldMethods', 'warmMethods', 'warmStores', 'copies', 'transfers', 'asyncTransfers']
const VIEWS = ['loop', 'store', 'builtIns', 'dataView', 'buffer', 'atomics', 'natives']

check('memory that recovers survives the loss of its file in every way', () => {
  if (!canLose) return
  const { workers, ...each } = findOutcomes()
  for (const way of METHODS) assert.equal(each[way], 'ERR_MEMORY_FAULT', way)
  for (const way of VIEWS) assert.equal(each[way], 'goes on', way)
  for (const way of ['readSync', 'readvSync', 'read']) assert.match(each[way], /^(EFAULT|goes on)$/, way)
  assert.equal(workers, 'as in the main thread')
})

check('memory that does not recover ends the process', () => {
  if (canLose) assert.equal(findEnd(), 'SIGBUS')
})

fact('faults', () => (canLose ? findOutcomes() : null))
fact('faultsWithout', () => (canLose ? findEnd() : null))
