// What programs can say beside the names of the package.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'

import { Described } from './answers.mjs'

/** Milliseconds for which another thread may run. */
const PATIENCE = 5000

/** `length` bytes that differ from their neighbours. */
export function pattern(length, seed = 1) {
  return Uint8Array.from({ length }, (_, index) => (seed + index * 31 + (index >> 8) * 17) & 0xff)
}

export class Words {
  #vm
  #answers
  #files = []

  constructor(vm, answers) {
    this.#vm = vm
    this.#answers = answers
  }

  all() {
    return {
      acting,
      collect,
      // Older engines know the name from Node itself.
      disposal: Symbol.dispose ?? Symbol.for('nodejs.dispose'),
      elsewhere: this.elsewhere.bind(this),
      file: this.file.bind(this),
      getting,
      inspect,
      open: this.open.bind(this),
      patched,
      pattern,
      repeat: this.repeat.bind(this),
      showing: this.showing.bind(this),
      state: this.state.bind(this),
      steal,
      turn: setImmediate,
    }
  }

  /** An anonymous file with a pattern in it, its cursor at `cursor`. */
  file(size, cursor = 0) {
    const fd = this.#vm.memfdCreate('modes', size, { seal: false })
    this.#files.push(fd)
    fs.writeSync(fd, pattern(size, 5), 0, size, 0)
    // Positional writes leave the cursor; a plain read moves it.
    fs.readSync(fd, new Uint8Array(cursor + 1), 0, cursor, null)
    return open(fd)
  }

  open(path) {
    const fd = fs.openSync(path, 'r+')
    this.#files.push(fd)
    return open(fd)
  }

  /** What each of `times` calls gave; the same answer in a row is told once. */
  repeat(times, call) {
    const outcomes = []
    for (let i = 0; i < times; i += 1) {
      const outcome = this.#attempt(call)
      const last = outcomes.at(-1)
      if (last?.outcome === outcome) last.times += 1
      else outcomes.push({ times: 1, outcome })
    }
    return outcomes.map(({ times, outcome }) => new Described(`${times} × ${outcome}`))
  }

  /** What a call gave, and what `object` is afterwards. */
  showing(object, call) {
    return [new Described(this.#attempt(call)), object]
  }

  #attempt(call) {
    try {
      return this.#answers.describe(call())
    } catch (error) {
      return `throws ${this.#answers.describe(error)}`
    }
  }

  /** The bytes and the dirty pages of all regions that were met. */
  state() {
    const answers = this.#answers
    const regions = [...answers.met('GuestRegionMmap')]
    for (const name of ['GuestMemoryMmap', 'GuestMemoryLoadGuard']) {
      for (const map of answers.met(name)) regions.push(...answers.regionsOf(map))
    }
    return Array.from(new Set(regions), (region) => {
      const bitmap = answers.ask(region, 'bitmap')
      const dirty = bitmap && answers.ask(answers.ask(bitmap, 'clone'), 'getAndReset')
      return [
        answers.ask(region, 'startAddr'),
        new Described(this.#attempt(() => this.#content(region))),
        dirty && [...dirty],
      ]
    })
  }

  /** By the native side of slices, which is the same in both processes. */
  #content(region) {
    const bytes = new Uint8Array(this.#answers.ask(region, 'size'))
    this.#answers.ask(this.#answers.ask(region, 'asVolatileSlice'), 'copyTo', bytes)
    return bytes
  }

  /** What another thread gave that ran `body(atomic, vm)`. */
  async elsewhere(ticket, body) {
    const worker = new Worker(new URL('thread.mjs', import.meta.url), { workerData: { ticket, body: String(body) } })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => void worker.terminate().then(() => resolve('no answer')), PATIENCE)
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.once('exit', () => clearTimeout(timer))
    }).finally(() => worker.terminate())
  }

  /** Gives back what would be in the way of others. */
  end() {
    for (const name of ['GuestMemoryExclusiveGuard', 'GuestMemoryLoadGuard']) {
      for (const guard of this.#answers.met(name)) this.#attempt(() => this.#answers.ask(guard, 'dispose'))
    }
    for (const fd of this.#files) fs.closeSync(fd)
  }
}

/** An open file: its number, which is another one in each process, is not shown. */
const open = (fd) => Object.defineProperty({}, 'fd', { value: fd })

/** An object that acts when it is made a primitive, and is `value` then. */
function acting(value, act) {
  return {
    [Symbol.toPrimitive]() {
      act()
      return value
    },
  }
}

/** `object`, which acts whenever its `key` is read. */
function getting(object, key, act) {
  const value = object[key]
  return Object.defineProperty(object, key, {
    get() {
      act()
      return value
    },
    enumerable: true,
    configurable: true,
  })
}

/** Calls with something in the place of a property, which is put back. */
function patched(object, key, value, call) {
  const before = Object.getOwnPropertyDescriptor(object, key)
  Object.defineProperty(object, key, { ...(before ?? { configurable: true, writable: true }), value })
  try {
    return call()
  } finally {
    if (before) Object.defineProperty(object, key, before)
    else Reflect.deleteProperty(object, key)
  }
}

/** The bytes of a buffer in another one, as a transfer to another thread takes them. */
function steal(buffer) {
  return structuredClone(buffer, { transfer: [buffer] })
}

/** Collects garbage, and lets everything happen that comes of it. */
async function collect() {
  globalThis.gc()
  await setImmediate()
  await setImmediate()
}
