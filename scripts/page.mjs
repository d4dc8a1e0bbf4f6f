// Pages of docs/ that scripts write.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { format, resolveConfig } from 'prettier'

/** @param {readonly string[]} heads @param {readonly (readonly string[])[]} rows */
export const table = (heads, rows) =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

export async function formatPage(file, text) {
  return format(text, { ...(await resolveConfig(file)), parser: 'markdown' })
}

export async function writePage(file, text) {
  writeFileSync(file, await formatPage(file, text))
}

/** Sees to it that a page is what would be written now. */
async function checkPage(file, text, command) {
  if (existsSync(file) && readFileSync(file, 'utf8') === (await formatPage(file, text))) return
  throw new Error(`docs/${path.basename(file)} is out of date: run \`${command}\``)
}

/**
 * The program of a page: writes it, or checks it, or tells how.
 * @param {{ help: string, page: string, render: () => string, command: string }} program `command` is what users run
 */
export async function runPage({ help, page, render, command }) {
  try {
    const { values } = parseArgs({ options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
    if (values.help) console.log(help)
    else if (values.check) await checkPage(page, render(), command)
    else await writePage(page, render())
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
