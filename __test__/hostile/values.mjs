// Values that nobody would pass in earnest. Each is made anew for each call, since calls may use them up.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { makers, memory, region, vm } from './surface.mjs'
import { sentinel } from './verdict.mjs'

const throwSentinel = () => {
  throw sentinel
}

/** Throws at whatever is done with it. */
const throwingProxy = (target) => new Proxy(target, new Proxy({}, { get: () => throwSentinel }))

function revokedProxy(target) {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const throwingGetters = (target, names) =>
  Object.defineProperties(target, Object.fromEntries(names.map((name) => [name, { get: throwSentinel }])))

function detached(view) {
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

/** A view that its resizable buffer no longer holds. */
function outOfBounds() {
  const buffer = new ArrayBuffer(64, { maxByteLength: 128 })
  const view = new Uint8Array(buffer, 32, 32)
  buffer.resize(16)
  return view
}

const OPTION_NAMES = ['bitmap', 'fd', 'hugetlb', 'id', 'length', 'seal', 'signal', 'timeout', 'type', '0', '1', '2']

// Small positive numbers are left out on purpose: as descriptors they would be those of the runtime itself.
const safe = [0, -0, 4095, 4096, 4097, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]
const unsafe = [2 ** 53, 2 ** 63, 2 ** 64, Number.MAX_VALUE, Infinity, -Infinity, NaN]
const negative = [-1, -4096, -(2 ** 31), -(2 ** 53), -1n, -(2n ** 63n), -(2n ** 127n)]
const fractions = [0.5, 4096.5, -1.5, Number.MIN_VALUE]
const bigints = [0n, 1n, 4096n, 65536n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]
const hugeBigints = [2n ** 64n, 2n ** 128n, 2n ** 4096n]
const numbers = [...safe, ...unsafe, ...negative, ...fractions, ...bigints, ...hugeBigints]

const strings = ['', '0', '4096', 'u8', 'u128', 'Relaxed', '\0', '\ud800', 'x'.repeat(2 ** 20), '__proto__']

const scalarTypes = [
  ['u8', 0],
  ['u8', 16],
  ['u8', 2 ** 31],
  ['u8', 2 ** 40],
  ['u8', Number.MAX_SAFE_INTEGER],
  ['u128', 2 ** 32],
  ['u128', 2n ** 60n],
  ['be64', 2n ** 64n - 1n],
  ['u8', -1],
  ['u8'],
  [['u8', 1], 1],
]

const others = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  'a symbol': () => Symbol('s'),
  'Symbol.iterator': () => Symbol.iterator,
  'a boxed number': () => Object(4096),
  'a boxed bigint': () => Object(4096n),
  'an object': () => ({}),
  'an object without prototype': () => Object.create(null),
  'an object with valueOf': () => ({
    valueOf: throwSentinel,
    toString: throwSentinel,
    [Symbol.toPrimitive]: throwSentinel,
  }),
  'a date': () => new Date(4096),
  'a map': () => new Map([[0, 1]]),
  'an array': () => [],
  'an array of numbers': () => [4096, 4096],
  'an array of arrays': () => [[[[]]]],
  'an array of undefined ranges': () => [undefined, null],
  'an array of holes': () => Array.from({ length: 1 }).concat(Object.assign([], { length: 2 })),
  'the longest array': () => Object.assign([], { length: 2 ** 32 - 1 }),
  'an array with a throwing getter': () => throwingGetters([4096, 4096], ['0']),
  'a function': () => () => 0,
  'a throwing function': () => throwSentinel,
  'a function of nonsense': () => () => ({ length: -1 }),
  'a function of NaN': () => () => NaN,
  'a function of a huge number': () => () => Number.MAX_SAFE_INTEGER,
  'a function of a bigint': () => () => 1n,
  'an async function': () => async () => memory(),
  'a generator': () => (function* () {})(),
  'a class': () => Map,
  'a class of the package': () => vm.GuestMemoryMmap,
  'a prototype of the package': () => vm.GuestMemoryMmap.prototype,
  'the module': () => vm,
  'a promise': () => Promise.resolve(4096),
  'a thenable': () => throwingGetters({}, ['then']),
  'an aborted signal': () => AbortSignal.abort(),
  'options with an aborted signal': () => ({ signal: AbortSignal.abort() }),
  'options of nonsense': () => ({ bitmap: 'yes', seal: 1, hugetlb: null, timeout: 'soon', signal: 7, fd: 'one' }),
  'options with odd numbers': () => ({ timeout: NaN, fd: 1.5 }),
  'options with bigints': () => ({ timeout: 1n, fd: 0n }),
  'options that track': () => ({ bitmap: true }),
  'options with throwing getters': () => throwingGetters({}, OPTION_NAMES),
  'an fd that is closed': () => ({ fd: 2 ** 31 - 1 }),
  'an fd that is negative': () => ({ fd: -1 }),
  'an fd that is an object': () => ({ fd: { fd: 0 } }),
  'a ticket': () => ({ type: 'GuestMemoryMmap', id: '00000000000000000000000000000000' }),
  'a ticket of nonsense': () => ({ type: {}, id: 7 }),
  'a proxy': () => new Proxy({}, {}),
  'a throwing proxy': () => throwingProxy({}),
  'a throwing proxy of an array': () => throwingProxy([4096, 4096]),
  'a throwing proxy of a function': () => throwingProxy(() => 0),
  'a revoked proxy': () => revokedProxy({}),
  'a revoked proxy of an array': () => revokedProxy([]),
  'a proxy of a typed array': () => new Proxy(new Uint8Array(16), {}),
  'an array-like that lies': () => ({ length: 2 ** 32, 0: 1 }),
  'an array-like with a negative length': () => ({ length: -1 }),
  'an ArrayBuffer': () => new ArrayBuffer(16),
  'a SharedArrayBuffer': () => new SharedArrayBuffer(16),
  'a detached ArrayBuffer': () => detached(new Uint8Array(16)).buffer,
  'a Uint8Array': () => new Uint8Array(16),
  'an empty Uint8Array': () => new Uint8Array(0),
  'a huge Uint8Array': () => new Uint8Array(2 ** 26),
  'a shared Uint8Array': () => new Uint8Array(new SharedArrayBuffer(16)),
  'a growable shared Uint8Array': () => new Uint8Array(new SharedArrayBuffer(16, { maxByteLength: 64 })),
  'a resizable Uint8Array': () => new Uint8Array(new ArrayBuffer(16, { maxByteLength: 64 })),
  'an out-of-bounds Uint8Array': outOfBounds,
  'a detached Uint8Array': () => detached(new Uint8Array(16)),
  'a detached DataView': () => detached(new DataView(new ArrayBuffer(16))),
  'a DataView': () => new DataView(new ArrayBuffer(16), 3, 5),
  'a Buffer': () => Buffer.alloc(16),
  'a pooled Buffer': () => Buffer.from('sixteen bytes ..'),
  'a Float64Array': () => new Float64Array([NaN, -0, Infinity]),
  'a BigInt64Array': () => new BigInt64Array(2),
  'a Uint16Array': () => new Uint16Array(3),
  'a Uint8Array without prototype': () => Object.setPrototypeOf(new Uint8Array(16), null),
  'a Uint8Array that lies about its length': () =>
    Object.defineProperties(new Uint8Array(16), {
      length: { value: 2 ** 31 },
      byteLength: { value: 2 ** 31 },
      byteOffset: { value: -5 },
    }),
  'a Uint8Array that lies about its buffer': () =>
    Object.defineProperty(new Uint8Array(16), 'buffer', { value: new ArrayBuffer(1) }),
  'a Uint8Array with throwing getters': () =>
    throwingGetters(new Uint8Array(16), ['length', 'byteLength', 'byteOffset', 'buffer', 'constructor', 'set']),
  'a subclass of Uint8Array': () => new (class extends Uint8Array {})(16),
  'a look-alike of a Uint8Array': () => Object.setPrototypeOf({ length: 16, byteLength: 16 }, Uint8Array.prototype),
  'guest memory': () => region().asUint8Array(0, 16),
  'all of a guest region': () => new Uint8Array(region().buffer),
  'guest memory as a DataView': () => new DataView(region().buffer, 1, 9),
}

/** Labels and makers of hostile values. */
export const hostileValues = [
  ...numbers.map((value) => [
    `${Object.is(value, -0) ? '-0' : String(value).slice(0, 40)} (${typeof value})`,
    () => value,
  ]),
  ...strings.map((value) => [JSON.stringify(value).slice(0, 24), () => value]),
  ...scalarTypes.map((value) => [String(value), () => value]),
  ...Object.entries(others),
  // Every class of the package where another is wanted, and what only looks like an instance.
  ...Object.entries(makers).flatMap(([name, make]) => [
    [`a ${name}`, make],
    [`a proxy of a ${name}`, () => new Proxy(make(), {})],
    [`an heir of a ${name}`, () => Object.create(make())],
    [`a bare ${name}`, () => Object.create(vm[name].prototype)],
  ]),
]
