// A program that has meddled with the built-in prototypes: calls may fail by what they run into, and by nothing else.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { callables, makers, memory, vm } from './surface.mjs'
import { complain, errorOf, expectSame, isAllowed, sentinel } from './verdict.mjs'

/** A function, not an arrow: some of it is called with `new`. */
const throwSentinel = function () {
  throw sentinel
}

/** As they were: these, too, are replaced. */
const { defineProperty, hasOwn } = Object

/** Names that code is likely to read from, or to set on, a fresh object. */
const optionNames = ['aborted', 'bitmap', 'fd', 'file', 'hugetlb', 'id', 'seal', 'signal', 'timeout', 'type']
const errorNames = ['addr', 'alignment', 'base', 'code', 'completed', 'errno', 'expected', 'kind', 'message', 'name']
const descriptorNames = ['configurable', 'enumerable', 'get', 'set', 'value', 'writable']
const protocolNames = ['depth', 'done', 'length', 'next', 'offset', 'return', 'stylize', 'then']
const NAMES = [...optionNames, ...errorNames, ...descriptorNames, ...protocolNames, '0', '1', '2']

let calls = 0
let ranInto = 0
const callableList = [...callables()]

/** Calls everything rightly while `meddle` is in force; it gives back how to undo it. */
function callAllUnder(what, meddle) {
  const prepared = callableList.map(({ title, call, right }) => ({ title, call, args: right() }))
  const results = prepared.map(() => undefined)
  const errors = prepared.map(() => null)
  const restore = meddle()
  // Nothing here may use what is meddled with: neither iterators nor methods.
  for (let i = 0; i < prepared.length; i += 1) {
    try {
      results[i] = prepared[i].call(prepared[i].args)
    } catch (error) {
      errors[i] = error
    }
  }
  restore()
  for (const [i, { title }] of prepared.entries()) {
    calls += 1
    if (errors[i] === sentinel) ranInto += 1
    if (errors[i] !== null && !isAllowed(errors[i])) complain(`${title} under ${what}`, errors[i])
    letGo(results[i])
  }
  checkHealth(what)
}

/** Frees locks, now or when they are granted. */
function letGo(result) {
  if (result instanceof Promise) result.then(letGo, () => {})
  else if (result instanceof vm.GuestMemoryExclusiveGuard) result.dispose()
}

/** Nothing of it lasts. */
function checkHealth(what) {
  const map = memory()
  map.writeU32(0x01020304, 65536)
  expectSame(`a value after ${what}`, map.readU32(65536), 0x01020304)
  expectSame(`a guard after ${what}`, new vm.GuestMemoryAtomic(map).memory().intoInner(), map)
  expectSame(`an error after ${what}`, errorOf(() => map.readU8(0))?.code, 'ERR_INVALID_GUEST_ADDRESS')
  for (const make of Object.values(makers)) make()
}

/** Replaces properties of an object, and gives back how to undo that. */
function redefine(target, descriptors) {
  const before = Object.getOwnPropertyDescriptors(target)
  const changed = Reflect.ownKeys(descriptors)
  // Descriptors must not inherit from what is meddled with.
  for (const key of Reflect.ownKeys(before)) Object.setPrototypeOf(before[key], null)
  Object.defineProperties(target, descriptors)
  return () => {
    for (let i = 0; i < changed.length; i += 1) {
      const key = changed[i]
      if (hasOwn(before, key)) defineProperty(target, key, before[key])
      else delete target[key]
    }
  }
}

const accessors = (names, accessor) =>
  Object.fromEntries(names.map((name) => [name, { configurable: true, enumerable: false, ...accessor }]))

for (const name of NAMES) {
  const setter = accessors([name], { get: () => undefined, set: throwSentinel })
  callAllUnder(`a throwing setter ${name}`, () => redefine(Object.prototype, setter))
  const getter = accessors([name], { get: throwSentinel, set: throwSentinel })
  callAllUnder(`a throwing getter ${name}`, () => redefine(Object.prototype, getter))
}
callAllUnder('setters of arrays', () =>
  redefine(Array.prototype, accessors(['0', '1', '2'], { get: () => 7, set: throwSentinel })),
)

/** What JavaScript code of the package might call. */
const BUILT_INS = [
  [Array.prototype, ['at', 'concat', 'entries', 'filter', 'forEach', 'includes', 'map', 'push', 'slice']],
  [Array.prototype, ['pop', 'shift', 'splice', 'values', Symbol.iterator]],
  [Map.prototype, ['get', 'set', 'has', 'delete']],
  [WeakMap.prototype, ['get', 'set', 'has', 'delete']],
  [Set.prototype, ['add', 'has', 'delete']],
  [WeakRef.prototype, ['deref']],
  [FinalizationRegistry.prototype, ['register', 'unregister']],
  [Object.getPrototypeOf(Uint8Array.prototype), ['set', 'subarray', 'slice', 'fill']],
  [DataView.prototype, ['getUint8', 'getUint16', 'getUint32', 'getBigUint64', 'setUint8', 'setUint32']],
  [Function.prototype, ['apply', 'bind', 'call']],
  [Promise.prototype, ['then', 'catch', 'finally']],
  [Number, ['isInteger', 'isSafeInteger']],
  [Object, ['assign', 'create', 'defineProperty', 'entries', 'keys']],
  [Reflect, ['apply', 'construct', 'get']],
  [Atomics, ['load', 'store']],
  [
    globalThis,
    ['ArrayBuffer', 'BigInt', 'DataView', 'Error', 'Number', 'RangeError', 'TypeError', 'Uint8Array', 'WeakRef'],
  ],
]
for (const [owner, names] of BUILT_INS) {
  for (const name of names) {
    const descriptor = { ...Object.getOwnPropertyDescriptor(owner, name), value: throwSentinel }
    callAllUnder(`a throwing ${String(name)}`, () => redefine(owner, { [name]: descriptor }))
  }
}

for (const [name, make] of Object.entries(makers)) {
  Object.freeze(vm[name].prototype)
  const error = errorOf(make)
  if (error !== null) complain(`a frozen ${name}`, error)
}
console.log(`${calls} calls, ${ranInto} of which ran into something`)
