// What TypeDoc is told beside typedoc.json: guides have the titles of their pages, and members are grouped.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { Comment, CommentTag, Converter, ReflectionKind } from 'typedoc'

import { CATEGORY_ORDER, categoryOf } from './categories.mjs'

const OWNERS = ReflectionKind.Class | ReflectionKind.Interface
const MEMBERS = ReflectionKind.Method | ReflectionKind.Property | ReflectionKind.Accessor | ReflectionKind.Constructor

const isText = (part) => part?.kind === 'text'

/** Makes plain text of headings that are code, of which TypeDoc makes no anchors. */
function plainHeadings(content) {
  const parts = []
  for (const part of content) {
    const last = parts.at(-1)
    const isHeading = part.kind === 'code' && isText(last) && /(?:^|\n)#+ $/.test(last.text)
    if (isHeading) last.text += part.text.replaceAll('`', '')
    else if (isText(part) && isText(last)) last.text += part.text
    else parts.push(part)
  }
  return parts
}

/** Takes the heading that a page begins with as its title. */
function entitle(_context, document) {
  document.content = plainHeadings(document.content)
  const [first] = document.content
  const heading = isText(first) ? /^(?:<!--[^]*?-->\s*)?# (.*)\n/.exec(first.text) : null
  if (heading === null) return
  document.name = heading[1]
  first.text = first.text.slice(heading[0].length)
}

function categorize(context) {
  for (const child of context.project.children ?? []) {
    // The package is what users import, not the file of its declarations.
    if (child.kindOf(ReflectionKind.Module)) child.name = context.project.name
  }
  for (const reflection of Object.values(context.project.reflections)) {
    if (!reflection.kindOf(MEMBERS) || !reflection.parent?.kindOf(OWNERS)) continue
    const category = categoryOf(reflection.name)
    if (category === undefined) continue
    reflection.comment ??= new Comment()
    reflection.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: category }]))
  }
}

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.options.setValue('categoryOrder', CATEGORY_ORDER)
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, entitle)
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, categorize)
}
