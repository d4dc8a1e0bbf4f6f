// Which members of the package have answered a program: they are counted where they stand.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const { apply, construct } = Reflect

/** The names, as `Class.member`, of all that has returned something; grows with each call. */
export function countCalls(vm) {
  const covered = new Set()
  for (const [name, value] of Object.entries(vm)) {
    if (typeof value === 'function') vm[name] = counted(value, name, covered)
    else if (typeof value === 'object') countMembers(value, name, covered)
    else covered.add(name)
  }
  return covered
}

/** A function or class, which counts when it is called or made, with its members. */
function counted(value, name, covered) {
  if (value.prototype) countMembers(value.prototype, name, covered)
  return new Proxy(value, {
    apply(target, receiver, args) {
      const result = apply(target, receiver, args)
      covered.add(name)
      return result
    },
    construct(target, args, newTarget) {
      const result = construct(target, args, newTarget)
      covered.add(`${name}.constructor`)
      return result
    },
    // Static methods cannot be replaced: whoever takes one is counted.
    get(target, key) {
      covered.add(labelOf(name, key))
      return target[key]
    },
  })
}

function countMembers(owner, name, covered) {
  for (const key of Reflect.ownKeys(owner)) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, key)
    const kind = descriptor.get ? 'get' : 'value'
    const member = descriptor[kind]
    if (key === 'constructor' || typeof member !== 'function') continue
    const label = labelOf(name, key)
    const wrapper = function (...args) {
      const result = apply(member, this, args)
      covered.add(label)
      return result
    }
    if (descriptor.configurable) Object.defineProperty(owner, key, { ...descriptor, [kind]: wrapper })
    else if (descriptor.writable) owner[key] = wrapper
    else covered.add(`${label} cannot be counted`)
  }
}

const DISPOSAL = new Set([Symbol.dispose, Symbol.for('nodejs.dispose')])

function labelOf(name, key) {
  if (DISPOSAL.has(key)) return `${name}.[Symbol.dispose]`
  return `${name}.${typeof key === 'symbol' ? `[${key.description}]` : key}`
}
