// The links of Markdown pages.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Follows the links and pictures of a page that stay in its package.
 * @param {string} folder of the package
 * @param {string} page below it
 * @returns {string[]} those that lead to no file, or to no heading
 */
export function deadLinks(folder, page) {
  const text = withoutCode(readFileSync(path.join(folder, page), 'utf8'))
  const links = [...text.matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(({ groups }) => groups.target)
  return links.filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(folder, page, link))
}

function leadsSomewhere(folder, page, link) {
  const [file, heading] = link.split('#')
  const target = file === '' ? page : path.join(path.dirname(page), file)
  if (target.startsWith('..') || !existsSync(path.join(folder, target))) return false
  return heading === undefined || headingsOf(readFileSync(path.join(folder, target), 'utf8')).includes(heading)
}

/** Names the headings of a page as links do. */
const headingsOf = (text) =>
  [...withoutCode(text).matchAll(/^#+ (?<title>.*)$/gm)].map(({ groups }) =>
    groups.title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )

const withoutCode = (text) => text.replaceAll(/^```[^]*?^```$/gm, '')
