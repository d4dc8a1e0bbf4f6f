// Runs real guests on examples/vhost-user-blk: `npm run test:qemu [part of a title]`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { makeBase } from './initramfs.js'
import { MissingError, preparePackages } from './packages.js'
import { scenarios } from './scenarios.js'

const [wanted = ''] = process.argv.slice(2)

/** How many failed. */
async function run(folder: string): Promise<number> {
  const packages = preparePackages()
  const base = path.join(folder, 'base')
  makeBase(packages, base)
  let passed = 0
  let failed = 0
  for (const { title, run } of scenarios.filter(({ title }) => title.includes(wanted))) {
    const begun = performance.now()
    try {
      const told = await run({ packages, folder, base })
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

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-qemu-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  process.exitCode = (await run(folder)) === 0 ? 0 : 1
} catch (error) {
  if (!(error instanceof MissingError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
