// What docs/from-rust.md says, and whether it says it of everything that there is.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { DeclaredNames } from './declared-names.js'
import type { RustItem } from './rust-items.js'

interface Row {
  /** The heading of the section: a module where it is in backticks. */
  readonly section: string
  /** By the head of the column. */
  readonly cells: Readonly<Record<string, string>>
}

/** All that is wrong with the page. */
export function complaints(page: string, items: readonly RustItem[], declared: DeclaredNames): string[] {
  const rows = rowsOf(page)
  return [
    ...aboutRust(rows, items),
    ...aboutTypeScript(rows, declared),
    ...aboutReasons(rows),
    ...aboutCodes(page, declared),
  ]
}

function rowsOf(page: string): Row[] {
  const rows: Row[] = []
  let section = ''
  let heads: string[] | undefined
  for (const line of page.split('\n')) {
    if (line.startsWith('#')) section = line.replace(/^#+ /, '')
    if (!line.startsWith('|')) {
      heads = undefined
      continue
    }
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim())
    if (heads === undefined) heads = cells
    else if (!/^-+$/.test(cells[0] ?? '')) {
      rows.push({ section, cells: Object.fromEntries(heads.map((head, index) => [head, cells[index] ?? ''])) })
    }
  }
  return rows
}

const codeIn = (cell: string | undefined): string[] =>
  [...(cell ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1]!)

/** `*` stands for anything. */
function pattern(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('*')
      .map((part) => part.replace(/[^\w ]/g, '\\$&'))
      .join('.*')}$`,
  )
}

function aboutRust(rows: readonly Row[], items: readonly RustItem[]): string[] {
  const found = new Set<RustItem>()
  const unknown = rows
    .filter(({ section }) => section.startsWith('`'))
    .flatMap(({ section, cells }) => {
      const module = section.replaceAll('`', '')
      const here = items.filter((item) => item.module === module)
      return codeIn(cells['Rust'])
        .filter((text) => {
          const named = here.filter(({ name }) => pattern(text).test(name))
          for (const item of named) found.add(item)
          return named.length === 0
        })
        .map((text) => `${module} has no ${text}`)
    })
  const missing = items.filter((item) => !found.has(item)).map(({ module, name }) => `${name} of ${module} is missing`)
  return [...unknown, ...missing]
}

function aboutTypeScript(rows: readonly Row[], declared: DeclaredNames): string[] {
  const all = declared.all()
  const found = new Set<string>()
  const unknown = rows
    .flatMap(({ cells }) => codeIn(cells['TypeScript']))
    .filter((text) => {
      const literal = /^'(.*)'$/.exec(text)?.[1]
      if (literal !== undefined) return !declared.hasLiteral(literal)
      const name = text.replace(/^new (\w+)$/, '$1.constructor')
      const named = name.includes('*') ? all.filter((each) => pattern(name).test(each)) : [declared.find(name)]
      for (const each of named) if (each !== undefined) found.add(each)
      return named.every((each) => each === undefined)
    })
  const missing = all.filter((name) => !found.has(name))
  return [...unknown.map((text) => `nothing declares ${text}`), ...missing.map((name) => `${name} is missing`)]
}

/** What has no counterpart has a reason. */
function aboutReasons(rows: readonly Row[]): string[] {
  return rows
    .filter(({ cells }) => cells['TypeScript'] === '' || (cells['TypeScript'] === '–' && cells['Difference'] === ''))
    .map(({ cells }) => `${cells['Rust']} has no counterpart and no reason`)
}

function aboutCodes(page: string, declared: DeclaredNames): string[] {
  return [...new Set(page.match(/\bERR_\w+/g))]
    .filter((code) => !declared.hasLiteral(code))
    .map((code) => `no error has the code ${code}`)
}
