// Runs the examples of the README and of docs/ as a project that depends on the package would: each block marked `ts`,
// and nothing else, is a module of its own. What it prints must be in comments behind the `console.log`s that print it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { format } from 'node:util'
import test from 'ava'

import { upstreamExamples } from '../scripts/upstream-examples.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const EXAMPLES = 'docs/examples'

interface Example {
  /** As Markdown. */
  readonly heading: string
  /** Of the page, where the code begins; the first one is 0. */
  readonly line: number
  readonly code: string
}

interface Page {
  readonly name: string
  readonly text: string
  readonly examples: readonly Example[]
}

function readPage(name: string): Page {
  const text = fs.readFileSync(path.join(root, name), 'utf8')
  const examples: Example[] = []
  let heading = name
  let block: { language: string; line: number } | undefined
  const lines = text.split('\n')
  lines.forEach((line, number) => {
    // In lists they are indented.
    const fence = /^( *)```(.*)$/.exec(line)
    if (fence !== null) {
      const [, indent = '', language = ''] = fence
      if (block?.language === 'ts') {
        const code = lines.slice(block.line, number).map((each) => each.slice(indent.length))
        examples.push({ heading, line: block.line, code: code.join('\n') })
      }
      block = block === undefined ? { language, line: number + 1 } : undefined
    } else if (block === undefined) {
      heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading
    }
  })
  return { name, text, examples }
}

const pages = fs
  .readdirSync(path.join(root, 'docs'), { encoding: 'utf8', recursive: true })
  .map((file) => path.posix.join('docs', ...file.split(path.sep)))
  .concat('README.md')
  .filter((file) => file.endsWith('.md') && fs.existsSync(path.join(root, file)))
  .toSorted()
  .map(readPage)

/** A project with each example in it, at the line that it has in its page. */
const project = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-examples-'))
test.after.always(() => fs.rmSync(project, { recursive: true }))
fs.writeFileSync(path.join(project, 'package.json'), JSON.stringify({ type: 'module' }))
fs.mkdirSync(path.join(project, 'node_modules'))
fs.symlinkSync(root, path.join(project, 'node_modules', 'vm-memory'))
fs.symlinkSync(path.join(root, 'node_modules', '@types'), path.join(project, 'node_modules', '@types'))

for (const page of pages) {
  fs.mkdirSync(path.join(project, page.name), { recursive: true })
  const titles = new Map<string, number>()
  for (const example of page.examples) {
    const module = path.join(project, page.name, `${example.line}.ts`)
    fs.writeFileSync(module, '\n'.repeat(example.line) + example.code)

    const title = `${page.name}: ${example.heading.replaceAll('`', '')}`
    const count = (titles.get(title) ?? 0) + 1
    titles.set(title, count)
    test.serial(count === 1 ? title : `${title} (${count})`, async (t) => {
      const printed = await linesPrinted(() => import(pathToFileURL(module).href))
      const promised = [...example.code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map((match) => match[1])
      t.deepEqual(printed, promised)
    })
  }
}

async function linesPrinted(run: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = []
  const { log } = console
  console.log = (...values: unknown[]) => lines.push(format(...values))
  try {
    await run()
  } finally {
    console.log = log
  }
  return lines
}

test.serial('all examples have right types', (t) => {
  fs.writeFileSync(
    path.join(project, 'tsconfig.json'),
    JSON.stringify({ extends: path.join(root, 'tsconfig.json'), include: ['.'], exclude: [] }),
  )
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', project, '--pretty', 'false'], {
    cwd: project,
    encoding: 'utf8',
  })
  t.is(stdout, '')
  t.is(status, 0)
})

/** The page for a module of upstream. */
function pageOf(module: string): string {
  return `${EXAMPLES}/${module.split('::', 1)[0]!.replaceAll('_', '-')}.md`
}

/** The items of upstream that a page has an example for; its other examples have headings of words. */
function itemsOf(page: Page): string[] {
  return page.examples.flatMap(({ heading }) => /^`(.*)`$/.exec(heading)?.[1] ?? [])
}

test('every example in the documentation of upstream is there, under the name of its item', (t) => {
  const expected: Record<string, string[]> = {}
  for (const { module, item } of upstreamExamples()) {
    ;(expected[pageOf(module)] ??= []).push(item)
  }
  const actual = pages.filter((page) => page.name.startsWith(EXAMPLES) && itemsOf(page).length > 0)
  t.deepEqual(Object.fromEntries(actual.map((page) => [page.name, itemsOf(page)])), expected)
})

test('the index of the examples names every page, with the right numbers', (t) => {
  const [index, ...others] = pages.filter(({ name }) => name.startsWith(EXAMPLES))
  const rows = [...index!.text.matchAll(/^\| \[(.*)\]\(\1\) *\| `.*` *\| *(\d+) \| *(\d+) \|$/gm)]
  t.deepEqual(
    rows.map(([, page, examples, fromUpstream]) => [`${EXAMPLES}/${page}`, Number(examples), Number(fromUpstream)]),
    others.map((page) => [page.name, page.examples.length, itemsOf(page).length]),
  )
  t.true(index!.text.includes(`All ${upstreamExamples().length} examples`))
})
