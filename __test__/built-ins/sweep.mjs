// Replaces every built-in of the language, one at a time, for a moment: while objects get their fast paths, and when they have
// them. Prints what was wrong afterwards, and what a replaced built-in got to see that users have no business with.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import vm from 'node:vm'
import { check, newObjects, use } from './scenario.mjs'

const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect

/** The names of the language, without those of Node.js. */
const NAMES = new Set(ownKeys(vm.runInNewContext('globalThis')))

/** Where built-ins stand: the global object, all that it has, their prototypes, and what only iterators have. */
function holders() {
  const found = new Map([['globalThis', globalThis]])
  for (const name of ownKeys(globalThis)) {
    const value = getOwnPropertyDescriptor(globalThis, name).value
    const isHolder = typeof value === 'function' || ['Math', 'Reflect', 'Atomics', 'JSON'].includes(name)
    if (!isHolder || !NAMES.has(name) || value === Proxy) continue
    found.set(String(name), value)
    if (value.prototype) found.set(`${String(name)}.prototype`, value.prototype)
  }
  const typedArray = getPrototypeOf(Uint8Array)
  found.set('TypedArray', typedArray).set('TypedArray.prototype', typedArray.prototype)
  found.set('ArrayIterator.prototype', getPrototypeOf([].values()))
  found.set('MapIterator.prototype', getPrototypeOf(new Map().values()))
  return found
}

/** What stands in for a built-in. `seen` gets all that it is called with. */
const STAND_INS = {
  'returns nothing': (seen) =>
    function (...args) {
      note(seen, this, args)
    },
  throws: (seen) =>
    function (...args) {
      note(seen, this, args)
      throw new TypeError('replaced')
    },
  'returns what it is called on': (seen) =>
    function (...args) {
      note(seen, this, args)
      return this ?? args[0]
    },
}

function note(seen, receiver, args) {
  seen[seen.length] = receiver
  for (let i = 0; i < args.length; i += 1) seen[seen.length] = args[i]
}

/** Replaces a property for the time of a call; whether that could be done. */
function replaced(holder, key, standIn, call) {
  const before = getOwnPropertyDescriptor(holder, key)
  const descriptor =
    'value' in before
      ? { ...before, value: standIn }
      : { ...before, ...(before.get && { get: standIn }), set: before.set }
  if (!defineProperty(holder, key, descriptor)) return false
  try {
    call()
  } finally {
    defineProperty(holder, key, before)
  }
  return true
}

/** Names objects of the package that users cannot get in any other way. */
function secrets(seen, { map, tracked, other, slice }) {
  const own = new Set()
  for (const memory of [map, tracked, other]) for (const region of memory.iter()) own.add(region.buffer)
  const names = new Set()
  for (const value of seen) {
    if (typeof value !== 'object' || value === null || value === slice) continue
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value
    if (buffer instanceof ArrayBuffer && !own.has(buffer) && (buffer.byteLength === 4096 || isCell(value))) {
      names.add('memory')
    }
    const name = getPrototypeOf(value)?.constructor?.name
    if (['Window', 'Table', 'Cursor', 'Snapshot', 'Slot', 'Slots', 'View', 'Anchor'].includes(name)) names.add(name)
  }
  return [...names]
}

/** Whether something is the cell that counts replacements: four bytes that are no array of a caller. */
const isCell = (value) => value instanceof Int32Array || (value instanceof ArrayBuffer && value.byteLength === 4)

const problems = []
let count = 0
// Whatever is checked here must be right without any replacement.
check(newObjects())
for (const [name, holder] of holders()) {
  for (const key of ownKeys(holder)) {
    const before = getOwnPropertyDescriptor(holder, key)
    if (holder === globalThis && !NAMES.has(key)) continue
    const isBuiltIn = typeof before.value === 'function' || before.get !== undefined
    if (!isBuiltIn || !before.configurable) continue
    for (const [kind, make] of Object.entries(STAND_INS)) {
      for (const isWarm of [false, true]) {
        const objects = newObjects()
        if (isWarm) use(objects)
        const seen = []
        if (!replaced(holder, key, make(seen), () => use(objects))) continue
        count += 1
        const where = `${name}.${String(key)} that ${kind}, ${isWarm ? 'warm' : 'cold'}`
        try {
          check(objects)
        } catch (error) {
          problems.push(`${where}: ${error.message.split('\n', 1)[0]}`)
        }
        for (const secret of secrets(seen, objects)) problems.push(`${where}: got ${secret}`)
      }
    }
  }
}
console.log(JSON.stringify({ count, problems }))
