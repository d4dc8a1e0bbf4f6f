// Holds the generated declarations against the agreed ones: everything agreed must be there, and take and give what was
// agreed. More is welcome. Checked by `tsc -p __test__/types`, never run; the agreed file lies beside the checkout.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type * as Package from '../../index.js'
import type * as Api from '../../../shared/api/second-round.js'

/** Errs unless `Actual` can be used as `Expected`. */
type Fits<Expected, Actual extends Expected> = Actual
/** Errs unless the argument is `never`; the error names what is left. */
type Nothing<_T extends never> = true
type Mutual<A, B> = [A] extends [B] ? ([B] extends [A] ? never : ['too narrow', A, B]) : ['too wide', A, B]

// ------------------------------------------------------------------------------------------------ values

/** Enums are nominal, so theirs is compared by its members further down; `default` is all of it once more. */
type Values = Omit<typeof Api, 'Ordering' | 'default'>

export type EveryValue = Fits<Values, typeof Package>

// One by one, so that an error says which.
export type Classes = [
  Fits<typeof Api.GuestMemoryAtomic, typeof Package.GuestMemoryAtomic>,
  Fits<typeof Api.GuestMemoryLoadGuard, typeof Package.GuestMemoryLoadGuard>,
  Fits<typeof Api.GuestMemoryExclusiveGuard, typeof Package.GuestMemoryExclusiveGuard>,
  Fits<typeof Api.GuestMemoryMmap, typeof Package.GuestMemoryMmap>,
  Fits<typeof Api.GuestRegionMmap, typeof Package.GuestRegionMmap>,
  Fits<typeof Api.MmapRegion, typeof Package.MmapRegion>,
  Fits<typeof Api.MmapRegionBuilder, typeof Package.MmapRegionBuilder>,
  Fits<typeof Api.FileOffset, typeof Package.FileOffset>,
  Fits<typeof Api.VolatileSlice, typeof Package.VolatileSlice>,
  Fits<typeof Api.VolatileRef, typeof Package.VolatileRef>,
  Fits<typeof Api.VolatileArrayRef, typeof Package.VolatileArrayRef>,
  Fits<typeof Api.AtomicRef, typeof Package.AtomicRef>,
  Fits<typeof Api.BitmapSlice, typeof Package.BitmapSlice>,
  Fits<typeof Api.AtomicBitmap, typeof Package.AtomicBitmap>,
  Fits<typeof Api.WriteTracker, typeof Package.WriteTracker>,
  Fits<typeof Api.GuestAddress, typeof Package.GuestAddress>,
]

export type OrderingNames = Nothing<Mutual<keyof typeof Api.Ordering, keyof typeof Package.Ordering>>

// ------------------------------------------------------------------------------------------------ instances

interface ApiInstances {
  GuestMemoryAtomic: Api.GuestMemoryAtomic
  GuestMemoryLoadGuard: Api.GuestMemoryLoadGuard
  GuestMemoryExclusiveGuard: Api.GuestMemoryExclusiveGuard
  GuestMemoryMmap: Api.GuestMemoryMmap
  GuestRegionMmap: Api.GuestRegionMmap
  MmapRegion: Api.MmapRegion
  MmapRegionBuilder: Api.MmapRegionBuilder
  FileOffset: Api.FileOffset
  VolatileSlice: Api.VolatileSlice
  VolatileRef: Api.VolatileRef
  VolatileArrayRef: Api.VolatileArrayRef
  AtomicRef: Api.AtomicRef
  BitmapSlice: Api.BitmapSlice
  AtomicBitmap: Api.AtomicBitmap
  WriteTracker: Api.WriteTracker
}

interface PackageInstances {
  GuestMemoryAtomic: Package.GuestMemoryAtomic
  GuestMemoryLoadGuard: Package.GuestMemoryLoadGuard
  GuestMemoryExclusiveGuard: Package.GuestMemoryExclusiveGuard
  GuestMemoryMmap: Package.GuestMemoryMmap
  GuestRegionMmap: Package.GuestRegionMmap
  MmapRegion: Package.MmapRegion
  MmapRegionBuilder: Package.MmapRegionBuilder
  FileOffset: Package.FileOffset
  VolatileSlice: Package.VolatileSlice
  VolatileRef: Package.VolatileRef
  VolatileArrayRef: Package.VolatileArrayRef
  AtomicRef: Package.AtomicRef
  BitmapSlice: Package.BitmapSlice
  AtomicBitmap: Package.AtomicBitmap
  WriteTracker: Package.WriteTracker
}

/** A class that is added to the agreed ones must be added here. */
type ApiClass = {
  [K in keyof typeof Api]: (typeof Api)[K] extends { prototype: infer P } ? (0 extends 1 & P ? never : K) : never
}[keyof typeof Api]
export type EveryClassIsListed = Nothing<Exclude<ApiClass, keyof ApiInstances>>
export type Instances = Fits<ApiInstances, PackageInstances>

// ------------------------------------------------------------------------------------------------ parameters

// Methods are compared bivariantly: one that took only numbers where numbers and bigints were agreed would pass so far.
// So the plain parts of each parameter are compared again, in the strict direction. (The objects among the parameters
// are compared as instances above; the package may give them more members than were agreed.)

type Plain<T> = Extract<T, string | number | bigint | boolean | symbol | null | undefined>

/** The positions at which `ActualParameters` refuse a plain value that was agreed. */
type RefusedPositions<Agreed extends readonly unknown[], Actual extends readonly unknown[]> = {
  [I in keyof Agreed]-?: I extends keyof Actual ? ([Plain<Agreed[I]>] extends [Actual[I]] ? never : I) : I
}[number]

type Refused<Agreed, Actual> = Agreed extends (...args: infer A) => unknown
  ? Actual extends (...args: infer B) => unknown
    ? RefusedPositions<A, B>
    : 'no function'
  : never

/** Names and positions of parameters that are narrower than agreed. */
type Narrowed<Agreed, Actual> = {
  [K in keyof Agreed]: K extends keyof Actual
    ? [Refused<Agreed[K], Actual[K]>] extends [never]
      ? never
      : [K, Refused<Agreed[K], Actual[K]>]
    : [K, 'missing']
}[keyof Agreed]

type NarrowedMethods = {
  [K in keyof ApiInstances]: Narrowed<ApiInstances[K], PackageInstances[K]>
}[keyof ApiInstances]
type NarrowedStatics = {
  [K in keyof ApiInstances]: Narrowed<(typeof Api)[K], (typeof Package)[K]>
}[keyof ApiInstances]
type NarrowedFunctions = Narrowed<Values, typeof Package>
type NarrowedConstructors = {
  [K in keyof ApiInstances]: (typeof Api)[K] extends new (...args: infer A) => unknown
    ? (typeof Package)[K] extends new (...args: infer B) => unknown
      ? RefusedPositions<A, B>
      : 'no constructor'
    : never
}[keyof ApiInstances]

export type NoMethodIsNarrower = Nothing<NarrowedMethods>
export type NoStaticIsNarrower = Nothing<NarrowedStatics>
export type NoFunctionIsNarrower = Nothing<
  NarrowedFunctions | Narrowed<typeof Api.GuestAddress, typeof Package.GuestAddress>
>
export type NoConstructorIsNarrower = Nothing<NarrowedConstructors>

// ------------------------------------------------------------------------------------------------ types

export type Aliases = Nothing<
  | Mutual<Api.U64, Package.U64>
  | Mutual<Api.Usize, Package.Usize>
  | Mutual<Api.AtomicType, Package.AtomicType>
  | Mutual<Api.ScalarType, Package.ScalarType>
  | Mutual<Api.ByteValued, Package.ByteValued>
  | Mutual<Api.Bytes, Package.Bytes>
  | Mutual<Api.FileLike, Package.FileLike>
  | Mutual<Api.VolatileIo, Package.VolatileIo>
  | Mutual<Api.SharedMemory, Package.SharedMemory>
  | Mutual<Api.MappingOptions, Package.MappingOptions>
  | Mutual<Api.BindingErrorCode, Package.BindingErrorCode>
  | { [T in Api.ScalarType]: Mutual<Api.ValueOf<T>, Package.ValueOf<T>> }[Api.ScalarType]
  | { [T in Api.ScalarType]: Mutual<Api.ArrayOf<T>, Package.ArrayOf<T>> }[Api.ScalarType]
  | { [T in Api.ScalarType]: Mutual<Api.ValueOf<readonly [T, 4]>, Package.ValueOf<readonly [T, 4]>> }[Api.ScalarType]
  | { [T in Api.ScalarType]: Mutual<Api.InputOf<T>, Package.InputOf<T>> }[Api.ScalarType]
  | { [T in Api.ScalarType]: Mutual<Api.InputOf<readonly [T, 4]>, Package.InputOf<readonly [T, 4]>> }[Api.ScalarType]
>

export type Interfaces = [
  Fits<Api.GuestRange[0], Package.GuestRange[0]>,
  Fits<Api.GuestRange['length'], Package.GuestRange['length']>,
  Fits<Api.ByteAccess<Api.U64>, Package.ByteAccess<Package.U64>>,
  Fits<Api.VolatileTransfer<Api.U64>, Package.VolatileTransfer<Package.U64>>,
  Fits<Api.AsyncVolatileTransfer<Api.U64>, Package.AsyncVolatileTransfer<Package.U64>>,
  Fits<Api.VolatileMemory, Package.VolatileMemory>,
  Fits<Api.GuestAddressSpace, Package.GuestAddressSpace>,
  Fits<Api.Mapping, Package.Mapping>,
  Fits<Api.Bitmap, Package.Bitmap>,
]
