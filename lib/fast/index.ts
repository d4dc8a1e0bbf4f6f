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
 *     of-mappings/
 *     of-slices/    of which slices, which have no tables, use a part
 *
 * They are required by constant names, so that bundlers and tracers can follow.
 */
import { endianness } from 'node:os'
import process from 'node:process'
import type * as VmMemory from '../../index'
import type { Door } from '../door'
import { defineMethod } from '../protocols'
import { installBitmaps, stampBitmap } from './bitmaps'
import { installGuards } from './guards'
import { uncurryThis } from '../intrinsics'
import type * as MethodsModule from './methods'
import type { Traits } from './methods/attach'
import type { Kind } from './methods/kind'
import type { BackingOf } from './methods/parts'
import { nativesOf } from './natives'
import { Backing } from './places/backing'
import { stampStruct } from './structs'
import { installVolatile } from './volatile'

// As it is now: users may replace it.
const isPrototypeOf = uncurryThis(Object.prototype.isPrototypeOf)

/** Getters of what never changes. */
const MAP_CONSTANTS = ['numRegions', 'lastAddr']
/** `isHugetlbfs` can be set until a region has the mapping. */
const REGION_CONSTANTS = ['startAddr', 'lastAddr', 'isHugetlbfs']
const MAPPING_CONSTANTS = ['len', 'isEmpty', 'size', 'prot', 'flags', 'owned', 'pageSize', 'recoverFaults']

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

/** Makes what slices and references of a region or a mapping are backed by. */
function backings({ anchored, noteUse }: typeof MethodsModule, traits: Traits, prototype: VmMemory.Mapping): BackingOf {
  const bitmapOf = uncurryThis(
    Object.getOwnPropertyDescriptor(prototype, 'bitmap')?.get as (this: object) => VmMemory.AtomicBitmap | null,
  )
  return (object) => {
    const cursor = anchored(object)
    return new Backing(object, cursor, bitmapOf, () => noteUse(cursor, traits, () => object))
  }
}

export function installFastPaths(native: typeof VmMemory, door: Door): void {
  // Views read integers in the order that they are told, memory has that of the host.
  if (process.env.VM_MEMORY_FAST_PATHS === '0' || endianness() !== 'LE') return

  const { prototype: map } = native.GuestMemoryMmap
  const { prototype: guard } = native.GuestMemoryLoadGuard
  const { prototype: region } = native.GuestRegionMmap
  const { prototype: mapping } = native.MmapRegion
  const { prototype: bitmap } = native.AtomicBitmap
  const ofMaps = require('./of-maps') as typeof MethodsModule
  const ofRegions = require('./of-regions') as typeof MethodsModule
  const ofMappings = require('./of-mappings') as typeof MethodsModule
  const ofSlices = require('./of-slices') as typeof MethodsModule
  const traits: Traits = { door, worthFrom: 2 }
  const bufferOf = uncurryThis(
    Object.getOwnPropertyDescriptor(region, 'buffer')?.get as (this: VmMemory.GuestRegionMmap) => ArrayBuffer,
  )
  const guards = installGuards(native, door, (cursor, mapOf) => ofMaps.noteUse(cursor, traits, mapOf))
  door.stampBy((object) => {
    if (isPrototypeOf(map, object)) ofMaps.anchored(object)
    else if (isPrototypeOf(region, object)) ofRegions.anchored(object)
    else if (isPrototypeOf(bitmap, object)) stampBitmap(object)
    else if (Object.hasOwn(object, 'offsets')) stampStruct(object)
  })
  // What the native getter is.
  const startOf = uncurryThis(
    Object.getOwnPropertyDescriptor(region, 'startAddr')?.get as (this: VmMemory.GuestRegionMmap) => bigint,
  )
  ofMaps.installConstants(map, MAP_CONSTANTS, true)
  guards.methods.installConstants(guard, MAP_CONSTANTS, false)
  ofRegions.installConstants(region, [...REGION_CONSTANTS, ...MAPPING_CONSTANTS], true)
  ofMappings.installConstants(mapping, MAPPING_CONSTANTS, true)
  installBitmaps(native.AtomicBitmap)
  const regions = nativesOf(region)
  const mappings = nativesOf(mapping)
  const ofRegion = backings(ofRegions, traits, region)
  install(map, ofMaps.mapMethods(nativesOf(map), itself(ofMaps, traits), bufferOf, ofRegion))
  install(guard, guards.methods.mapMethods(guards.natives, guards.guardToNative, bufferOf, ofRegion))
  install(region, ofRegions.byteMethods(regions, itself(ofRegions, traits)))
  install(region, ofRegions.regionMethods(regions, itself(ofRegions, traits), startOf))
  install(region, ofRegions.mappingMethods(regions, itself(ofRegions, traits)))
  install(mapping, ofMappings.mappingMethods(mappings, itself(ofMappings, traits)))
  ofRegions.installIsReleased(region)
  ofMappings.installIsReleased(mapping)
  install(region, ofRegions.partMethods(regions, itself(ofRegions, traits), ofRegion))
  const ofMapping = backings(ofMappings, traits, mapping)
  install(mapping, ofMappings.partMethods(mappings, itself(ofMappings, traits), ofMapping))
  const halfOf = installVolatile(native, door, ofSlices)
  door.findHalvesBy((object) => guards.halfOf(object) ?? halfOf(object))
}
