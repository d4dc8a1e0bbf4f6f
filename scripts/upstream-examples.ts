// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The examples in upstream's documentation, which are the blocks of code in its doc comments.

import { upstreamSource } from './upstream-source.js'

export interface UpstreamExample {
  readonly module: string
  /** What it documents: `Type::method`, `Trait::method`, the name of another item, or the module itself. */
  readonly item: string
}

/** All of them, in the order of the source. */
export function upstreamExamples(): UpstreamExample[] {
  return upstreamSource().files.flatMap(({ module, text }) =>
    documentedItems(module, text).map((item) => ({ module, item })),
  )
}

/** The items of a file, each as often as it has blocks of code. */
function documentedItems(module: string, text: string): string[] {
  const items: string[] = []
  // What the lines are in: a type or a trait.
  let owner = ''
  let fences = 0
  const take = (item: string): void => {
    if (fences % 2 !== 0) throw new Error(`${item} of ${module} has a block of code that does not end`)
    items.push(...Array.from({ length: fences / 2 }, () => item))
    fences = 0
  }
  let inModuleComment = false
  for (const line of text.split('\n')) {
    const comment = /^\s*\/\/[/!](?<text>.*)/.exec(line)?.groups?.['text']
    if (comment !== undefined) {
      inModuleComment = line.trimStart().startsWith('//!')
      if (comment.trimStart().startsWith('```')) fences += 1
      continue
    }
    if (inModuleComment) {
      inModuleComment = false
      take(module)
    }
    owner = ownerFrom(line) ?? (line === '}' ? '' : owner)
    const name = /^\s*(?:pub(?:\([^)]*\))? )?(?:unsafe |const )*(?:fn|trait|struct|enum|type) (?<name>\w+)/.exec(line)
      ?.groups?.['name']
    if (name !== undefined) {
      const isMember = /^\s/.test(line) && owner !== ''
      take(isMember ? `${owner}::${name}` : name)
    }
  }
  if (fences > 0) throw new Error(`a block of code in ${module} documents nothing that is known here`)
  return items
}

/** Whose members follow, where this line begins a trait or an `impl`. */
function ownerFrom(line: string): string | undefined {
  const { trait, parameters, type } =
    /^(?:pub )?(?:unsafe )?(?:trait (?<trait>\w+)|impl(?<parameters><[^>]*>)? (?:.+ for )?&?(?<type>\w+))/.exec(line)
      ?.groups ?? {}
  if (type === undefined) return trait
  // An `impl` for a type parameter is one for everything with the trait that bounds it.
  return new RegExp(`\\b${type}: (\\w+)`).exec(parameters ?? '')?.[1] ?? type
}
