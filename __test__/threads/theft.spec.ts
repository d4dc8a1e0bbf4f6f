// Bytes that somebody takes away from their buffer and posts to another thread: they stay when their own thread ends.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { MARK, freshName } from '../named-memory.js'
import { run } from './script.js'

/** See theft.mjs. */
interface Theft {
  bytes: string
  thief: string
  route: string
  ending: string
}

const USUAL: Theft = {
  bytes: 'region',
  thief: 'a reader of byte streams',
  route: 'to the main thread',
  ending: 'is terminated',
}

/** The usual theft, but for one thing. */
const vary = (what: keyof Theft, values: string[]): Theft[] => values.map((value) => ({ ...USUAL, [what]: value }))

const THEFTS: Theft[] = [
  ...vary('bytes', ['region', 'view', 'mapping', 'window', 'generation']),
  ...vary('thief', ['two readers, one after the other', 'a reader, and a collection of the first buffer']),
  ...vary('route', ['in a message that nobody has received yet', 'to a third thread']),
  ...vary('ending', ['returns', 'exits', 'collects and returns', 'collects and exits']),
]
if ('transfer' in ArrayBuffer.prototype) {
  THEFTS.push(...vary('thief', ['ArrayBuffer.prototype.transfer', 'transfer and structuredClone']))
}

for (const theft of THEFTS) {
  const { bytes, thief, route, ending } = theft
  test.serial(`${bytes}: what ${thief} took and posted ${route} outlives a thread that ${ending}`, async (t) => {
    const { code, output, errors } = await run('theft.mjs', JSON.stringify({ ...theft, name: freshName() }))
    t.is(code, 0, errors)
    t.deepEqual(
      JSON.parse(output),
      bytes === 'generation' ? { byte: 3, mappings: 0, others: 0 } : { byte: MARK, mappings: 1, others: 0 },
    )
  })
}

test.serial('what was collected, and not stolen, goes with its thread', async (t) => {
  const theft = { ...USUAL, thief: 'nobody, but its buffer is collected', route: 'nowhere', name: freshName() }
  const { code, output, errors } = await run('theft.mjs', JSON.stringify(theft))
  t.is(code, 0, errors)
  t.deepEqual(JSON.parse(output), { byte: null, mappings: 0, others: 0 })
})
