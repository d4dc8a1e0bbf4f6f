// The table of docs/runtimes.md, of what the smoke suite has found out.
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

const [BEGIN, END] = ['<!-- Written by scripts/test-matrix.mjs. -->', '<!-- The end of what is written. -->']

/** The page, with the table of these runtimes in it. */
export function withFacts(page, found) {
  const rows = ROWS.map(([name, fact, tell]) => [name, ...found.map(({ facts }) => tell(facts[fact]))])
  const text = table(['', ...found.map(({ title }) => title)], rows)
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error(`docs/runtimes.md has no place for the table: ${BEGIN} … ${END}`)
  return `${before}${BEGIN}\n\n${text}\n\n${END}${after}`
}
