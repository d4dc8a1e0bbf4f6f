// Callbacks and getters that change, in the middle of a call, what the call works on.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setImmediate, setTimeout } from 'node:timers/promises'
import { fileDescriptor, vm } from './surface.mjs'
import { complain, errorOf, expectCode, expectSame, isAllowed, sentinel } from './verdict.mjs'

const BASE = 65536
const SIZE = 4096

const twoRegions = () =>
  vm.GuestMemoryMmap.fromRanges([
    [BASE, SIZE],
    [BASE + SIZE, SIZE],
  ])
const atomicOf = (memory = twoRegions()) => new vm.GuestMemoryAtomic(memory)
/** A reader of byte streams detaches the buffer that it is given at once, and this one never gives it back. */
function steal(buffer) {
  if (buffer.byteLength === 0) return
  const reader = new ReadableStream({ type: 'bytes' }).getReader({ mode: 'byob' })
  reader.read(new Uint8Array(buffer)).catch(() => {})
  if (buffer.byteLength !== 0) complain('steal', 'the buffer is still there')
}

// ------------------------------------------------------------------------------------------------ tryAccess

/** Runs `work` in the first callback of a tryAccess over both regions, which must go on as if nothing had happened. */
function accessWhile(where, target, work) {
  const seen = []
  const error = errorOf(() => {
    const total = target.tryAccess(2 * SIZE, BASE, (offset, len, regionAddr, region) => {
      if (seen.length === 0) work(region)
      seen.push([offset, len, regionAddr, region.startAddr])
      region.writeU8(0x11, regionAddr)
      return len
    })
    expectSame(`${where}: total`, total, 2 * SIZE)
  })
  if (error !== null) complain(where, error)
  const expected = [
    [0, SIZE, 0, BigInt(BASE)],
    [SIZE, SIZE, 0, BigInt(BASE + SIZE)],
  ]
  expectSame(`${where}: calls`, String(seen), String(expected))
}

{
  const atomic = atomicOf()
  const guard = atomic.memory()
  accessWhile('the map is replaced', guard, () => atomic.lock().replace(new vm.GuestMemoryMmap()))
  expectSame('regions after the replacement', atomic.memory().numRegions, 0)
  expectSame('the guard after the replacement', guard.readU8(BASE), 0x11)
}
{
  const guard = atomicOf().memory()
  accessWhile('the guard is disposed', guard, () => guard.dispose())
  expectCode('the guard afterwards', 'ERR_DISPOSED', () => guard.readU8(BASE))
}
{
  const atomic = atomicOf()
  const guard = atomic.memory()
  accessWhile('the guard is consumed, the map replaced, garbage collected', guard, () => {
    guard.intoInner()
    atomic.update(() => new vm.GuestMemoryMmap())
    globalThis.gc()
  })
}
{
  const atomic = atomicOf()
  accessWhile('regions are removed', atomic.memory(), () => {
    atomic.update((map) => map.removeRegion(BASE, SIZE)[0].removeRegion(BASE + SIZE, SIZE)[0])
    globalThis.gc()
  })
}
accessWhile('the buffer is stolen', twoRegions(), (region) => steal(region.buffer))
{
  const memory = twoRegions()
  accessWhile('another access runs', memory, () => {
    accessWhile('the inner access', memory, () => accessWhile('the innermost access', memory, globalThis.gc))
  })
  const error = errorOf(() =>
    memory.tryAccess(1, BASE, () =>
      memory.tryAccess(1, BASE, () => {
        throw sentinel
      }),
    ),
  )
  expectSame('what the inner callback throws', error, sentinel)
}
expectCode('a callback that answers with a promise', 'ERR_INVALID_ARG_TYPE', () =>
  twoRegions().tryAccess(1, BASE, async () => 1),
)

// ------------------------------------------------------------------------------------------------ update

{
  const atomic = atomicOf()
  atomic.update((map) => {
    expectCode('lock within update', 'ERR_LOCK_HELD', () => atomic.lock())
    expectCode('update within update', 'ERR_LOCK_HELD', () => atomic.update((inner) => inner))
    expectSame('tryLock within update', atomic.clone().tryLock(), null)
    expectSame('the map within update', atomic.memory().intoInner(), map)
    globalThis.gc()
    return map
  })
  const before = atomic.memory().intoInner()
  expectCode('update by a promise', 'ERR_INVALID_ARG_TYPE', () => atomic.update(async (map) => map))
  expectCode('update by nothing', 'ERR_INVALID_ARG_TYPE', () => atomic.update(() => undefined))
  expectSame(
    'what the function of update throws',
    errorOf(() =>
      atomic.update(() => {
        throw sentinel
      }),
    ),
    sentinel,
  )
  expectCode('update by a disposed guard', 'ERR_DISPOSED', () =>
    atomic.update(() => {
      const guard = atomic.memory()
      guard.dispose()
      return guard
    }),
  )
  expectSame('the map after failed updates', atomic.memory().intoInner(), before)
  const guard = atomic.tryLock()
  if (guard === null) complain('the lock after failed updates', 'is held')
  guard?.dispose()
}
{
  const atomic = atomicOf()
  let granted = null
  const waiting = []
  atomic.update((map) => {
    waiting.push(atomic.lockAsync().then((guard) => (granted = guard)))
    return map
  })
  await Promise.all(waiting)
  expectSame('a lock that was asked for within update', granted instanceof vm.GuestMemoryExclusiveGuard, true)
  granted.dispose()
}

// ------------------------------------------------------------------------------------------------ signals

for (const name of ['addEventListener', 'throwIfAborted', 'removeEventListener']) {
  const atomic = atomicOf()
  const held = atomic.lock()
  const { signal } = new AbortController()
  Object.defineProperty(signal, name, {
    value: () => {
      throw sentinel
    },
  })
  const waiting = atomic.lockAsync({ signal, timeout: 50 }).then(
    (guard) => guard.dispose(),
    (error) => {
      if (error !== sentinel && !isAllowed(error)) complain(`a signal whose ${name} throws`, error)
    },
  )
  if (name === 'removeEventListener') held.dispose()
  const late = Symbol('late')
  if ((await Promise.race([waiting, setTimeout(2000, late)])) === late) complain(name, 'a promise that never settles')
  held.dispose()
  // What has failed does not stand in the line any more.
  const guard = atomic.tryLock()
  if (guard === null) complain(`the lock after a signal whose ${name} throws`, 'is held')
  guard?.dispose()
}

// ------------------------------------------------------------------------------------------------ getters of arguments

/** What getters may do before they answer. */
const deeds = {
  'dispose the guard': ({ guard }) => guard.dispose(),
  'replace the map': ({ atomic }) => atomic.tryLock()?.replace(new vm.GuestMemoryMmap()),
  'steal the buffer': ({ region }) => steal(region.buffer),
  'detach the argument': ({ bytes }) => steal(bytes.buffer),
  'shrink the argument': ({ resizable }) => resizable.buffer.resize(0),
  'take and keep the lock': ({ atomic }) => atomic.tryLock(),
  'collect garbage': () => globalThis.gc(),
  'move the mapping': ({ mapping }) => new vm.GuestRegionMmap(mapping, BASE),
  throw: () => {
    throw sentinel
  },
}

function subjects() {
  const atomic = atomicOf()
  const guard = atomic.memory()
  return {
    atomic,
    guard,
    region: guard.findRegion(BASE),
    mapping: new vm.MmapRegion(SIZE),
    bytes: new Uint8Array(16),
    resizable: new Uint8Array(new ArrayBuffer(16, { maxByteLength: 32 })),
  }
}

/** Calls whose arguments have properties; `when` makes a getter that does the deed and then gives the value. */
const calls = {
  'readVolatileFrom of an fd': ({ guard }, when) => guard.readVolatileFrom(BASE, when('fd', fileDescriptor), 16),
  'writeVolatileTo of an fd': ({ region }, when) => region.writeVolatileTo(0, when('fd', fileDescriptor), 16),
  'readVolatileFromAsync of an fd': ({ guard }, when) =>
    guard.readVolatileFromAsync(BASE, when('fd', fileDescriptor), 16).catch((error) => {
      if (!isAllowed(error)) complain('readVolatileFromAsync', error)
    }),
  'slice.readVolatile of an fd': ({ guard }, when) => guard.getSlice(BASE, 8).readVolatile(when('fd', fileDescriptor)),
  'new FileOffset of an fd': (_subjects, when) => new vm.FileOffset(when('fd', fileDescriptor), 0),
  'lock with a timeout': ({ atomic }, when) => atomic.lock(when('timeout', 0)),
  'lockAsync with a timeout': ({ atomic }, when) =>
    atomic.lockAsync(when('timeout', 0)).then(
      (guard) => guard.dispose(),
      (error) => {
        if (!isAllowed(error)) complain('lockAsync', error)
      },
    ),
  'fromRange with options': (_subjects, when) => vm.GuestRegionMmap.fromRange(0, SIZE, null, when('bitmap', true)),
  'new MmapRegion with options': (_subjects, when) => new vm.MmapRegion(SIZE, when('bitmap', true)),
  'a ticket': ({ atomic }, when) => {
    const { type, id } = atomic.share()
    return vm.GuestMemoryAtomic.fromShared(Object.assign(when('id', id), { type }))
  },
  'a list of ranges': (_subjects, when) => vm.GuestMemoryMmap.fromRanges(when('0', [0, SIZE], [])),
  'a range': (_subjects, when) => vm.GuestMemoryMmap.fromRanges([when('0', 0, [0, SIZE])]),
  'a list of regions': ({ region }, when) => vm.GuestMemoryMmap.fromRegions(when('0', region, [])),
  'a scalar type': ({ guard }, when) => guard.readObj(when('0', 'u8', ['u8', 16]), BASE),
  'an array-like value': ({ guard }, when) => guard.writeObj(['u8', 2], when('1', 7, { length: 2, 0: 1 }), BASE),
  'an array as value': ({ guard }, when) => guard.writeObj(['u8', 2], when('1', 7, [1, 2]), BASE),
  'a proxy as value': ({ guard, bytes }, when) =>
    guard.writeObj(['u8', 16], new Proxy(bytes, { get: (target, key) => when('0', target[key])[0] }), BASE),
}

for (const [deed, act] of Object.entries(deeds)) {
  for (const [call, make] of Object.entries(calls)) {
    const subject = subjects()
    const when = (key, value, target = {}) =>
      Object.defineProperty(target, key, {
        configurable: true,
        enumerable: true,
        get: () => {
          errorUnlessSentinel(() => act(subject), `${call}, ${deed}`)
          return value
        },
      })
    const error = errorOf(() => make(subject, when))
    if (error !== null && !isAllowed(error)) complain(`${call}, whose getter does ${deed}`, error)
    // Whatever happened, the region that is still in hand works.
    subject.region.writeU8(0x22, 0)
    expectSame(`the region after ${call}, ${deed}`, subject.region.readU8(0), 0x22)
  }
}

/** A deed that was done before fails the second time, which is no matter; what a getter throws on purpose is thrown on. */
function errorUnlessSentinel(work, where) {
  const error = errorOf(work)
  if (error === sentinel) throw error
  if (error !== null && !isAllowed(error) && !(error instanceof DOMException)) complain(where, error)
}

globalThis.gc()
await setImmediate()
