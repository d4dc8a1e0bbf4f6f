// That `npm start` and `npm test` build what is older than its sources, and nothing else.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const scripts = fileURLToPath(new URL('../scripts', import.meta.url))
const ADDON = `vm-memory.${process.platform}-${process.arch}.node`

const MAKE_ADDON = `node make.mjs addon ${ADDON} index.d.ts`
const MAKE_LIB = 'node make.mjs lib dist/index.js'

/** Writes down that it was called, and makes files, but for the last ones where it is told to fail. */
const MAKE = `import fs from 'node:fs'
const [what, ...files] = process.argv.slice(2)
fs.appendFileSync('made', what + ' ')
fs.mkdirSync('dist', { recursive: true })
for (const file of files) fs.writeFileSync(file, '')
if (fs.existsSync('fail')) throw new Error('no such luck')`

/** A project that builds without a compiler. */
class Project {
  readonly #root: string

  constructor(t: ExecutionContext) {
    this.#root = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-build-'))
    t.teardown(() => fs.rmSync(this.#root, { recursive: true }))
    fs.cpSync(scripts, path.join(this.#root, 'scripts'), { recursive: true })
    const manifest = { scripts: { 'build:native': MAKE_ADDON, 'build:lib': MAKE_LIB } }
    this.write('package.json', JSON.stringify(manifest))
    this.write('make.mjs', MAKE)
    for (const file of ['Cargo.toml', 'Cargo.lock', 'package-lock.json', 'tsconfig.json']) this.write(file)
    for (const file of ['src/lib.rs', 'src/node/error.rs', 'header.d.ts', 'fuzz/run.sh']) this.write(`crate/${file}`)
    for (const file of ['index.ts', 'fast/index.ts', 'fast/old.ts']) this.write(`lib/${file}`)
  }

  write(file: string, text = ''): void {
    fs.mkdirSync(path.dirname(path.join(this.#root, file)), { recursive: true })
    fs.writeFileSync(path.join(this.#root, file), text)
  }

  remove(file: string): void {
    fs.rmSync(path.join(this.#root, file))
  }

  /** Runs the script. Returns what was built, in order, and what was printed. */
  build(): { made: string; status: number | null; output: string } {
    this.write('made')
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build-if-needed.mjs'], {
      cwd: this.#root,
      encoding: 'utf8',
    })
    return { made: fs.readFileSync(path.join(this.#root, 'made'), 'utf8'), status, output: stdout + stderr }
  }
}

const NOTHING = { made: '', status: 0, output: '' }

test('what is not there is built, once', (t) => {
  const project = new Project(t)
  const { made, status, output } = project.build()
  t.deepEqual([made, status], ['addon lib ', 0])
  t.regex(output, /^Building the addon, .*\nBuilding lib\/ …\n$/)
  t.deepEqual(project.build(), NOTHING)
})

const CHANGES: readonly [what: string, change: (project: Project) => void, made: string][] = [
  ['a source of the crate', (project) => project.write('crate/src/node/error.rs'), 'addon '],
  ['the header of the declarations', (project) => project.write('crate/header.d.ts'), 'addon '],
  ['what the crate depends on', (project) => project.write('Cargo.lock'), 'addon '],
  ['a source of lib/', (project) => project.write('lib/fast/index.ts'), 'lib '],
  ['a source that is gone', (project) => project.remove('lib/fast/old.ts'), 'lib '],
  ['a source that is new', (project) => project.write('crate/src/new.rs'), 'addon '],
  ['an addon that is gone', (project) => project.remove(ADDON), 'addon '],
  ['declarations that are gone', (project) => project.remove('index.d.ts'), 'addon '],
  ['a lib/ that is gone', (project) => project.remove('dist/index.js'), 'lib '],
  ['the fuzzer', (project) => project.write('crate/fuzz/run.sh'), ''],
  ['a test', (project) => project.write('__test__/new.spec.ts'), ''],
]
test('what has changed is built again, once', (t) => {
  const project = new Project(t)
  project.build()
  for (const [what, change, made] of CHANGES) {
    change(project)
    t.is(project.build().made, made, what)
    t.deepEqual(project.build(), NOTHING, what)
  }
})

test('a build that failed says why, and is done again, whatever it has made', (t) => {
  const project = new Project(t)
  project.build()
  project.write('lib/index.ts')
  project.write('fail')
  for (let tries = 0; tries < 2; tries += 1) {
    const { made, status, output } = project.build()
    t.deepEqual([made, status], ['lib ', 1])
    t.regex(output, /no such luck/)
  }
  project.remove('fail')
  t.is(project.build().made, 'lib ')
  t.deepEqual(project.build(), NOTHING)
})
