// Pages of docs/ that scripts write.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { writeFileSync } from 'node:fs'
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
