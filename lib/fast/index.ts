/**
 * Fast paths: methods that are answered from a table of views, when that is certainly right, and otherwise by the native
 * methods that they replace, so that semantics and errors have one source. `VM_MEMORY_FAST_PATHS=0` leaves them out.
 */
import { endianness } from 'node:os'
import { join } from 'node:path'
import type * as VmMemory from '../../index'
import { defineMethod } from '../protocols'
import type * as GuardsModule from './guards'
import type * as MethodsModule from './methods'
import type { Methods } from './methods/kind'
import { type Layout, takeLayout, takeSlotMethods } from './take'

type Enter = (object: object) => object

/**
 * Loads a module, and with it the fast methods, anew for each class. The engine specializes code by where it stands in the
 * source; of code that several classes share it would have to expect the objects of all of them.
 */
function instantiate<T>(path: string): T {
  for (const name of Object.keys(require.cache)) {
    if (name.startsWith(join(__dirname, 'methods'))) Reflect.deleteProperty(require.cache, name)
  }
  const resolved = require.resolve(path)
  Reflect.deleteProperty(require.cache, resolved)
  return require(resolved) as T
}

/** The methods of a class as they are now. */
function methodsOf<T extends object>(prototype: T): T {
  return Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([name, { value }]) => [name, value as unknown]),
  ) as unknown as T
}

function install(prototype: object, methods: object): void {
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
}

export function installFastPaths(native: typeof VmMemory): void {
  const { GuestMemoryAtomic, GuestMemoryMmap, GuestMemoryLoadGuard, GuestRegionMmap, VolatileSlice } = native
  const layouts = [GuestMemoryMmap, GuestRegionMmap, VolatileSlice].map(({ prototype }) => takeLayout(prototype))
  const [mapLayout, regionLayout, sliceLayout] = layouts as [Layout, Layout, Layout]
  const slotMethods = takeSlotMethods(GuestMemoryAtomic)
  // Views read integers in the order that they are told, memory has that of the host.
  if (process.env.VM_MEMORY_FAST_PATHS === '0' || endianness() !== 'LE') return

  function installOn(prototype: Methods, methods: typeof MethodsModule, enter: Enter, isPageAligned = true): void {
    install(prototype, methods.byteMethods({ native: methodsOf(prototype), enter }, isPageAligned))
  }
  function entering(methods: typeof MethodsModule, layout: Layout): Enter {
    return (object) => {
      methods.attach(object, layout)
      return object
    }
  }

  const mapMethods = instantiate<typeof MethodsModule>('./methods')
  const { installGuards } = instantiate<typeof GuardsModule>('./guards')
  const guards = installGuards(native, (map) => mapMethods.tableOf(map, mapLayout), slotMethods)
  for (const [{ prototype }, methods, enter] of [
    [GuestMemoryMmap, mapMethods, entering(mapMethods, mapLayout)],
    [GuestMemoryLoadGuard, guards.methods, guards.enter],
  ] as const) {
    const lookups = methods.lookupMethods(methodsOf(prototype), enter)
    installOn(prototype, methods, enter)
    install(prototype, lookups)
  }
  const regionMethods = instantiate<typeof MethodsModule>('./methods')
  installOn(GuestRegionMmap.prototype, regionMethods, entering(regionMethods, regionLayout))
  const sliceMethods = instantiate<typeof MethodsModule>('./methods')
  installOn(VolatileSlice.prototype, sliceMethods, entering(sliceMethods, sliceLayout), false)
}
