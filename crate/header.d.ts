/* oxlint-disable */

/// <reference types="node" />

/**
 * Guest memory of virtual machines: the Rust crate vm-memory 0.16.2.
 *
 * Number rules
 *   guest addresses, host addresses, file offsets, 64-bit values .. bigint out; number | bigint in
 *   lengths, counts, offsets inside a region or slice ............. number out; number | bigint in
 *   a number must be a safe integer >= 0, a bigint must fit u64; anything else is a TypeError (`ERR_INVALID_ARG_TYPE`)
 *   or a RangeError (`ERR_OUT_OF_RANGE`), thrown before anything is touched. Nothing is ever truncated or wrapped
 *   silently: a value that does not fit its scalar type (256 as 'u8', -1n as 'u64') is a RangeError too.
 */

// ------------------------------------------------------------------------------------------------ scalars and values

/** A guest physical address or another u64 (upstream `GuestAddress`, `GuestUsize`). */
export type U64 = number | bigint
/** A length, a count, or an offset inside a region or slice (upstream `usize`). */
export type Usize = number | bigint

/** Integers with atomic `load`/`store` (upstream `AtomicAccess`). */
export type AtomicType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'usize' | 'isize'
/** Everything that can be read or written as an object (upstream `ByteValued` and the endian types). */
export type ScalarType =
  AtomicType | 'u128' | 'i128' | 'le16' | 'le32' | 'le64' | 'leSize' | 'be16' | 'be32' | 'be64' | 'beSize'
/**
 * A scalar, or an array of n of them (upstream `[T; n]`), read as the matching typed array (an array of bigint for 128
 * bits).
 */
export type ByteValued = ScalarType | readonly [type: ScalarType, length: number]
/** 8 to 32 bits are numbers, 64 bits and wider are bigints. */
export type ValueOf<T extends ByteValued> = T extends
  'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'le16' | 'le32' | 'be16' | 'be32'
  ? number
  : T extends ScalarType
    ? bigint
    : ArrayLike<number> | ArrayLike<bigint>

/** Bytes that JS hands in; may alias guest memory (overlap is safe) and may be shared. */
export type Bytes = Uint8Array | DataView | ArrayBufferView
/** An open file: a descriptor number, or anything with an `fd` (a `FileHandle`, a `FileOffset`). Borrowed for the call only. */
export type FileLike = number | { readonly fd: number }
/** What volatile reads take from and volatile writes go to: a file, or bytes in memory. */
export type VolatileIo = FileLike | Uint8Array

// ------------------------------------------------------------------------------------------------ shared method groups

/**
 * `Bytes<A>`: access by copy. `A` is a guest address (memory), an offset in a region (region) or in a slice (slice), in
 * bytes.
 *
 * All methods throw `ERR_PROTECTION` where the access would be a fault, before anything is transferred. Memory and
 * regions throw errors of name `GuestMemoryError`: `ERR_INVALID_GUEST_ADDRESS` (memory) or `ERR_INVALID_BACKEND_ADDRESS`
 * (regions) where there is nothing at `addr`, `ERR_PARTIAL_BUFFER` where there is too little. Slices throw
 * `VolatileMemoryError`: `ERR_OUT_OF_BOUNDS`, `ERR_PARTIAL_BUFFER`. What is written is marked dirty.
 */
export interface ByteAccess<A> {
  /** Copies from memory into `buf`; returns the bytes copied, which may be fewer. (`Bytes::read`) */
  read(buf: Bytes, addr: A): number
  /** Copies `buf` into memory; returns the bytes copied, which may be fewer. (`Bytes::write`) */
  write(buf: Bytes, addr: A): number
  /**
   * Fills all of `buf` from memory, or throws `ERR_PARTIAL_BUFFER` with `expected` and `completed`; the prefix has then
   * been transferred. (`Bytes::read_slice`)
   */
  readSlice(buf: Bytes, addr: A): void
  /**
   * Copies all of `buf` into memory, or throws `ERR_PARTIAL_BUFFER` with `expected` and `completed`; the prefix has then
   * been transferred. (`Bytes::write_slice`)
   */
  writeSlice(buf: Bytes, addr: A): void
  /** Reads a scalar or an array of them. (`Bytes::read_obj`) */
  readObj<T extends ByteValued>(type: T, addr: A): ValueOf<T>
  /**
   * Writes a scalar or an array of them. `ERR_OUT_OF_RANGE` if a value does not fit its type or an array has another
   * length than its type says. (`Bytes::write_obj`)
   */
  writeObj<T extends ByteValued>(type: T, value: ValueOf<T> | number | bigint, addr: A): void
  /**
   * Reads an integer atomically. Within one mapping, aligned on the host: `ERR_INVALID_BACKEND_ADDRESS` (slices:
   * `ERR_MISALIGNED`, `ERR_OUT_OF_BOUNDS`). `ERR_OUT_OF_RANGE` for `Release` and `AcqRel`. (`Bytes::load`)
   */
  load(type: 'u64' | 'i64' | 'usize' | 'isize', addr: A, order: Ordering): bigint
  load(type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32', addr: A, order: Ordering): number
  /**
   * Writes an integer atomically. As `load`, but `ERR_OUT_OF_RANGE` for `Acquire` and `AcqRel`, or if the value does not
   * fit the type. (`Bytes::store`)
   */
  store(type: AtomicType, value: number | bigint, addr: A, order: Ordering): void
  // The same accesses as `readObj`/`writeObj` of one native-endian scalar, for hot paths.
  /** `readObj('u8', addr)`. */
  readU8(addr: A): number
  /** `readObj('i8', addr)`. */
  readI8(addr: A): number
  /** `readObj('u16', addr)`. */
  readU16(addr: A): number
  /** `readObj('i16', addr)`. */
  readI16(addr: A): number
  /** `readObj('u32', addr)`. */
  readU32(addr: A): number
  /** `readObj('i32', addr)`. */
  readI32(addr: A): number
  /** `readObj('u64', addr)`. */
  readU64(addr: A): bigint
  /** `readObj('i64', addr)`. */
  readI64(addr: A): bigint
  /** `writeObj('u8', value, addr)`. */
  writeU8(value: number, addr: A): void
  /** `writeObj('i8', value, addr)`. */
  writeI8(value: number, addr: A): void
  /** `writeObj('u16', value, addr)`. */
  writeU16(value: number, addr: A): void
  /** `writeObj('i16', value, addr)`. */
  writeI16(value: number, addr: A): void
  /** `writeObj('u32', value, addr)`. */
  writeU32(value: number, addr: A): void
  /** `writeObj('i32', value, addr)`. */
  writeI32(value: number, addr: A): void
  /** `writeObj('u64', value, addr)`. */
  writeU64(value: number | bigint, addr: A): void
  /** `writeObj('i64', value, addr)`. */
  writeI64(value: number | bigint, addr: A): void
}

/**
 * Moves bytes between memory and a file (or bytes) without a copy in between.
 *
 * A file is read and written at its cursor. `count` is in bytes. Errors of the operating system are `ERR_IO` with
 * `errno`; memory without the right protection is `EFAULT` then, and `ERR_PROTECTION` when `src` or `dst` are bytes.
 * Nothing at `addr`, or too little: as in `ByteAccess`. On regions and slices: `getSlice(addr, count)` and one volatile
 * access to it.
 */
export interface VolatileTransfer<A> {
  /**
   * Reads at most `count` bytes from `src` into memory: on memory one read(2) for each region that is crossed; returns
   * the bytes read. (`GuestMemory::read_volatile_from`)
   */
  readVolatileFrom(addr: A, src: VolatileIo, count: Usize): number
  /**
   * As `readVolatileFrom`, but fewer bytes are an error: on memory `ERR_PARTIAL_BUFFER`, on regions and slices `ERR_IO`
   * with `kind` `UnexpectedEof`, after as many reads as it takes. (`GuestMemory::read_exact_volatile_from`)
   */
  readExactVolatileFrom(addr: A, src: VolatileIo, count: Usize): void
  /**
   * Writes at most `count` bytes of memory to `dst`; returns the bytes written. On memory, what there is of them is
   * written whole, or it is an `ERR_IO` with `kind` `WriteZero`. (`GuestMemory::write_volatile_to`)
   */
  writeVolatileTo(addr: A, dst: VolatileIo, count: Usize): number
  /**
   * As `writeVolatileTo`, but fewer bytes are an error: `ERR_PARTIAL_BUFFER`, or `ERR_IO` with `kind` `WriteZero`.
   * (`GuestMemory::write_all_volatile_to`)
   */
  writeAllVolatileTo(addr: A, dst: VolatileIo, count: Usize): void
}

/**
 * The same off the JS thread, on the pool of the event loop. Not upstream.
 *
 * The snapshot is held until the promise settles, whatever happens to guards and maps; the descriptor may be closed once
 * the call has returned. Never throws: the promise is rejected with what `VolatileTransfer` throws.
 */
export interface AsyncVolatileTransfer<A> {
  /** As `readVolatileFrom`. */
  readVolatileFromAsync(addr: A, src: FileLike, count: Usize): Promise<number>
  /** As `readExactVolatileFrom`. */
  readExactVolatileFromAsync(addr: A, src: FileLike, count: Usize): Promise<void>
  /** As `writeVolatileTo`. */
  writeVolatileToAsync(addr: A, dst: FileLike, count: Usize): Promise<number>
  /** As `writeAllVolatileTo`. */
  writeAllVolatileToAsync(addr: A, dst: FileLike, count: Usize): Promise<void>
}

/** `VolatileMemory`: typed windows on memory, by offset in bytes. The windows keep the memory mapped. */
export interface VolatileMemory {
  /** Bytes. (`len`) */
  readonly len: number
  /** Whether there are no bytes. (`is_empty`) */
  readonly isEmpty: boolean
  /**
   * `count` bytes from `offset` on. `ERR_OUT_OF_BOUNDS` with the end of the part as `addr`, `ERR_OVERFLOW`; on a region
   * `ERR_INVALID_BACKEND_ADDRESS`. (`get_slice`)
   */
  getSlice(offset: Usize, count: Usize): VolatileSlice
  /** All of it. (`as_volatile_slice`) */
  asVolatileSlice(): VolatileSlice
  /** A reference to one value at `offset`. `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`. (`get_ref`) */
  getRef(type: ScalarType, offset: Usize): VolatileRef
  /** A reference to `n` values at `offset`. `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`, `ERR_TOO_BIG`. (`get_array_ref`) */
  getArrayRef(type: ScalarType, offset: Usize, n: Usize): VolatileArrayRef
  /**
   * A reference to one integer with atomic access, aligned on the host. `ERR_MISALIGNED`, `ERR_OUT_OF_BOUNDS`,
   * `ERR_OVERFLOW`. (`get_atomic_ref`)
   */
  getAtomicRef(type: AtomicType, offset: Usize): AtomicRef
}

/** `GuestAddressSpace`: whatever hands out memory snapshots. `GuestMemoryMmap.memory()` returns the map itself. */
export interface GuestAddressSpace {
  /** A snapshot. (`GuestAddressSpace::memory`) */
  memory(): GuestMemoryMmap
}

/** `[start, size]` or `[start, size, file]`; `file` null or absent means anonymous memory. Sizes are in bytes. */
export type GuestRange = readonly [start: U64, size: Usize, file?: FileOffset | null]
/** Options of whatever makes a mapping. */
export interface MappingOptions {
  /** Gives each region an `AtomicBitmap` of the host's page size (upstream `B = AtomicBitmap`); false by default. */
  bitmap?: boolean
}

/** `GuestMemory`: look-ups and derivation of maps. Addresses are guest physical addresses. */
export interface GuestMemory
  extends
    GuestAddressSpace,
    Iterable<GuestRegionMmap>,
    ByteAccess<U64>,
    VolatileTransfer<U64>,
    AsyncVolatileTransfer<U64> {
  /** The map itself. */
  memory(): GuestMemoryMmap
  /**
   * A new map with one region more. `ERR_MEMORY_REGION_OVERLAP` if it meets another. (`insert_region`)
   */
  insertRegion(region: GuestRegionMmap): GuestMemoryMmap
  /**
   * A new map with one region less, and that region. `base` and `size` (bytes) must be exactly those of a region, else
   * `ERR_INVALID_GUEST_REGION`. The last region can be removed too. (`remove_region`)
   */
  removeRegion(base: U64, size: U64): [memory: GuestMemoryMmap, region: GuestRegionMmap]
  /** How many regions there are. (`num_regions`) */
  readonly numRegions: number
  /** Ascending by start address. The same region is the same object wherever it is met in this thread. (`iter`) */
  iter(): IterableIterator<GuestRegionMmap>
  /** As `iter`. */
  [Symbol.iterator](): IterableIterator<GuestRegionMmap>
  /**
   * Does nothing: a map is let go when it is collected. So `using memory = space.memory()` works on every address space;
   * a guard lets go of its snapshot.
   */
  [Symbol.dispose](): void
  /** The region that `addr` is in, else null. (`find_region`) */
  findRegion(addr: U64): GuestRegionMmap | null
  /** The region that `addr` is in, and where in it, in bytes; else null. (`to_region_addr`) */
  toRegionAddr(addr: U64): [region: GuestRegionMmap, offset: number] | null
  /** Whether `addr` is in a region. (`address_in_range`) */
  addressInRange(addr: U64): boolean
  /** `addr` if it is in a region, else null. (`check_address`) */
  checkAddress(addr: U64): bigint | null
  /** Whether `len` bytes from `base` on are all in regions, which may touch. (`check_range`) */
  checkRange(base: U64, len: Usize): boolean
  /** `base + offset` if that is in a region, else null. Whether there are holes between is not asked. (`checked_offset`) */
  checkedOffset(base: U64, offset: Usize): bigint | null
  /** The last address of the last region; 0n of an empty map. (`last_addr`) */
  readonly lastAddr: bigint
  /**
   * The host address of `addr`. Dangles once its region is unmapped. `ERR_INVALID_GUEST_ADDRESS` if it is in no region.
   * (`get_host_address`)
   */
  getHostAddress(addr: U64): bigint
  /**
   * `count` bytes from `addr` on, within one region. `ERR_INVALID_GUEST_ADDRESS`, `ERR_INVALID_BACKEND_ADDRESS` beyond the
   * end of the region. (`get_slice`)
   */
  getSlice(addr: U64, count: Usize): VolatileSlice
  /**
   * Walks `count` bytes from `addr` on, region by region. `callback` gets each piece in turn (what was used before it, its
   * bytes, its offset in `region`) and returns the bytes it used; 0 ends the walk. What it throws is thrown on. Returns
   * the bytes used. `ERR_INVALID_GUEST_ADDRESS` if there is nothing at `addr`, `ERR_CALLBACK_OUT_OF_RANGE` if the callback
   * used more than there was. (`try_access`)
   */
  tryAccess(
    count: Usize,
    addr: U64,
    callback: (offset: number, len: number, regionAddr: number, region: GuestRegionMmap) => number,
  ): number
  /** A one-use ticket that can be posted to a worker; `GuestMemoryMmap.fromShared` there gives this map. Not upstream. */
  share(): SharedMemory
  /**
   * Zero-copy views of `count` bytes at `addr`, one for each region they cross, ready for `fs.readv`/`fs.writev`. Writes
   * through them are not seen by bitmaps: mark them with `region.bitmap.markDirty`. `ERR_INVALID_GUEST_ADDRESS`,
   * `ERR_PARTIAL_BUFFER` where there are fewer bytes, `ERR_PROTECTION` unless all are mapped for reading and writing. Not
   * upstream.
   */
  views(addr: U64, count: Usize): Uint8Array[]
}

export interface GuestMemoryMmap extends GuestMemory {}

export interface GuestMemoryAtomic extends GuestAddressSpace {
  memory(): GuestMemoryLoadGuard
  /**
   * The lock without blocking the event loop, which it keeps alive; first come, first served, over `lock()` in other
   * threads too. Rejects with the reason of `signal` when that aborts (by default an AbortError), with `ERR_LOCK_TIMEOUT`
   * after `timeout` milliseconds. An abort after the grant does nothing. Not upstream.
   */
  lockAsync(options?: { signal?: AbortSignal; timeout?: number }): Promise<GuestMemoryExclusiveGuard>
}

/** Survives structured clone; good for one `fromShared`, in any thread of the process. */
export interface SharedMemory {
  /** What it is a ticket for. */
  readonly type: 'GuestMemoryAtomic' | 'GuestMemoryMmap'
  /** Cannot be guessed. */
  readonly id: string
}

export interface FileOffset {
  /** As `dispose`, for `using`. */
  [Symbol.dispose](): void
}
export interface GuestMemoryLoadGuard extends GuestMemoryMmap {}
export interface GuestMemoryLoadGuard {
  /** As `dispose`, for `using`. */
  [Symbol.dispose](): void
}
export interface GuestMemoryExclusiveGuard {
  /** As `dispose`, for `using`. */
  [Symbol.dispose](): void
}

/** What `MmapRegion` has, and `GuestRegionMmap` through it. */
export interface Mapping extends VolatileMemory {
  /** Bytes. (`size`) */
  readonly size: number
  /** `PROT_…` bits given to mmap. (`prot`) */
  readonly prot: number
  /** `MAP_…` bits given to mmap. (`flags`) */
  readonly flags: number
  /** Whether the memory is unmapped when nothing uses it any more; false of raw mappings. (`owned`) */
  readonly owned: boolean
  /** What is mapped; null for anonymous memory. (`file_offset`) */
  readonly fileOffset: FileOffset | null
  /** A label given by the user, null when none was. (`is_hugetlbfs`) */
  readonly isHugetlbfs: boolean | null
  /** Which pages were written; null unless they are tracked. Always the same object in a thread. (`bitmap`) */
  readonly bitmap: AtomicBitmap | null
  /** The host address. Dangles once the region is unmapped. (`as_ptr`) */
  asPtr(): bigint
  /** Whether both map overlapping parts of a file, by the same `FileOffset` descriptor. (`fds_overlap`) */
  fdsOverlap(other: MmapRegion | GuestRegionMmap): boolean
  /**
   * The whole region, zero-copy: one ArrayBuffer for each region and thread, made on first use, always the same object.
   * It keeps the mapping alive. Writes through it are not seen by `bitmap`: mark them with `bitmap.markDirty`.
   * `ERR_PROTECTION` unless prot is read-write, `ERR_BUFFER_TOO_LARGE` where the engine cannot make one that long (use
   * `asUint8Array` on a part), `ERR_UNSUPPORTED` where it cannot make any.
   */
  readonly buffer: ArrayBuffer
  /**
   * The same memory as a SharedArrayBuffer, for `postMessage` and `Atomics.wait`; `ERR_UNSUPPORTED` where the runtime has
   * none (Node before 22.23, 24.16 and 26.1), else as `buffer`.
   */
  readonly sharedBuffer: SharedArrayBuffer
  /**
   * A zero-copy view on a part, in bytes (default: from 0 to the end). Works on regions of any size. Writes through it
   * are not seen by `bitmap`: mark them with `bitmap.markDirty`. `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`, and as `buffer`.
   */
  asUint8Array(offset?: Usize, length?: Usize): Uint8Array
}

export interface MmapRegion extends Mapping {}
export interface GuestRegionMmap extends Mapping, ByteAccess<Usize>, VolatileTransfer<Usize> {}
export interface VolatileSlice extends VolatileMemory, ByteAccess<Usize>, VolatileTransfer<Usize> {}

/** One bit for each page of memory, set when the page was written (upstream `Bitmap`). Offsets are in bytes. */
export interface Bitmap {
  /** Marks the pages of `len` bytes at `offset`; those beyond the end are left out. (`mark_dirty`) */
  markDirty(offset: Usize, len: Usize): void
  /** Whether the page at `offset` is dirty; false beyond the end. (`dirty_at`) */
  dirtyAt(offset: Usize): boolean
  /** The bitmap seen from `offset`. (`slice_at`) */
  sliceAt(offset: Usize): BitmapSlice
}

export interface AtomicBitmap extends Bitmap {}
export interface BitmapSlice extends Bitmap {}

// ------------------------------------------------------------------------------------------------ address.rs

/**
 * The methods of `Address` as functions on u64 (upstream implements them on `GuestAddress` and `MemoryRegionAddress`).
 * Addresses are numbers or bigints, results are bigints.
 */
export declare namespace GuestAddress {}

// ------------------------------------------------------------------------------------------------ errors

/**
 * Everything that vm-memory itself refuses is an `Error` with `name` the upstream type, `code` the upstream variant and
 * `message` its Display text, word for word. `ERR_IO`, `ERR_MMAP`, `ERR_SEEK_END` and `ERR_SEEK_START` also carry
 * `errno` (positive, as the OS gives it). A variant's fields are properties: addresses as bigint, counts as number.
 */
export interface VmMemoryError extends Error {
  /** The upstream type of the error. */
  readonly name: 'GuestMemoryError' | 'MmapError' | 'MmapRegionError' | 'VolatileMemoryError'
  /** The upstream variant; behind each code, the properties that it has. */
  readonly code:
    // GuestMemoryError
    | 'ERR_INVALID_GUEST_ADDRESS' // addr: bigint
    | 'ERR_IO' // errno: number (absent for UnexpectedEof/WriteZero, then kind: string)
    | 'ERR_PARTIAL_BUFFER' // expected, completed: number
    | 'ERR_INVALID_BACKEND_ADDRESS'
    | 'ERR_HOST_ADDRESS_NOT_AVAILABLE'
    | 'ERR_CALLBACK_OUT_OF_RANGE'
    | 'ERR_GUEST_ADDRESS_OVERFLOW'
    // MmapError
    | 'ERR_INVALID_GUEST_REGION'
    | 'ERR_NO_MEMORY_REGION'
    | 'ERR_MEMORY_REGION_OVERLAP'
    | 'ERR_UNSORTED_MEMORY_REGIONS'
    // MmapRegionError
    | 'ERR_INVALID_OFFSET_LENGTH'
    | 'ERR_INVALID_POINTER'
    | 'ERR_MAP_FIXED'
    | 'ERR_MAPPING_OVERLAP'
    | 'ERR_MAPPING_PAST_EOF'
    | 'ERR_MMAP'
    | 'ERR_SEEK_END'
    | 'ERR_SEEK_START'
    // VolatileMemoryError (also ERR_IO and ERR_PARTIAL_BUFFER)
    | 'ERR_OUT_OF_BOUNDS' // addr: bigint
    | 'ERR_OVERFLOW' // base, offset: bigint
    | 'ERR_TOO_BIG' // nelements, size: bigint
    | 'ERR_MISALIGNED' // addr: bigint, alignment: number
  /** As the operating system gives it, positive. */
  readonly errno?: number
}

/** What the binding refuses on its own. TypeError and RangeError where those fit, else Error. */
export type BindingErrorCode =
  | 'ERR_INVALID_ARG_TYPE' // TypeError
  | 'ERR_OUT_OF_RANGE' // RangeError: not a u64, an index past the end, not a power of two, an impossible ordering
  | 'ERR_DISPOSED' // a guard or a FileOffset used after dispose, replace or intoInner
  | 'ERR_MOVED' // a MmapRegion, builder or bitmap that went into something else
  | 'ERR_LOCK_HELD' // lock() by the thread that holds it
  | 'ERR_LOCK_TIMEOUT'
  | 'ERR_INVALID_TICKET' // fromShared of an unknown or used ticket
  | 'ERR_PROTECTION' // the access would be a SIGSEGV: prot lacks the right
  | 'ERR_BUFFER_TOO_LARGE'
  | 'ERR_UNSUPPORTED' // this runtime or platform cannot do it

// ------------------------------------------------------------------------------------------------ generated from Rust
