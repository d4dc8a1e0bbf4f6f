// The public items of the crate vm-memory, read from its source. That is formatted by rustfmt: an item begins at the start
// of a line, and what it is made of is four spaces in.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { upstreamSource } from '../../scripts/upstream-source.js'

export interface RustItem {
  /** The public module that it is seen in. */
  readonly module: string
  /** `Item`, `Item::member`, or `impl Trait for Type`, the type without its generics. */
  readonly name: string
}

interface RustFile {
  readonly publicModules: readonly string[]
  readonly reExports: readonly ReExport[]
  readonly names: readonly string[]
}

interface ReExport {
  readonly from: string
  readonly item: string
  readonly alias: string
}

/** What the root of the crate is called. */
export const ROOT = 'vm_memory'

export function publicRustItems(): RustItem[] {
  const sources = upstreamSource().files
  const macros = sources.map(({ text }) => text).join('\n')
  const files = new Map(sources.map(({ module, text }) => [pathOf(module), readFile(text, macros)]))
  const fileOf = (module: string): RustFile => {
    const file = files.get(module)
    if (file === undefined) throw new Error(`vm-memory has no module ${module}`)
    return file
  }
  const publicModules = [ROOT, ...fileOf(ROOT).publicModules]

  const namesSeenIn = (module: string): string[] => {
    const { names, reExports } = fileOf(module)
    const others = reExports.flatMap((reExport) => {
      const source = resolve(module, reExport.from)
      // What is public where it is from is listed there.
      return publicModules.includes(source) ? [] : namesSeenIn(source).flatMap((name) => rename(name, reExport))
    })
    return [...new Set([...names, ...others])]
  }
  return publicModules.flatMap((module) => namesSeenIn(module).map((name) => ({ module, name })))
}

function pathOf(module: string): string {
  return module === 'lib' ? ROOT : module.replace(/::mod$/, '')
}

/** Where the path of a `use` in a module leads. */
function resolve(module: string, path: string): string {
  if (path.startsWith('crate::')) return path.slice('crate::'.length)
  return module === ROOT ? path : `${module}::${path}`
}

/** The name that a re-export gives to an item, its members and its impls; none to others. */
function rename(name: string, { item, alias }: ReExport): string[] {
  const { trait, type } = /^impl (?<trait>.+) for (?<type>.+)$/.exec(name)?.groups ?? {}
  if (trait !== undefined) return [trait, type].includes(item) ? [name] : []
  const [first, ...member] = name.split('::')
  return first === item ? [[alias, ...member].join('::')] : []
}

function readFile(source: string, macros: string): RustFile {
  const code = withoutTests(source)
  const text = code + expansions(code, macros)
  const names: string[] = []
  let isElsewhere = false
  for (const block of blocks(text)) {
    if (block.startsWith('#[cfg(')) isElsewhere = isOfOtherPlatforms(block)
    if (/^(?:#|\/\/)/.test(block)) continue
    if (!isElsewhere) names.push(...namesOf(block, text))
    isElsewhere = false
  }
  return {
    publicModules: [...text.matchAll(/^pub mod (\w+);/gm)].map((match) => match[1]!),
    reExports: [
      ...text.matchAll(/(?:^#\[(?<cfg>.*)\]\n)?^pub use (?<from>[\w:]+)::(?:\{(?<list>[^}]*)\}|(?<one>\w+));/gm),
    ]
      .map((match) => match.groups!)
      .filter(({ cfg }) => !isOfOtherPlatforms(cfg ?? ''))
      .flatMap(({ from, list, one }) =>
        [...(list ?? one!).matchAll(/(\w+)(?: as (\w+))?/g)].map(([, item, alias]) => ({
          from: from!,
          item: item!,
          alias: alias ?? item!,
        })),
      ),
    names,
  }
}

function withoutTests(source: string): string {
  return source.replace(/^#\[cfg\(test\)\][^]*/m, '')
}

/** What begins at the start of a line, with the lines that belong to it; bodies end before their last brace. */
function blocks(text: string): string[] {
  return text.replace(/\n(?:where\n[^{]*?)?\{$/gm, ' {').split(/^(?=\S)/m)
}

/** Windows and Xen. */
function isOfOtherPlatforms(cfg: string): boolean {
  return /\bwindows\b|"xen"/.test(cfg.replace(/not\([^()]*\)/g, ''))
}

/** The public names that a block declares. */
function namesOf(block: string, text: string): string[] {
  const members = (owner: string, member: RegExp): string[] =>
    [...block.matchAll(member)].map((match) => `${owner}::${match[1]!}`)

  const item = /^pub (?:unsafe )?(?<kind>struct|enum|trait|type|fn|const|static) (?<name>\w+)/.exec(block)?.groups
  if (item !== undefined) {
    const { kind, name } = item as { kind: string; name: string }
    if (kind === 'trait') return [name, ...members(name, /^ {4}(?:unsafe )?(?:fn|type|const) (\w+)/gm)]
    if (kind === 'enum') return [name, ...members(name, /^ {4}([A-Z]\w*)/gm)]
    return [name]
  }
  const header = /^(?:unsafe )?impl(?:<(?:[^<>]|<[^<>]*>)*>)? (?<what>.+?) \{/.exec(block)?.groups?.['what']
  if (header === undefined) return []
  const [type, trait] = header.split(' for ').toReversed() as [string, string?]
  const owner = type.replace(/<.*>$/, '')
  // What a type has, its aliases have.
  const aliases = [...text.matchAll(/^pub type (\w+)<.*> = (\w+)</gm)].filter((match) => match[2] === owner)
  const owners = [owner, ...aliases.map((match) => match[1]!)]
  if (trait === undefined) return owners.flatMap((name) => members(name, /^ {4}pub (?:const |unsafe )*fn (\w+)/gm))
  const implemented = trait.replace(/'\w+(?:, | )?/g, '').replace('<>', '')
  return owners.map((name) => `impl ${implemented} for ${name}`)
}

/** What macros, those that take one list of parameters, make of their uses at the start of a line. */
function expansions(source: string, macros: string): string {
  const all = macros.matchAll(/^macro_rules! (\w+) \{\n {4}\(([^()]*)\) => \{\n([^]*?)\n {4}\};\n\}/gm)
  return [...all]
    .flatMap(([, macro, parameters, body]) => {
      const names = [...parameters!.matchAll(/\$(\w+):/g)].map((match) => match[1]!)
      return [...source.matchAll(new RegExp(`^${macro}!\\(([^()]*)\\);`, 'gm'))].map((use) => {
        const values = use[1]!.split(', ')
        return body!
          .replace(/^ {8}/gm, '')
          .replace(/\$(\w+)/g, (variable, name: string) => values[names.indexOf(name)] ?? variable)
      })
    })
    .join('\n')
}
