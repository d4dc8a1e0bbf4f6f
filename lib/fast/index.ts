/**
 * Fast paths: methods that are answered from a table of views, when that is certainly right, and otherwise by the native
 * methods that they replace, so that semantics and errors have one source. `VM_MEMORY_FAST_PATHS=0` leaves them out.
 *
 * Each class has a copy of the fast methods for itself. The engine specializes code by where it stands in the source; code
 * that several classes shared would have to expect the objects of all of them, which costs a factor of 1.5 to 2.5.
 *
 *     methods/      is that of guards, which import it
 *     of-maps/      and the others are copies of it, made by the build (scripts/copy-methods.mjs)
 *     of-regions/
 *     of-slices/
 *
 * They are required by constant names, so that bundlers and tracers can follow.
 */
import { endianness } from 'node:os'
import type * as VmMemory from '../../index'
import type { Door } from '../door'
import { defineMethod } from '../protocols'
import { installGuards } from './guards'
import type * as MethodsModule from './methods'
import type { Traits } from './methods/attach'

/** The methods of a class as they are now. */
function methodsOf<T extends object>(prototype: T): T {
  return Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([name, { value }]) => [name, value as unknown]),
  ) as unknown as T
}

function install(prototype: object, methods: object): void {
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
}

/** Makes a class's objects get their fast paths. */
function toNativeOf({ noteUse }: typeof MethodsModule, traits: Traits): (object: object) => object {
  return (object) => {
    noteUse(object, traits)
    return object
  }
}

export function installFastPaths(native: typeof VmMemory, door: Door): void {
  const { GuestMemoryMmap, GuestMemoryLoadGuard, GuestRegionMmap, VolatileSlice } = native
  // Views read integers in the order that they are told, memory has that of the host.
  if (process.env.VM_MEMORY_FAST_PATHS === '0' || endianness() !== 'LE') return

  const mapTraits: Traits = { door, isPageAligned: true, worthFrom: 2 }
  const regionTraits: Traits = { door, isPageAligned: true, worthFrom: 2 }
  // Slices are many, and short-lived.
  const sliceTraits: Traits = { door, isPageAligned: false, worthFrom: 32 }
  const ofMaps = require('./of-maps') as typeof MethodsModule
  const ofRegions = require('./of-regions') as typeof MethodsModule
  const ofSlices = require('./of-slices') as typeof MethodsModule
  const { methods: ofGuards, guardToNative } = installGuards(
    native,
    { worthFrom: mapTraits.worthFrom, tableOf: (map) => ofMaps.tableOf(map, mapTraits) },
    door,
  )
  const { prototype: map } = GuestMemoryMmap
  const { prototype: guard } = GuestMemoryLoadGuard
  const { prototype: region } = GuestRegionMmap
  const { prototype: slice } = VolatileSlice
  const buffer = Object.getOwnPropertyDescriptor(region, 'buffer')?.get as () => ArrayBuffer
  const bufferOf = (of: VmMemory.GuestRegionMmap): ArrayBuffer => buffer.call(of)
  install(map, ofMaps.mapMethods(methodsOf(map), toNativeOf(ofMaps, mapTraits), bufferOf))
  install(guard, ofGuards.mapMethods(methodsOf(guard), guardToNative, bufferOf))
  install(region, ofRegions.byteMethods(methodsOf(region), toNativeOf(ofRegions, regionTraits), true))
  install(slice, ofSlices.byteMethods(methodsOf(slice), toNativeOf(ofSlices, sliceTraits), false))
}
