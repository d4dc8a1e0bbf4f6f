// What the smoke suite is made of. It runs where ava does not: on other runtimes, under an emulator, in an empty folder.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const checks = []
const facts = []

/** Something that must be so everywhere. */
export function check(title, run) {
  checks.push({ title, run })
}

/** Something that runtimes differ in: `find` returns how it is here. */
export function fact(name, find) {
  facts.push({ name, find })
}

/** Runs everything that was declared, and prints a line for each, the facts as JSON, and the numbers. */
export async function runAll(runtime) {
  let passed = 0
  let failed = 0
  const attempt = async (title, run) => {
    try {
      const result = await run()
      console.log(`✔ ${title}`)
      passed += 1
      return result
    } catch (error) {
      console.log(`✘ ${title}`)
      console.log(error)
      failed += 1
      return null
    }
  }
  for (const { title, run } of checks) await attempt(title, run)
  const found = { runtime }
  for (const { name, find } of facts) found[name] = await attempt(`finds out: ${name}`, find)
  console.log(`facts ${JSON.stringify(found)}`)
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}
