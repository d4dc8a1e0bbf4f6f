/**
 * Fast paths: methods that are answered from a table of views, when that is certainly right, and otherwise by the native
 * methods that they replace, so that semantics and errors have one source. `VM_MEMORY_FAST_PATHS=0` leaves them out.
 */
import { endianness } from 'node:os'
import type * as VmMemory from '../../index'
import { defineMethod } from '../protocols'
import { attach, type Layout, takeLayout } from './attach'
import { installGuards, takeSlotMethods } from './guards'
import type { Kind, Methods } from './kind'

/**
 * A module of its own for each class. The engine specializes code by where it stands in the source; of code that several
 * classes share it would have to expect the objects of all of them.
 */
function instantiate<T>(path: string): T {
  const resolved = require.resolve(path)
  Reflect.deleteProperty(require.cache, resolved)
  return require(resolved) as T
}

function fastMethods(kind: Kind, isPageAligned: boolean): Partial<Methods> {
  const { scalarMethods } = instantiate<typeof import('./scalars')>('./scalars')
  const { objectMethods } = instantiate<typeof import('./objects')>('./objects')
  const { copyMethods } = instantiate<typeof import('./copies')>('./copies')
  const scalars = scalarMethods(kind)
  const methods = { ...scalars, ...objectMethods(kind, scalars), ...copyMethods(kind) }
  if (!isPageAligned) return methods
  const { atomicMethods } = instantiate<typeof import('./atomics')>('./atomics')
  return { ...methods, ...atomicMethods(kind) }
}

function install(prototype: object, methods: object): void {
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
}

function installOn(prototype: Methods, enter: (object: object) => object, isPageAligned: boolean): void {
  install(prototype, fastMethods({ native: methodsOf(prototype), enter }, isPageAligned))
}

/** The methods of a class as they are now. */
function methodsOf(prototype: Methods): Methods {
  return Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([name, { value }]) => [name, value as unknown]),
  ) as unknown as Methods
}

export function installFastPaths(native: typeof VmMemory): void {
  const { GuestMemoryMmap, GuestMemoryLoadGuard, GuestRegionMmap, VolatileSlice } = native
  const layouts = [GuestMemoryMmap, GuestRegionMmap, VolatileSlice].map(({ prototype }) => takeLayout(prototype))
  const [mapLayout, regionLayout, sliceLayout] = layouts as [Layout, Layout, Layout]
  const slotMethods = takeSlotMethods(native.GuestMemoryAtomic)
  // Views read integers in the order that they are told, memory has that of the host.
  if (process.env.VM_MEMORY_FAST_PATHS === '0' || endianness() !== 'LE') return

  const entering = (layout: Layout) => (object: object) => {
    attach(object, layout)
    return object
  }
  const guards = installGuards(native, mapLayout, slotMethods)
  for (const [{ prototype }, enter] of [
    [GuestMemoryMmap, entering(mapLayout)],
    [GuestMemoryLoadGuard, guards.enter],
  ] as const) {
    const { lookupMethods } = instantiate<typeof import('./lookups')>('./lookups')
    const { addressInRange, checkRange, findRegion, views } = prototype
    const lookups = lookupMethods({ addressInRange, checkRange, findRegion, views }, enter)
    installOn(prototype, enter, true)
    install(prototype, lookups)
  }
  installOn(GuestRegionMmap.prototype, entering(regionLayout), true)
  installOn(VolatileSlice.prototype, entering(sliceLayout), false)
}
