// Random programs with and without the fast paths, fewer than `npm run test:modes` has, and that what it is there to find is
// found and made small.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import test from 'ava'
import { GuestMemoryMmap } from '../index.js'
import { isSame, Pair } from './modes/comparison.js'
import { declaredMembers, mention } from './modes/declared-members.js'
import { generate } from './modes/generator/index.js'
import { knownFaults } from './modes/known.js'
import type { Step } from './modes/program.js'
import { type Finding, Search, type SearchOptions } from './modes/search.js'
import { shrunk } from './modes/shrink.js'

const SEED = 13

const known = await knownFaults()

function search(options: Partial<SearchOptions>): Search {
  const all = { seed: SEED, time: 90_000, programs: 100_000, first: 0, differences: 1, shrinking: 30_000, known }
  return new Search({ ...all, ...options })
}

/** What the failure of a test shows. */
const shown = ({ programs, difference, met }: Finding): unknown => ({ programs, answers: difference ?? met })

/** What kernels before Linux 6.7 cannot do. */
const TRACKING = ['harvest', 'dispose', '[Symbol.dispose]']
  .map((name) => `WriteTracker.${name}`)
  .concat('GuestMemoryMmap.trackWrites', 'GuestMemoryLoadGuard.trackWrites')

function canTrackWrites(): boolean {
  try {
    GuestMemoryMmap.fromRanges([[0, 1]])
      .trackWrites()
      .dispose()
    return true
  } catch {
    return false
  }
}

/** What the kernel says of pages, or a collection of guards: it need not say the same to two processes. */
const CHANCE = ['residentSize', 'dataRanges', 'lockPages', 'unlockPages']
  .flatMap((name) => [`MmapRegion.${name}`, `GuestRegionMmap.${name}`])
  .concat(
    ['dataRanges', 'changedRanges'].flatMap((name) => [`GuestMemoryMmap.${name}`, `GuestMemoryLoadGuard.${name}`]),
  )
  .concat('GuestMemoryAtomic.synchronize')

/** What other threads do, with files and pages, in their own time. */
const JOBS = ['prefault', 'flush']
  .flatMap((name) => [`MmapRegion.${name}`, `GuestRegionMmap.${name}`])
  .concat(
    ['prefault', 'save', 'saveRanges'].flatMap((name) => [`GuestMemoryMmap.${name}`, `GuestMemoryLoadGuard.${name}`]),
  )
  .concat('GuestMemoryMmap.fromSnapshot')

/** What tells functions, which have specs of their own. */
const LISTENERS = ['onMemoryFault', 'GuestMemoryAtomic.onChange']

/** What would take memory from under raw mappings, which programs make on regions. */
const ENDING = ['MmapRegion.release', 'GuestRegionMmap.release']

/** What not every Node.js has, so that there may be no answer, and what cannot be compared. */
const NOT_ASKED = [
  'MmapRegion.sharedBuffer',
  'GuestRegionMmap.sharedBuffer',
  ...CHANCE,
  ...JOBS,
  ...LISTENERS,
  ...ENDING,
].concat(canTrackWrites() ? [] : TRACKING)

test.serial('programs get the same answers with and without the fast paths', async (t) => {
  t.timeout(240_000)
  const run = search({ programs: 60 })
  const findings = await run.run()
  for (const { what } of known) t.log(`left out, since it is known: ${what}`)
  t.log(`${run.progress.programs} programs, ${run.progress.steps} steps`)
  t.deepEqual(findings.map(shown), [])
})

test.serial('all members of the package answer some program, the same with and without the fast paths', async (t) => {
  t.timeout(240_000)
  const pair = new Pair({ coverage: true })
  t.teardown(() => pair.end())
  const silent = new Map(declaredMembers().map((name) => [name, mention(name)]))
  for (const name of NOT_ASKED) silent.delete(name)
  for (let program = 0; program < 3000 && silent.size > 0; program += 1) {
    const steps = generate(SEED + 1, program, false).filter((step) => !known.some(({ trigger }) => trigger.test(step)))
    if (!steps.some((step) => Array.from(silent.values()).some((mention) => mention.test(step)))) continue
    t.deepEqual([await pair.firstDifference([steps]), program], [null, program])
    for (const name of pair.covered) silent.delete(name)
  }
  t.deepEqual([...silent.keys()], [], 'no program has got an answer from these')
})

// What must be noticed is done on purpose, by one of the two processes.
const SABOTAGES = {
  memory: { culprit: /writeU16/, answer: /Uint8Array|DataView/, most: 8 },
  // Told by the words of a bitmap, one by one or as the bytes of their array, or by one page.
  dirt: { culprit: /writeU32/, answer: /0n|0{16}|false/, most: 8 },
  error: { culprit: /readSlice/, answer: /ERR_PARTIAL_BUFFER/, most: 8 },
  death: { culprit: /splitAt/, answer: /SIGKILL/, most: 8 },
  // Each try takes as long as one is patient, so that not all steps are tried.
  hang: { culprit: /\.offset\(/, answer: /no answer/, most: 80 },
}

for (const [sabotage, { culprit, answer, most }] of Object.entries(SABOTAGES)) {
  test.serial(`a difference is found and made small: ${sabotage}`, async (t) => {
    t.timeout(240_000)
    const run = search({ sabotage, ...(sabotage === 'hang' && { patience: 2000, shrinking: 12_000 }) })
    const [finding] = await run.run()
    if (finding === undefined) return t.fail('nothing is found')
    const [steps = [], ...more] = finding.programs
    t.log(steps.join('\n'))
    t.is(more.length, 0)
    t.regex(steps.join('\n'), culprit)
    t.true(steps.length <= most, `${steps.length} steps`)
    t.regex(`${finding.difference?.fast} ${finding.difference?.native}`, answer)
  })
}

test.serial('harm that lasts is traced to the program that did it', async (t) => {
  t.timeout(240_000)
  const [finding] = await search({ sabotage: 'lasting' }).run()
  if (finding === undefined) return t.fail('nothing is found')
  t.log(finding.programs.map((steps) => steps.join('\n')).join('\n\n'))
  t.regex(finding.programs.flat().join('\n'), /slice\d+\.readU8/)
  t.not(finding.difference, null)
})

test('a seed and a number make the same program', (t) => {
  t.deepEqual(generate(7, 3, true), generate(7, 3, true))
  t.notDeepEqual(generate(7, 3, true), generate(7, 4, true))
  t.notDeepEqual(generate(7, 3, true), generate(8, 3, true))
})

test('the hot form of a program is the program, with uses between its steps', (t) => {
  for (let program = 0; program < 20; program += 1) {
    const hot = generate(SEED, program, true)
    const rest = generate(SEED, program, false)
    for (const step of hot) if (step === rest[0]) rest.shift()
    t.deepEqual(rest, [])
  }
})

test('only steps that are needed are left of a program', async (t) => {
  const steps: Step[] = Array.from({ length: 40 }, (_, index) => `step ${index}`)
  const needed = ['step 3', 'step 17', 'step 18', 'step 39']
  const holds = async (rest: readonly Step[]) => needed.every((step) => rest.includes(step))
  t.deepEqual(await shrunk(steps, holds, Date.now() + 10_000), needed)
  t.deepEqual(await shrunk(steps, async () => true, Date.now() + 10_000), [])
  t.deepEqual(await shrunk(steps, holds, 0), steps)
})

test('addresses of the host are the same when they may be the same place', (t) => {
  t.true(isSame('[1, 2n]', '[1, 2n]'))
  t.false(isSame('[1, 2n]', '[1, 3n]'))
  t.true(isSame('at <139n|@1+4096|@2+0> ok', 'at <777n|@1+8192|@2+0> ok'))
  t.false(isSame('at <139n|@1+4096|@2+8> ok', 'at <777n|@1+8192|@2+0> ok'))
  t.false(isSame('at <139n|@2+0> ok', 'at <139n|@2+0> no'))
  t.false(isSame('at <139n|@2+0>', 'at 139n'))
})
