// Methods and getters called on what they do not belong to.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { inspect } from 'node:util'
import { instanceMembers, makers, propertiesOf, vm } from './surface.mjs'
import { complain, errorOf, isTypeError } from './verdict.mjs'

const primitives = [undefined, null, 0, 1n, 'text', true, Symbol('s')]
const foreign = { 'an object': {}, 'an array': [], 'a function': () => 0, 'a view': new Uint8Array(8), globalThis, vm }

/** What the console and `Object.prototype.toString` ask of anything that they are given, prototypes included. */
const mayReturn = new Set([inspect.custom, Symbol.toStringTag].map(String))

/** Labels, and things that are no instance of this class. `is` names the class that an instance really is of. */
function* wrongReceivers(owner) {
  const Class = vm[owner]
  for (const value of primitives) yield { label: String(value), value }
  for (const [label, value] of Object.entries(foreign)) yield { label, value }
  yield { label: 'the class', value: Class }
  yield { label: 'the prototype', value: Class.prototype }
  yield { label: 'an object with the prototype', value: Object.create(Class.prototype) }
  yield { label: 'an heir of an instance', value: Object.create(makers[owner]()) }
  yield { label: 'a proxy of an instance', value: new Proxy(makers[owner](), {}) }
  for (const [name, make] of Object.entries(makers)) {
    if (name === owner) continue
    yield { label: `a ${name}`, value: make(), is: name }
    yield { label: `a ${name} dressed as ${owner}`, value: Object.setPrototypeOf(make(), Class.prototype), is: name }
  }
}

/** The functions that instances of each class have by right: a guard may share those of a map. */
const functionsOf = new Map(
  Object.entries(makers).map(([name, make]) => [
    name,
    new Set([...propertiesOf(make()).values()].map(({ value, get }) => value ?? get)),
  ]),
)

let calls = 0
for (const owner of Object.keys(makers)) {
  for (const member of instanceMembers(owner)) {
    for (const { label, value, is } of wrongReceivers(owner)) {
      if (functionsOf.get(is)?.has(member.function)) continue
      calls += 1
      const where = `${owner}.prototype.${member.name} on ${label}`
      let result
      let error = errorOf(() => {
        result = Reflect.apply(member.function, value, [])
      })
      if (result instanceof Promise) error = await result.then(() => null, Object)
      if (error === null) {
        if (!mayReturn.has(member.name)) complain(where, 'returned')
      } else if (!isTypeError(error)) complain(where, error)
    }
  }
}
console.log(`${calls} calls`)
