// The site that `npm run docs` writes: that each link in it leads somewhere, and that a browser shows it without scrolling aside.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../..', import.meta.url))
const site = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-site-'))
test.after.always(() => fs.rmSync(site, { recursive: true }))

test.before('the site is written', (t) => {
  t.timeout(240_000)
  const typedoc = path.join(root, 'node_modules', 'typedoc', 'bin', 'typedoc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [typedoc, '--out', site], {
    cwd: root,
    encoding: 'utf8',
  })
  t.is(status, 0, stdout + stderr)
})

const pages = (): string[] =>
  fs.readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))

const read = (file: string): string => fs.readFileSync(path.join(site, file), 'utf8')

/** Where a page leads to within the site, as it is written there. */
function linksOf(html: string): string[] {
  return [...html.matchAll(/<(?:a|link|script|img)\b[^>]*?\s(?:href|src)="([^"]*)"/g)]
    .map(([, link = '']) => link.replaceAll('&amp;', '&'))
    .filter((link) => !/^(?:[a-z]+:|\/\/)/.test(link))
}

/** What is wrong with a link; nothing if it leads somewhere. */
function complaint(page: string, link: string, idsOf: (file: string) => Set<string>): string | undefined {
  const [target = '', hash = ''] = link.split('#', 2)
  const file =
    target === '' ? page : path.posix.join(path.posix.dirname(page), decodeURIComponent(target.split('?')[0] ?? ''))
  if (!fs.existsSync(path.join(site, file))) return `${page}: there is no ${file}`
  if (hash !== '' && file.endsWith('.html') && !idsOf(file).has(decodeURIComponent(hash))) {
    return `${page}: ${file} has no #${hash}`
  }
  return undefined
}

function brokenLinks(): string[] {
  const known = new Map<string, Set<string>>()
  const idsOf = (file: string): Set<string> => {
    const ids = known.get(file) ?? new Set([...read(file).matchAll(/\bid="([^"]*)"/g)].map(([, id = '']) => id))
    known.set(file, ids)
    return ids
  }
  return pages().flatMap((page) => linksOf(read(page)).flatMap((link) => complaint(page, link, idsOf) ?? []))
}

test.serial('every link of the site leads somewhere', (t) => {
  t.true(pages().length > 40)
  t.deepEqual([...new Set(brokenLinks())], [])
})

test.serial('a link that leads nowhere is noticed', (t) => {
  const text = read('index.html')
  fs.writeFileSync(
    path.join(site, 'index.html'),
    `${text}<a href="nowhere.html">x</a><a href="index.html#nothing">x</a>`,
  )
  t.deepEqual(brokenLinks(), ['index.html: there is no nowhere.html', 'index.html: index.html has no #nothing'])
  fs.writeFileSync(path.join(site, 'index.html'), text)
})

test.serial('members are grouped, and guides have titles', (t) => {
  const map = read('classes/vm-memory.GuestMemoryMmap.html')
  for (const heading of ['Looking up', 'By copy', 'Zero-copy', 'Files', 'Sharing', 'Changing the map', 'Host memory']) {
    t.true(map.includes(`>${heading}<`), heading)
  }
  for (const page of pages().filter((each) => each.startsWith('classes/'))) {
    t.false(read(page).includes('>Other<'), `scripts/site/categories.mjs leaves out a member of ${page}`)
  }
  const navigation = pages().filter((page) => page.startsWith('documents'))
  const titles = new Set(navigation.map((page) => /<title>(.*?) \|/.exec(read(page))?.[1]))
  for (const title of ['Recipes', 'Threads', 'Errors', 'From Rust']) t.true(titles.has(title), title)
})

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((file) => fs.existsSync(file))

/** How far pages reach beyond frames of these widths, in pixels. */
function overflow(files: readonly string[], widths: readonly number[]): Record<string, number> {
  const frames = files.flatMap((file) => widths.map((width) => ({ file, width })))
  const script = `
    const frames = ${JSON.stringify(frames)}
    const measure = ({ file, width }) => new Promise((resolve) => {
      const frame = document.createElement('iframe')
      frame.width = width
      frame.height = 900
      frame.onload = () => {
        const { scrollWidth } = frame.contentDocument.documentElement
        resolve([file + ' at ' + width, scrollWidth - width])
      }
      frame.src = file
      document.body.append(frame)
    })
    Promise.all(frames.map(measure)).then((found) => {
      document.body.innerHTML = ''
      document.body.append(JSON.stringify(Object.fromEntries(found.filter(([, over]) => over > 0))))
    })`
  const wrapper = path.join(site, 'frames.html')
  fs.writeFileSync(wrapper, `<!doctype html><style>iframe { border: 0 }</style><body><script>${script}</script></body>`)
  const options = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--allow-file-access-from-files',
    '--virtual-time-budget=60000',
  ]
  const profile = path.join(site, 'profile')
  const args = [...options, `--user-data-dir=${profile}`, '--dump-dom', pathToFileURL(wrapper).href]
  const { stdout, stderr } = spawnSync(CHROMIUM as string, args, { encoding: 'utf8', timeout: 120_000 })
  fs.rmSync(wrapper)
  const [, found] = /<body>(\{.*?\})<\/body>/s.exec(stdout) ?? []
  if (found === undefined)
    throw new Error(`no answer of the browser: ${stdout.slice(0, 2000)} ${stderr.slice(0, 2000)}`)
  return JSON.parse(found)
}

if (CHROMIUM === undefined) {
  test.serial('there is no Chromium here, so no browser looks at the site', (t) => {
    t.log('looked for the Debian package chromium')
    t.pass()
  })
} else {
  test.serial('no page scrolls aside, on a telephone and on a desk', (t) => {
    t.timeout(240_000)
    const looked = pages().filter((page) => /^(?:index|modules\/|documents\/|classes\/)/.test(page))
    t.deepEqual(overflow(looked, [390, 1280]), {})
  })
}
