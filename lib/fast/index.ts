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
import process from 'node:process'
import type * as VmMemory from '../../index'
import type { Door } from '../door'
import { defineMethod } from '../protocols'
import { installGuards } from './guards'
import { uncurryThis } from '../intrinsics'
import type * as MethodsModule from './methods'
import type { Traits } from './methods/attach'
import { type Kind, nativesOf } from './methods/kind'

// As it is now: users may replace it.
const isPrototypeOf = uncurryThis(Object.prototype.isPrototypeOf)

function install(prototype: object, methods: object): void {
  for (const [name, method] of Object.entries(methods)) defineMethod(prototype, name, method)
}

/** What native methods are called on where that is the object itself, which gets its table when it is time. */
function itself({ anchored, noteUse }: typeof MethodsModule, traits: Traits): Kind['toNative'] {
  return (object) => {
    noteUse(anchored(object), traits, () => object)
    return object
  }
}

export function installFastPaths(native: typeof VmMemory, door: Door): void {
  // Views read integers in the order that they are told, memory has that of the host.
  if (process.env.VM_MEMORY_FAST_PATHS === '0' || endianness() !== 'LE') return

  const { prototype: map } = native.GuestMemoryMmap
  const { prototype: guard } = native.GuestMemoryLoadGuard
  const { prototype: region } = native.GuestRegionMmap
  const { prototype: slice } = native.VolatileSlice
  const ofMaps = require('./of-maps') as typeof MethodsModule
  const ofRegions = require('./of-regions') as typeof MethodsModule
  const ofSlices = require('./of-slices') as typeof MethodsModule
  const mapTraits: Traits = { door, isPageAligned: true, worthFrom: 2 }
  const regionTraits: Traits = { door, isPageAligned: true, worthFrom: 2 }
  // Slices are many, and short-lived.
  const sliceTraits: Traits = { door, isPageAligned: false, worthFrom: 32 }
  const bufferOf = uncurryThis(
    Object.getOwnPropertyDescriptor(region, 'buffer')?.get as (this: VmMemory.GuestRegionMmap) => ArrayBuffer,
  )
  const guards = installGuards(native, door, (cursor, mapOf) => ofMaps.noteUse(cursor, mapTraits, mapOf))
  door.stampBy((object) => {
    if (isPrototypeOf(map, object)) ofMaps.anchored(object)
    else if (isPrototypeOf(region, object)) ofRegions.anchored(object)
  })
  install(map, ofMaps.mapMethods(nativesOf(map), itself(ofMaps, mapTraits), bufferOf))
  install(guard, guards.methods.mapMethods(guards.natives, guards.guardToNative, bufferOf))
  install(region, ofRegions.byteMethods(nativesOf(region), itself(ofRegions, regionTraits), true))
  install(slice, ofSlices.byteMethods(nativesOf(slice), itself(ofSlices, sliceTraits), false))
}
