// Loads the package into a context of node:vm, as test runners do: with modules of its own, and addons and built-in modules
// of the host. Run as a program, it prints what came of that.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const vm = require('node:vm')

const root = path.join(__dirname, '..', '..')

/** The exports of the package, as modules of a context get them. */
function loadInto(context) {
  const modules = new Map()
  const load = (file) => {
    if (file.endsWith('.node')) return require(file)
    const known = modules.get(file)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    modules.set(file, module)
    const text = fs.readFileSync(file, 'utf8')
    if (file.endsWith('.json')) {
      module.exports = JSON.parse(text)
    } else {
      const names = ['exports', 'require', 'module', '__filename', '__dirname']
      const run = vm.compileFunction(text, names, { filename: file, parsingContext: context })
      const requireFrom = (name) =>
        name.startsWith('.') ? load(require.resolve(path.resolve(path.dirname(file), name))) : require(name)
      run(module.exports, requireFrom, module, file, path.dirname(file))
    }
    return module.exports
  }
  return load(path.join(root, 'index.js'))
}

/** A context with no more than what the language has, and these globals. */
const newContext = (globals) => vm.createContext({ ...globals })

/** Timers that run when they are told to. */
function fakeTimers() {
  const waiting = new Map()
  return {
    setTimeout(callback, delay) {
      const timer = {}
      waiting.set(timer, { callback, delay })
      return timer
    },
    clearTimeout: (timer) => waiting.delete(timer),
    delays: () => [...waiting.values()].map(({ delay }) => delay),
    run() {
      const due = [...waiting.values()]
      waiting.clear()
      for (const { callback } of due) callback()
    },
  }
}

const CLASSES = {
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
}
const TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64']

const PARTS = {
  /** All that is answered, often enough for the fast paths, is of the realm of the host. */
  realm() {
    const { GuestMemoryAtomic, GuestMemoryMmap } = loadInto(newContext())
    const memory = GuestMemoryMmap.fromRanges([[0, 0x10000]])
    const [region] = [...memory.iter()]
    const accesses = {
      memory,
      guard: new GuestMemoryAtomic(memory).memory(),
      region,
      slice: memory.getSlice(0, 0x1000),
    }
    for (const [name, access] of Object.entries(accesses)) {
      for (let i = 0; i < 50; i += 1) {
        const where = `${name}, call ${i + 1}`
        for (const [index, type] of TYPES.entries()) {
          assert.ok(access.readObj([type, 2], 0) instanceof Object.values(CLASSES)[index], `${where}: ${type}`)
          access.writeObj([type, 2], new (Object.values(CLASSES)[index])(2), 0)
        }
        const bytes = new Uint8Array(8)
        access.readSlice(bytes, 0)
        access.writeSlice(bytes, 0)
        assert.throws(() => access.readU32(-1), RangeError, where)
        if (!('views' in access)) continue
        const views = access.views(0, 16)
        assert.equal(Object.getPrototypeOf(views), Array.prototype, where)
        assert.equal(Object.getPrototypeOf(views[0]), Uint8Array.prototype, where)
        assert.ok(access.findRegion(0x8000) instanceof region.constructor, where)
      }
    }
    const locked = new GuestMemoryAtomic(memory).lockAsync()
    assert.ok(locked instanceof Promise)
    return locked.then((guard) => guard.dispose())
  },

  /** Bigints, and addresses in other windows, are looked up without globals of a realm that has gone. */
  gone() {
    const context = newContext()
    const { GuestMemoryAtomic, GuestMemoryMmap } = loadInto(context)
    const atomic = new GuestMemoryAtomic(
      GuestMemoryMmap.fromRanges([
        [0, 0x1000],
        [0x4000, 0x1000],
      ]),
    )
    vm.runInContext(
      '{ const all = globalThis; for (const name of Object.getOwnPropertyNames(all)) delete all[name] }',
      context,
    )
    for (let i = 0n; i < 50n; i += 1n) {
      const guard = atomic.memory()
      guard.writeU64(i, 0x4000n + i)
      assert.equal(guard.readU64(0x4000n + i), i)
      assert.equal(guard.views(0x4000n, 4).length, 1)
      assert.equal(guard.checkRange(0n, 16), true)
      guard.dispose()
    }
    return atomic.lockAsync({ timeout: 1000, signal: new AbortController().signal }).then((guard) => guard.dispose())
  },

  /** Getters on a wrong `this` throw what the documentation says, as they do in the host's realm. */
  receivers() {
    const exports = loadInto(newContext())
    let count = 0
    for (const { prototype } of Object.values(exports)) {
      for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(prototype ?? {}))) {
        if (get === undefined) continue
        count += 1
        for (const receiver of [{}, exports, prototype, undefined, 1]) {
          assert.throws(
            () => get.call(receiver),
            (error) => error instanceof TypeError && error.code === 'ERR_INVALID_ARG_TYPE',
            name,
          )
        }
      }
    }
    assert.ok(count > 20, `${count} getters`)
  },

  /** `using` finds its method under each name that engines and compilers have for it. */
  using() {
    const { FileOffset, GuestMemoryAtomic, GuestMemoryExclusiveGuard, GuestMemoryLoadGuard, GuestMemoryMmap } =
      loadInto(newContext())
    const symbols = [Symbol.dispose, Symbol.for('nodejs.dispose'), Symbol.for('Symbol.dispose')]
    for (const { name, prototype } of [FileOffset, GuestMemoryExclusiveGuard, GuestMemoryLoadGuard, GuestMemoryMmap]) {
      for (const symbol of symbols) assert.equal(typeof prototype[symbol], 'function', `${name}: ${String(symbol)}`)
    }
    const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
    for (const symbol of symbols) {
      const guard = atomic.lock()
      guard[symbol]()
      assert.throws(() => guard.replace(new GuestMemoryMmap()), { code: 'ERR_DISPOSED' })
    }
  },

  /** `lockAsync` waits by the timers of the context that has loaded the package last, whatever they have become since. */
  async timers() {
    for (let file = 0; file < 3; file += 1) {
      const context = newContext({ setTimeout, clearTimeout })
      const { GuestMemoryAtomic, GuestMemoryMmap } = loadInto(context)
      const fake = fakeTimers()
      Object.assign(context, { setTimeout: fake.setTimeout, clearTimeout: fake.clearTimeout })
      const atomic = new GuestMemoryAtomic(new GuestMemoryMmap())
      const guard = atomic.lock()
      const waiting = atomic.lockAsync({ timeout: 60_000 })
      assert.deepEqual(fake.delays(), [60_000], `context ${file + 1}`)
      fake.run()
      await assert.rejects(waiting, { code: 'ERR_LOCK_TIMEOUT' })
      const granted = atomic.lockAsync({ timeout: 60_000 })
      guard.dispose()
      ;(await granted).dispose()
      assert.deepEqual(fake.delays(), [], 'a timer is left')
    }
  },
}

const main = async () => {
  await PARTS[process.argv[2]]()
  console.log('fine')
}
if (require.main === module) main()
