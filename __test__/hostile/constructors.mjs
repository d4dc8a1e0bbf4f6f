// Classes called, constructed and extended as they are not meant to be.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { constructible, instanceMembers, makers, memory, vm } from './surface.mjs'
import { complain, errorOf, isAllowed, isTypeError } from './verdict.mjs'

function mustThrowTypeError(where, call) {
  const error = errorOf(call)
  if (error === null) complain(where, 'returned')
  else if (!isTypeError(error)) complain(where, error)
}

const someArguments = [[], [memory()], [16384], [{}], [null, null, null], [new vm.MmapRegion(4096), 0]]

for (const name of Object.keys(makers)) {
  const Class = vm[name]
  for (const args of someArguments) {
    const given = `with ${args.length} arguments`
    mustThrowTypeError(`${name}() ${given}`, () => Class(...args))
    mustThrowTypeError(`${name}.call(instance) ${given}`, () => Reflect.apply(Class, makers[name](), args))
    mustThrowTypeError(`${name}.call({}) ${given}`, () => Reflect.apply(Class, {}, args))
    if (constructible.has(name)) continue
    mustThrowTypeError(`new ${name} ${given}`, () => new Class(...args))
    mustThrowTypeError(`new of a subclass of ${name} ${given}`, () => new (class extends Class {})(...args))
    mustThrowTypeError(`new ${name} as Object ${given}`, () => Reflect.construct(Class, args, Object))
  }
  // Right arguments under wrong prototypes: whatever comes of it must not pass for an instance of the other class.
  for (const other of Object.keys(makers)) {
    if (other === name) continue
    const error = errorOf(() => {
      const chimera = Reflect.construct(Class, [memory()], vm[other])
      for (const member of instanceMembers(other)) {
        errorOf(() => {
          const result = Reflect.apply(member.function, chimera, [])
          // Some promise to refuse.
          if (result instanceof Promise) result.catch(() => {})
        })
      }
    })
    if (error !== null && !isAllowed(error) && !isTypeError(error)) complain(`${name} constructed as ${other}`, error)
  }
}

/** Subclasses of what `new` can make are instances of both, and are taken where the class is. */
class Named extends vm.GuestMemoryMmap {
  name = 'named'
}
const named = new Named()
if (!(named instanceof Named) || named.numRegions !== 0 || named.name !== 'named') complain('a subclass', named)
if (new vm.GuestMemoryAtomic(named).memory().numRegions !== 0) complain('an atomic of a subclass', named)

// A guard is a map to `instanceof`, and whoever calls the class on one must not make it another map.
const guard = new vm.GuestMemoryAtomic(memory()).memory()
mustThrowTypeError('GuestMemoryMmap.call(guard)', () => Reflect.apply(vm.GuestMemoryMmap, guard, []))
if (guard.numRegions !== memory().numRegions) complain('a guard that the class of maps was called on', guard)

// A constructor that throws half way leaves nothing behind that would upset the collector.
for (let i = 0; i < 1000; i += 1) {
  errorOf(() => new vm.GuestRegionMmap(new vm.MmapRegion(4096), 2n ** 64n - 1n))
  errorOf(() => new vm.GuestMemoryAtomic({}))
  errorOf(() => new vm.FileOffset(2 ** 31 - 1, 0))
}
globalThis.gc()
