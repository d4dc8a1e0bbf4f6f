// What a binary for Linux needs of its system, and what it tells of its making.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { run } from './program.mjs'
import { newestOf } from './version-order.mjs'

const WHAT = ['--file-header', '--dynamic', '--section-headers', '--program-headers', '--version-info']

/** @param {string} file */
export function describeElf(file) {
  const text = run('readelf', ['--wide', ...WHAT, file], {
    env: { ...process.env, LC_ALL: 'C' },
    hint: 'on Debian, install binutils',
  })
  const all = (pattern) => [...text.matchAll(pattern)].map((match) => match[1])
  return {
    machine: all(/^ +Machine: +(.*)$/gm)[0],
    /** The version of glibc that has all its symbols; undefined without any. */
    glibc: newestOf(all(/\bGLIBC_(\d[\d.]*)/g)),
    libraries: all(/\(NEEDED\).*\[(.*)\]/g),
    /** Sections of symbols and debugging. */
    leftovers: all(/^ +\[ *\d+\] (\.symtab|\.debug\S*|\.zdebug\S*) /gm),
    /** The largest pages that it can be loaded with. */
    pageSize: Math.min(...all(/^ +LOAD .* (0x[0-9a-f]+)$/gm).map(Number)),
  }
}
