// Splits Rust source into words.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const LINE_COMMENT = String.raw`\/\/.*`
const RAW_TEXT = String.raw`[bc]?r(?<hashes>#*)"[^]*?"\k<hashes>`
const TEXT = String.raw`[bc]?"(?:\\[^]|[^"\\])*"`
/** Not a lifetime, which has no second quotation mark. */
const CHARACTER = String.raw`b?'(?:\\(?:u\{\w+\}|x\w\w|.)|[^'\\\n])'`
const WORD = String.raw`(?<word>(?:\$|r#)?[\p{L}_][\p{L}\p{N}_]*|::|[^\s])`

const NEXT = String.raw`(?<comment>\/\*)|${LINE_COMMENT}|${RAW_TEXT}|${TEXT}|${CHARACTER}|${WORD}`

/**
 * Splits Rust source into names, `::` and single characters, and leaves out comments, texts and characters.
 * @returns {string[]}
 */
export function wordsOf(text) {
  const next = new RegExp(NEXT, 'gu')
  const words = []
  for (let found = next.exec(text); found !== null; found = next.exec(text)) {
    const { comment, word } = found.groups
    if (word !== undefined) words.push(word)
    if (comment !== undefined) next.lastIndex = endOfComment(text, next.lastIndex)
  }
  return words
}

/** Finds where a block comment ends, in which there may be others. */
function endOfComment(text, start) {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start
  for (let depth = 1; depth > 0;) {
    const found = edge.exec(text)
    if (found === null) return text.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return edge.lastIndex
}
