// What the types know, and what they refuse. Checked by `tsc` of several versions, never run: see `types.spec.ts`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/* oxlint-disable no-new */
import {
  AtomicBitmap,
  AtomicRef,
  type Bitmap,
  BitmapSlice,
  GuestMemoryAtomic,
  GuestMemoryExclusiveGuard,
  GuestMemoryLoadGuard,
  GuestMemoryMmap,
  GuestRegionMmap,
  type MmapError,
  type MmapRegionError,
  Ordering,
  type ScalarType,
  type SharedMemory,
  VolatileArrayRef,
  VolatileRef,
  VolatileSlice,
  type VmMemoryError,
  isVmMemoryError,
} from 'vm-memory'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Errs unless the value is of exactly this type. */
declare function is<Expected>(): <Actual>(value: Actual, same: Same<Expected, Actual>) => void

declare const memory: GuestMemoryMmap
declare const region: GuestRegionMmap
declare const n: number

// ------------------------------------------------------------------------------------------------ values

is<number>()(memory.readObj('u8', 0), true)
is<number>()(memory.readObj('be32', 0), true)
is<bigint>()(memory.readObj('u64', 0), true)
is<bigint>()(memory.readObj('leSize', 0), true)
is<bigint>()(memory.readObj('i128', 0), true)
is<Uint8Array>()(memory.readObj(['u8', 4], 0), true)
is<Int16Array>()(memory.readObj(['i16', n], 0), true)
is<Uint32Array>()(memory.readObj(['be32', n], 0), true)
is<BigUint64Array>()(memory.readObj(['u64', n], 0), true)
is<BigInt64Array>()(region.readObj(['isize', n], 0), true)
is<bigint[]>()(memory.readObj(['u128', n], 0), true)
is<number>()(memory.load('u16', 0, Ordering.Acquire), true)
is<bigint>()(memory.load('usize', 0, Ordering.SeqCst), true)
// A type that is known as a whole only is read as the whole.
declare const either: 'u8' | 'u64'
is<number | bigint>()(memory.readObj(either, 0), true)
is<number | bigint>()(memory.load(either, 0, Ordering.Relaxed), true)
declare const scalar: ScalarType
is<number | bigint>()(memory.readObj(scalar, 0), true)

memory.writeObj('u64', 1n, 0)
memory.writeObj('u8', 1, 0)
memory.writeObj(['u8', 4], [1, 2, 3, 4], 0)
memory.writeObj(['u8', 4], Uint8Array.of(1, 2, 3, 4), 0)
memory.writeObj(['u64', 2], [1n, 2], 0)
// @ts-expect-error no array
memory.writeObj(['u8', 4], 5, 0)
// @ts-expect-error no value
memory.writeObj('u8', [5], 0)
// @ts-expect-error no text
memory.writeObj('u8', '5', 0)
// @ts-expect-error no such type
memory.readObj('f32', 0)
// @ts-expect-error no length
memory.readObj(['u8'], 0)
// @ts-expect-error no atomic access to what has an order of bytes
memory.load('le16', 0, Ordering.Acquire)
// @ts-expect-error no order
memory.load('u16', 0)

// ------------------------------------------------------------------------------------------------ references

is<VolatileRef<'u32'>>()(region.getRef('u32', 0), true)
is<number>()(region.getRef('u32', 0).load(), true)
is<'u32'>()(region.getRef('u32', 0).type, true)
is<bigint>()(region.getRef('u128', 0).load(), true)
is<VolatileArrayRef<'le64'>>()(region.getArrayRef('le64', 0, 4), true)
is<bigint>()(region.getArrayRef('le64', 0, 4).load(0), true)
is<VolatileRef<'le64'>>()(region.getArrayRef('le64', 0, 4).refAt(0), true)
is<AtomicRef<'i16'>>()(region.getAtomicRef('i16', 0), true)
is<number>()(region.getAtomicRef('i16', 0).load(Ordering.Acquire), true)
is<bigint>()(region.getSlice(0, 8).getAtomicRef('u64', 0).load(Ordering.Acquire), true)
// One of a type is one of any.
export const anyRef: VolatileRef = region.getRef('u32', 0)
export const anyAtomicRef: AtomicRef = region.getAtomicRef('u32', 0)
// @ts-expect-error no atomic access to 128 bits
region.getAtomicRef('u128', 0)
// @ts-expect-error values of another type
export const otherRef: VolatileRef<'u64'> = region.getRef('u32', 0)

// ------------------------------------------------------------------------------------------------ tickets

declare const atomic: GuestMemoryAtomic
is<SharedMemory<'GuestMemoryMmap'>>()(memory.share(), true)
is<SharedMemory<'GuestMemoryAtomic'>>()(atomic.share(), true)
is<SharedMemory<'GuestMemoryMmap'>>()(atomic.memory().share(), true)
GuestMemoryAtomic.fromShared(atomic.share())
GuestMemoryMmap.fromShared(memory.share())
export const anyTicket: SharedMemory = memory.share()
// @ts-expect-error of a map
GuestMemoryAtomic.fromShared(memory.share())
// @ts-expect-error of an atomic
GuestMemoryMmap.fromShared(atomic.share())

// ------------------------------------------------------------------------------------------------ errors

export function told(error: unknown): unknown {
  if (!isVmMemoryError(error)) {
    // @ts-expect-error anything at all
    return error.code
  }
  is<VmMemoryError>()(error, true)
  is<string | undefined>()(error.hint, true)
  // @ts-expect-error not of every error
  is<bigint>()(error.addr, true)
  switch (error.code) {
    case 'ERR_INVALID_GUEST_ADDRESS':
    case 'ERR_OUT_OF_BOUNDS':
      return is<bigint>()(error.addr, true)
    case 'ERR_PARTIAL_BUFFER':
      is<bigint | undefined>()(error.addr, true)
      return is<number>()(error.completed, true)
    case 'ERR_IO':
      is<'GuestMemoryError' | 'VolatileMemoryError'>()(error.name, true)
      is<'UnexpectedEof' | 'WriteZero' | undefined>()(error.kind, true)
      return is<number | undefined>()(error.errno, true)
    case 'ERR_MEMORY_REGION_OVERLAP':
      is<MmapError['name']>()(error.name, true)
      return is<readonly [bigint, bigint] | undefined>()(error.ranges?.[0], true)
    case 'ERR_MISALIGNED':
      return is<number>()(error.alignment, true)
    // @ts-expect-error of this package, not of the crate
    case 'ERR_DISPOSED':
      return null
  }
  switch (error.name) {
    case 'MmapRegionError':
      return is<MmapRegionError>()(error, true)
    default:
      // @ts-expect-error none of these
      return error.errno
  }
}

// ------------------------------------------------------------------------------------------------ files

GuestRegionMmap.fromRange(0, 1, 3, { prot: 1, private: true, bitmap: true })
GuestMemoryMmap.fromRanges([[0, 1, { fd: 3 }]], { private: true, recoverFaults: true })
// @ts-expect-error no name of a file
GuestRegionMmap.fromRange(0, 1, '/dev/zero')
// @ts-expect-error no such option
GuestRegionMmap.fromRange(0, 1, 3, { shared: true })

// ------------------------------------------------------------------------------------------------ classes

// @ts-expect-error made by memory only
new VolatileSlice()
// @ts-expect-error made by memory only
new VolatileRef()
// @ts-expect-error made by memory only
new VolatileArrayRef()
// @ts-expect-error made by memory only
new AtomicRef()
// @ts-expect-error made by memory only
new BitmapSlice()
// @ts-expect-error made by an atomic only
new GuestMemoryLoadGuard()
// @ts-expect-error made by an atomic only
new GuestMemoryExclusiveGuard()
// @ts-expect-error a bitmap is no slice of one
export const slice: BitmapSlice = new AtomicBitmap(1, 1)
export const bitmap: Bitmap = new AtomicBitmap(1, 1)

// A guard is a map, wherever it goes.
export const map: GuestMemoryMmap = atomic.memory()
export function regionsOf(value: object): number | undefined {
  return value instanceof GuestMemoryMmap ? value.numRegions : undefined
}
new GuestMemoryAtomic(atomic.memory())
atomic.lock().replace(atomic.memory())
atomic.update((current) => current.removeRegion(0, 4096)[0])
// @ts-expect-error a map is no guard
export const guard: GuestMemoryLoadGuard = memory
