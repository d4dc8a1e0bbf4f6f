// Runs the specs and the smoke suite on every runtime: `npm run test:matrix -- --help` tells the rest.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

import { withFacts } from './packages/facts.mjs'
import { start } from './packages/program.mjs'
import { runtimes } from './packages/runtimes.mjs'
import * as smoke from './packages/smoke.mjs'
import { Tally } from './packages/tally.mjs'
import { temporaryFolder } from './packages/temporary.mjs'
import { formatPage, writePage } from './page.mjs'
import { manifest, root } from './targets.mjs'
import { countTests, plain } from './test-output.mjs'

const ids = runtimes.map(({ id }) => id)
const HELP = `Usage: npm run test:matrix [-- options] [-- runtime …]

Runs the smoke suite, and on the newest releases of Node.js the specs too, on these runtimes or all of them:
${ids.join(', ')}. What the specs print is in target/matrix.

      --smoke  runs the smoke suite only
      --write  writes what it has found out to docs/runtimes.md; else it must be as it stands there
  -h, --help   this text`

const PAGE = path.join(root, 'docs', 'runtimes.md')
const LOGS = path.join(root, 'target', 'matrix')

/** The numbers at the end of what ava prints. */
function readSpecs(status, output) {
  const text = plain(output)
  const { passed: told, failed } = countTests(text)
  // Where tests have failed, ava does not tell how many have passed.
  const passed = told || text.match(/^ +✔ /gm)?.length || 0
  // Between lines like this are the failures; without one, something broke off.
  const failures = text.slice(Math.max(text.search(/^ {2}─$/m), 0))
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, output: failures.slice(-10_000) }
}

/** All but those of the checkout itself, its pages and its types, which no runtime changes. */
const SPECS = [
  '__test__/**/*.spec.ts',
  '!__test__/documentation/**',
  '!__test__/{build-if-needed,documentation,import-graph,platforms,types,upstream-tests}.spec.ts',
]

/** With the programs of the checkout, but another Node.js. */
function runSpecs(runtime, [program]) {
  // Some specs start it as a user who cannot look into the cache.
  const folder = temporaryFolder(runtime.id)
  chmodSync(folder, 0o755)
  const node = path.join(folder, 'node')
  copyFileSync(program, node)

  mkdirSync(LOGS, { recursive: true })
  const log = path.join(LOGS, `${runtime.id}.log`)
  const file = openSync(log, 'w')
  try {
    const { status } = spawnSync(node, [path.join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs'), ...SPECS], {
      cwd: root,
      stdio: ['ignore', file, file],
      env: { ...process.env, FORCE_COLOR: '0' },
    })
    return readSpecs(status, readFileSync(log, 'utf8'))
  } finally {
    closeSync(file)
  }
}

/** The package as npm would install it from this checkout, with the binary of the last build. */
function layOutProject() {
  const folder = temporaryFolder('matrix')
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const installed = path.join(folder, 'node_modules', manifest.name)
  const isPart = (file) => ['index.js', 'package.json', 'dist'].includes(file) || file.endsWith('.node')
  for (const file of readdirSync(root).filter(isPart)) {
    cpSync(path.join(root, file), path.join(installed, file), { recursive: true })
  }
  smoke.layOut(folder, 'smoke')
  return folder
}

async function tryOn(tally, runtime, project, withSpecs) {
  const command = await tally.check(`${runtime.title} is there`, () => runtime.command())
  if (command === undefined) return undefined
  const [program, ...args] = command
  const result = smoke.read(start(program, [...args, 'smoke/main.mjs'], { cwd: project }))
  const title = result.facts?.runtime ?? runtime.title
  tally.add(`${title}: the smoke suite`, result)
  if (runtime.specs && withSpecs) tally.add(`${title}: the specs`, runSpecs(runtime, command))
  return result.facts
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { smoke: { type: 'boolean' }, write: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  })
  if (values.help) return console.log(HELP)
  const odd = positionals.find((id) => !ids.includes(id))
  if (odd !== undefined) throw new Error(`there is no runtime ${odd}: there are ${ids.join(', ')}`)
  const wanted = runtimes.filter(({ id }) => positionals.length === 0 || positionals.includes(id))

  const tally = new Tally()
  const project = layOutProject()
  const found = []
  for (const runtime of wanted) {
    const facts = await tryOn(tally, runtime, project, !values.smoke)
    if (facts !== undefined) found.push({ title: runtime.title, facts })
  }
  // The page is of Linux on x64.
  const isWhole = found.length === runtimes.length && `${process.platform}-${process.arch}` === 'linux-x64'
  if (isWhole && tally.failed === 0) {
    const page = readFileSync(PAGE, 'utf8')
    const next = await formatPage(PAGE, withFacts(page, found))
    if (values.write) await writePage(PAGE, next)
    else {
      await tally.check('what the smoke suite has found out is as docs/runtimes.md says', () => {
        if (page !== next) throw new Error(`It is otherwise: npm run test:matrix -- --write\n${withFacts(page, found)}`)
      })
    }
  }
  tally.finish()
}

try {
  await main()
} catch (error) {
  console.error(`test:matrix: ${error.message}`)
  process.exitCode = 1
}
