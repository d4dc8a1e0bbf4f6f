// What crate/src/node/error.rs makes of errors, and what the crate vm-memory says of its own. Both are formatted by rustfmt, and
// read as that writes them; what is not understood is an error here.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/**
 * An error as JavaScript sees it.
 * @typedef {object} Row
 * @property {string | undefined} code none of an upstream variant that is shown as the error in it
 * @property {string} when
 * @property {string} message
 * @property {string} properties in Markdown
 * @property {string} variant its path in Rust
 */

/**
 * What upstream refuses: for each of its enums of errors, the name that JavaScript sees, and a row for each variant.
 * @param {string} source error.rs
 * @param {readonly { text: string }[]} upstream files of the crate vm-memory
 * @returns {{ name: string, rows: Row[] }[]}
 */
export function upstreamErrors(source, upstream) {
  const enums = upstream.map(({ text }) => variantsIn(text))
  const paths = publicPaths(source)
  const propertiesOf = propertyReader(source)
  // Each is a `match` with an arm for each variant, which the compiler sees to.
  const functions = source.split(/^ {4}(?=fn of_\w+\()/m).slice(1)
  return functions.map((code) => {
    const { type, name, body } = take(
      code,
      /^fn \w+\(error: &(?<type>\w+)\)[^]*? Self::new\(c"(?<name>\w+)", code\);\n {8}match error \{\n(?<body>[^]*?)\n {8}\}\n/,
    )
    const arms = body.split(/^ {12}(?=\w+::\w+)/m).filter((arm) => /^\w+::/.test(arm))
    const variants = arms.map((arm) => take(arm, /::(?<variant>\w+)/).variant)
    const described = enums.find((each) => each.size === arms.length && variants.every((variant) => each.has(variant)))
    if (described === undefined) throw new Error(`vm-memory has no enum of errors with ${variants.join(', ')}`)
    const rows = arms.map((arm, index) => ({
      ...take(arm, /=>\s*(?:\{\s*)?(?:new\(c"(?<code>ERR_\w+)"\)|Self::of_\w+\(error\))/),
      ...described.get(variants[index]),
      properties: propertiesOf(arm),
      variant: `${paths.get(type)}::${variants[index]}`,
    }))
    return { name, rows }
  })
}

/**
 * What the binding refuses on its own.
 * @param {string} source error.rs
 * @returns {{ code: string | undefined, class: string, when: string }[]}
 */
export function bindingErrors(source) {
  const { body } = take(source, /^impl BindingError \{\n(?<body>[^]*?)^\}/m)
  const functions = body.matchAll(/(?<doc>(?:^ {4}\/\/\/.*\n)+) {4}pub fn \w+\((?<body>[^]*?)\n {4}\}/gm)
  return [...functions].map(({ groups }) => ({
    ...take(groups.body, /Class::(?<class>\w+)/),
    code: /c"(ERR_\w+)"/.exec(groups.body)?.[1],
    when: sentence(groups.doc),
  }))
}

/** The groups of a pattern in Rust code. */
function take(code, pattern) {
  const match = pattern.exec(code)
  if (match === null) throw new Error(`error.rs is not written as it is read here: no ${pattern} in\n${code}`)
  return match.groups
}

/** What a doc comment says. */
function sentence(comment) {
  const text = comment.replaceAll(/^\s*\/\/\/ ?/gm, '').trim()
  return `${text.replaceAll('\n', ' ').replace(/\.$/, '')}.`
}

/** The variants of an enum of errors, with what its source says of them. */
function variantsIn(text) {
  const body = /^pub enum Error \{\n([^]*?)\n\}/m.exec(text)?.[1] ?? ''
  const variants = body.matchAll(
    /(?<doc>(?:^ {4}\/\/\/.*\n)+) {4}#\[error\(\s*"(?<format>[^"]*)"[^]*?\)\]\n {4}(?<name>\w+)/gm,
  )
  return new Map(
    [...variants].map(({ groups }) => [groups.name, { when: sentence(groups.doc), message: message(groups.format) }]),
  )
}

/** As it is seen: with the names of properties, and dots for the text of an error of the operating system. */
function message(format) {
  return format.replaceAll(/\{0?\}/g, '…').replaceAll(/\{(\w+)\b[^}]*\}/g, '{$1}')
}

/** Where the types that error.rs imports are public upstream. */
function publicPaths(source) {
  const uses = source.matchAll(/^use vm_memory(?:::(?<module>\w+))?::\{(?<list>.*)\};/gm)
  return new Map(
    [...uses].flatMap(({ groups: { module, list } }) =>
      list.split(', ').map((use) => {
        const [name, alias = name] = use.split(' as ')
        return [alias, module === undefined ? name : `${module}::${name}`]
      }),
    ),
  )
}

/** Returns what tells the properties that an arm gives to its error. */
function propertyReader(source) {
  const types = fieldTypes(source)
  const read = (code) =>
    [...code.matchAll(/\.with\(\s*c"(\w+)",\s*Field::(\w+)\(/g)].map(([, name, field]) => {
      if (!types.has(field)) throw new Error(`Field::${field} of error.rs becomes nothing that is known here`)
      return `\`${name}: ${types.get(field)}\``
    })
  // One of two: what the operating system told, or what the library of Rust did.
  const io = read(take(source, /fn with_io\(self(?<body>[^]*?)\n {4}\}/).body).join(' or ')
  return (arm) => {
    const properties = [...read(arm), ...(arm.includes('.with_io(error)') ? [io] : [])]
    if (properties.length !== arm.split('.with').length - 1) throw new Error(`not understood in error.rs:\n${arm}`)
    return properties.join(', ')
  }
}

/** What each `Field` becomes in JavaScript, told by what makes it. */
function fieldTypes(source) {
  const makers = { bigint_uint64: 'bigint', double: 'number', int32: 'number', string: 'string' }
  const { arms } = take(source, /^impl Field \{[^]*? match self \{\n {16}(?<arms>[^]*?)\n {12}\}\n/m)
  return new Map(
    arms.split(/^ {16}(?=Self::)/m).map((arm) => {
      const { field, maker } = take(arm, /^Self::(?<field>\w+)\([^]*?(?:napi_create_|return )(?<maker>\w+)\(/)
      return [field, makers[maker]]
    }),
  )
}
