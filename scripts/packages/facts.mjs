// The tables of docs/runtimes.md, of what the smoke suite has found out.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { table } from '../page.mjs'

const UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
]

function bytes(length) {
  const [unit, size] = UNITS.find(([, size]) => length % size === 0) ?? ['bytes', 1]
  return `${(length / size).toLocaleString('en')} ${unit}`
}

const yesOrNo = (is) => (is ? 'yes' : 'no')

/** Rows: what each is called, the fact, and how it is told. */
const ROWS = [
  [
    'Longest `buffer`',
    'longestBuffer',
    ({ exactly, atLeast }) => (exactly ? bytes(exactly) : `${bytes(atLeast)} or more`),
  ],
  ['`sharedBuffer`', 'sharedBuffer', yesOrNo],
  ['`node:fs` takes descriptors of `memfdCreate`', 'foreignDescriptors', yesOrNo],
  ['The syntax `using`', 'using', yesOrNo],
  [
    '`buffer` can be transferred',
    'transferable',
    (how) => ({ memory: 'yes', copy: 'as a copy' })[how] ?? `no (\`${how}\`)`,
  ],
  ['Dropped memory is unmapped between turns of the event loop', 'collectedBetweenTurns', yesOrNo],
  ['… and in a loop that never yields', 'collectedInLoop', yesOrNo],
]

/** Ways to access memory that is lost: what each is called, and its name in `__test__/smoke/lossy.mjs`. */
const WAYS = [
  ['A method that was never called before', 'coldMethods'],
  ['A read by a method that was called often', 'warmMethods'],
  ['A write by a method that was called often', 'warmStores'],
  ['A copy by a method', 'copies'],
  ['A transfer by a method', 'transfers'],
  ['An asynchronous transfer by a method', 'asyncTransfers'],
  ['A loop over a view, compiled', 'loop'],
  ['A store through a view', 'store'],
  ['`indexOf`, `slice` and `fill` of a view', 'builtIns'],
  ['A `DataView`', 'dataView'],
  ['A `Buffer`', 'buffer'],
  ['`Atomics` on a view', 'atomics'],
  ['Native code that has a view (`node:crypto`)', 'natives'],
  ['`fs.readSync` into a view', 'readSync'],
  ['`fs.readvSync` into views', 'readvSync'],
  ['`fs.read` into a view, on the pool of threads', 'read'],
  ['All of this in a worker', 'workers'],
]

const OUTCOMES = { ERR_MEMORY_FAULT: 'throws', EFAULT: '`EFAULT`', 'as in the main thread': 'the same' }

const FAULTS = [
  ...WAYS.map(([title, way]) => [title, 'faults', (faults) => OUTCOMES[faults[way]] ?? faults[way]]),
  ['Without `recoverFaults`', 'faultsWithout', (signal) => (signal === null ? 'goes on' : `ends by \`${signal}\``)],
]

function fillIn(page, name, rows, found) {
  const [begin, end] = [`<!-- Written by scripts/test-matrix.mjs: ${name}. -->`, `<!-- The end of ${name}. -->`]
  const cells = rows.map(([title, fact, tell]) => [title, ...found.map(({ facts }) => tell(facts[fact]))])
  const text = table(['', ...found.map(({ title }) => title)], cells)
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`docs/runtimes.md has no place for the table: ${begin} … ${end}`)
  return `${before}${begin}\n\n${text}\n\n${end}${after}`
}

/** The page, with the tables of these runtimes in it. */
export function withFacts(page, found) {
  return fillIn(fillIn(page, 'facts', ROWS, found), 'faults', FAULTS, found)
}
