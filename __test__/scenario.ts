// Programs of others, run as scenarios: what ava would be too impatient for.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

export interface Scenario<Setting> {
  readonly title: string
  /** Returns what is worth to be told. */
  run(setting: Setting): Promise<string>
}

/** Runs those whose titles have `wanted` in them, one after the other, and returns how many failed. */
export async function runScenarios<Setting>(
  scenarios: readonly Scenario<Setting>[],
  setting: Setting,
  wanted = '',
): Promise<number> {
  let passed = 0
  let failed = 0
  for (const { title, run } of scenarios.filter(({ title }) => title.includes(wanted))) {
    const begun = performance.now()
    try {
      const told = await run(setting)
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      console.log(`  ✔ ${title} (${seconds} s${told === '' ? '' : `; ${told}`})`)
      passed++
    } catch (error) {
      console.log(`  ✘ ${title}`)
      console.log(error)
      failed++
    }
  }
  console.log(`\n  ${passed} tests passed`)
  if (failed > 0) console.log(`  ${failed} tests failed`)
  return failed
}
