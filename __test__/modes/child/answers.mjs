// What a step gave, as a text that is the same in two processes when the answers are. Nothing here asks an object for what
// a program may have replaced, and nothing calls a method that has a fast form: to look must not change what comes next.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createHash } from 'node:crypto'
import { types } from 'node:util'

const typedArray = Object.getPrototypeOf(Uint8Array.prototype)
const getter = (object, name) => Object.getOwnPropertyDescriptor(object, name).get

const tagOf = getter(typedArray, Symbol.toStringTag)
const { isArray } = Array
const { apply, getPrototypeOf, ownKeys } = Reflect
const { getOwnPropertyDescriptor } = Object

/** Where the bytes of a view are: what its class was made with, whatever has been put on the object. */
const PARTS = {
  view: ['buffer', 'byteOffset', 'byteLength'].map((name) => getter(DataView.prototype, name)),
  array: ['buffer', 'byteOffset', 'byteLength'].map((name) => getter(typedArray, name)),
}

/** As many bytes are written out; of more there is a digest. */
const MOST_BYTES = 32

/** What tells an object of the package from others when it is met first. */
const FACTS = {
  GuestMemoryMmap: ['numRegions', 'lastAddr'],
  GuestMemoryLoadGuard: ['numRegions', 'lastAddr'],
  GuestRegionMmap: ['startAddr', 'size', 'prot', 'flags', 'owned', 'isHugetlbfs'],
  MmapRegion: ['size', 'prot', 'flags', 'owned', 'isHugetlbfs'],
  VolatileSlice: ['len'],
  VolatileRef: ['type', 'len'],
  VolatileArrayRef: ['type', 'len', 'elementSize'],
  AtomicRef: ['type'],
  AtomicBitmap: ['len', 'byteSize'],
  FileOffset: ['start'],
}

/** Of slices, as many are tried: they lie in regions, which are mostly known. */
const MOST_SLICES = 8

/** Numbers below are never addresses of the host. */
const LOWEST_HOST_ADDRESS = 2n ** 32n

/** What was described before, as a part of an answer. */
export class Described {
  text

  constructor(text) {
    this.text = text
  }
}

export class Answers {
  /** Objects by the order in which they were met, so that the same object is the same text. */
  #labels = new Map()
  #classes
  #originals

  /** @param originals see `originalsOf` */
  constructor(vm, originals) {
    this.#classes = Object.entries(vm).filter(([name]) => originals[name] !== undefined)
    this.#originals = originals
  }

  /** Everything that was met, of one class. */
  *met(name) {
    for (const object of this.#labels.keys()) if (this.#classOf(object) === name) yield object
  }

  labelOf(object) {
    if (!this.#labels.has(object)) this.#labels.set(object, this.#labels.size)
    return `#${this.#labels.get(object)}`
  }

  /** Calls what a class had when it was loaded. */
  ask(object, member, ...args) {
    return apply(this.#originals[this.#classOf(object)][member], object, args)
  }

  /** None of a guard that was disposed of, and of what has the prototype of a class only. */
  regionsOf(map) {
    try {
      return [...this.ask(map, 'iter')]
    } catch {
      return []
    }
  }

  describe(value, depth = 0) {
    switch (typeof value) {
      case 'number':
        return Object.is(value, -0) ? '-0' : String(value)
      case 'bigint':
        return this.#integer(value, `${value}n`)
      case 'string':
        return JSON.stringify(this.#text(value.length > 400 ? `${value.slice(0, 400)}…${value.length}` : value))
      case 'function':
        return 'a function'
      case 'object':
        return value === null ? 'null' : this.#object(value, depth)
      default:
        return String(value)
    }
  }

  #object(object, depth) {
    if (object instanceof Described) return object.text
    if (types.isProxy(object)) return 'a proxy'
    if (types.isNativeError(object)) return this.#error(object, depth)
    if (types.isDataView(object)) return this.#view(object, 'DataView', PARTS.view)
    if (types.isTypedArray(object)) return this.#view(object, apply(tagOf, object, []), PARTS.array)
    if (types.isAnyArrayBuffer(object)) return this.#buffer(object)
    if (depth > 4) return '…'
    if (isArray(object)) return `[${Array.from(object, (each) => this.describe(each, depth + 1)).join(', ')}]`
    const name = this.#classOf(object)
    if (name !== undefined) return this.#packaged(object, name)
    return `{ ${this.#fields(object, depth).join(', ')} }`
  }

  #packaged(object, name) {
    const isNew = !this.#labels.has(object)
    const label = `${name}${this.labelOf(object)}`
    if (!isNew) return label
    const facts = (FACTS[name] ?? []).map((fact) => {
      try {
        return `${fact}: ${this.describe(this.ask(object, fact))}`
      } catch (error) {
        return `${fact} throws ${error.code}`
      }
    })
    return `${label} { ${[...facts, ...this.#fields(object, 1)].join(', ')} }`
  }

  /** Own and enumerable ones. */
  #fields(object, depth) {
    return ownKeys(object)
      .filter((key) => getOwnPropertyDescriptor(object, key)?.enumerable)
      .map((key) => {
        const { value, get } = getOwnPropertyDescriptor(object, key)
        return `${String(key)}: ${get ? 'a getter' : this.describe(value, depth + 1)}`
      })
  }

  #error(error, depth) {
    const { name, message, code } = error
    const kind = getPrototypeOf(error)?.constructor?.name
    const fields = this.#fields(error, depth).join(', ')
    return `${kind} ${name} ${String(code)} ${JSON.stringify(this.#text(String(message)))} { ${fields} }`
  }

  #view(view, name, parts) {
    const [buffer, offset, length] = parts.map((get) => {
      try {
        return apply(get, view, [])
      } catch {
        // A DataView that its buffer no longer holds.
        return 0
      }
    })
    if (length === 0 || buffer === 0) return `${name}(empty)`
    return `${name}(${this.labelOf(buffer)} ${offset}+${length} ${digest(new Uint8Array(buffer, offset, length))})`
  }

  #buffer(buffer) {
    const name = types.isSharedArrayBuffer(buffer) ? 'SharedArrayBuffer' : 'ArrayBuffer'
    return `${name}${this.labelOf(buffer)}(${digest(new Uint8Array(buffer))})`
  }

  #classOf(object) {
    if (object === null || typeof object !== 'object') return undefined
    return this.#classes.find(([, { prototype }]) => getPrototypeOf(object) === prototype)?.[0]
  }

  /** Addresses of the host, descriptors and the numbers of tickets are other ones in each process. */
  #text(text) {
    return text
      .replaceAll(/0x0*([0-9a-f]{9,16})\b/g, (hex) => this.#integer(BigInt(hex), hex))
      .replaceAll(/\bfd(:?) \d+/g, 'fd$1 …')
      .replaceAll(/\b[0-9a-f]{32}\b/g, 'a ticket')
  }

  /**
   * A number that may be an address of the host: all that it may be, between bars. Mappings can lie one behind the other
   * in one process and apart in the other, so that the end of one is sometimes the start of the next.
   */
  #integer(value, text) {
    if (value < LOWEST_HOST_ADDRESS || value >= 2n ** 64n) return text
    const origins = this.#origins().map(([label, start]) => `${label}${value < start ? '' : '+'}${value - start}`)
    return origins.length === 0 ? text : `<${[text, ...new Set(origins)].join('|')}>`
  }

  /** Where the mappings start that were met, those in maps, and some slices. */
  #origins() {
    const found = new Map()
    const slices = Array.from(this.met('VolatileSlice')).slice(0, MOST_SLICES)
    for (const object of [...this.met('GuestRegionMmap'), ...this.met('MmapRegion'), ...slices]) {
      found.set(`@${this.#labels.get(object)}`, this.ask(object, 'asPtr'))
    }
    for (const map of [...this.met('GuestMemoryMmap'), ...this.met('GuestMemoryLoadGuard')]) {
      for (const [index, region] of this.regionsOf(map).entries()) {
        found.set(`@${this.#labels.get(map)}.${index}`, this.ask(region, 'asPtr'))
      }
    }
    return [...found]
  }
}

/** The methods and getters of all classes, as they are now. */
export function originalsOf(vm) {
  return Object.fromEntries(
    Object.entries(vm)
      .filter(([, value]) => typeof value === 'function' && value.prototype !== undefined)
      .map(([name, { prototype }]) => [
        name,
        Object.fromEntries(
          Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([key, { get, value }]) => [
            key,
            get ?? value,
          ]),
        ),
      ]),
  )
}

function digest(bytes) {
  if (bytes.length <= MOST_BYTES) return Buffer.from(bytes).toString('hex')
  return createHash('sha1').update(bytes).digest('hex').slice(0, 16)
}
