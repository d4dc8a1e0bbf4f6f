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
/** An array of n scalars or structs (upstream `[T; n]`). */
export type ArrayType = readonly [type: ScalarType | StructType, length: number]
/** Everything that `readObj` and `writeObj` take: a scalar, an array, or a struct. */
export type ByteValued = ScalarType | ArrayType | StructType
/**
 * What an array of a type is read as: the typed array that holds such values; a plain array for 128 bits and for structs.
 */
export type ArrayOf<T extends ScalarType | StructType> = T extends 'u8'
  ? Uint8Array
  : T extends 'i8'
    ? Int8Array
    : T extends 'u16' | 'le16' | 'be16'
      ? Uint16Array
      : T extends 'i16'
        ? Int16Array
        : T extends 'u32' | 'le32' | 'be32'
          ? Uint32Array
          : T extends 'i32'
            ? Int32Array
            : T extends 'u64' | 'usize' | 'le64' | 'leSize' | 'be64' | 'beSize'
              ? BigUint64Array
              : T extends 'i64' | 'isize'
                ? BigInt64Array
                : T extends StructType<infer F>
                  ? StructValue<F>[]
                  : bigint[]
/**
 * What a type is read as: 8 to 32 bits as a number, 64 bits and wider as a bigint, arrays as `ArrayOf` says, a struct as
 * an object with its fields.
 */
export type ValueOf<T extends ByteValued> = T extends
  'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'le16' | 'le32' | 'be16' | 'be32'
  ? number
  : T extends ScalarType
    ? bigint
    : T extends readonly [infer E extends ScalarType | StructType, number]
      ? ArrayOf<E>
      : T extends StructType<infer F>
        ? StructValue<F>
        : never
/** What `writeObj` takes for a type: of an array anything like one that has its length, of a struct all of its fields. */
export type InputOf<T extends ByteValued> = T extends ScalarType
  ? number | bigint
  : T extends readonly [infer E extends ScalarType | StructType, number]
    ? ArrayLike<InputOf<E>>
    : T extends StructType<infer F>
      ? { readonly [K in keyof F]: InputOf<F[K]> }
      : never

/** The fields of a struct, in the order in which they lie in memory. */
export type StructFields = { readonly [field: string]: ByteValued }
/** What a struct with these fields is read as. */
export type StructValue<F extends StructFields> = { -readonly [K in keyof F]: ValueOf<F[K]> }
/** The type of a struct, made by `struct`. It is frozen, and good for all memory. */
export interface StructType<F extends StructFields = StructFields> {
  /** The type of each field. */
  readonly fields: F
  /** The number of bytes. */
  readonly size: number
  /** What the address of the struct is a multiple of in a program: in bytes. Memory takes it at any address. */
  readonly alignment: number
  /** Where each field begins, in bytes from the begin of the struct. */
  readonly offsets: { readonly [K in keyof F]: number }
}

/** Bytes of JavaScript. They may be a view on guest memory (overlap is safe), and their buffer may be shared. */
export type Bytes = Uint8Array | DataView | ArrayBufferView
/**
 * An open file: a descriptor number, or any object with an `fd` (a `FileHandle`, a `FileOffset`). The descriptor is
 * used during the call only.
 */
export type FileLike = number | { readonly fd: number }
/** The source of a volatile read, or the target of a volatile write: a file, or bytes in memory. */
export type VolatileIo = FileLike | Uint8Array

// ------------------------------------------------------------------------------------------------ shared method groups

/**
 * `Bytes<A>`: access by copy. `A` is a guest address (memory), an offset in a region (region) or in a slice (slice),
 * in bytes.
 *
 * All methods throw `ERR_PROTECTION` where the access would be a fault, before anything is transferred. Memory and
 * regions throw errors of name `GuestMemoryError`: `ERR_INVALID_GUEST_ADDRESS` (memory) or
 * `ERR_INVALID_BACKEND_ADDRESS` (regions) if there is no memory at `addr`, `ERR_PARTIAL_BUFFER` if there are too few
 * bytes. Slices throw `VolatileMemoryError`: `ERR_OUT_OF_BOUNDS`, `ERR_PARTIAL_BUFFER`. Bytes that are written are
 * marked dirty.
 */
export interface ByteAccess<A> {
  /** Copies from memory into `buf`. Returns how many bytes were copied, which may be fewer than fit. (`Bytes::read`) */
  read(buf: Bytes, addr: A): number
  /**
   * Copies `buf` into memory. Returns how many bytes were copied, which may be fewer than `buf` has. (`Bytes::write`)
   */
  write(buf: Bytes, addr: A): number
  /**
   * Fills all of `buf` from memory. Throws `ERR_PARTIAL_BUFFER` with `expected` and `completed` if memory ends before;
   * the first `completed` bytes have then been copied. (`Bytes::read_slice`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * memory.writeU32(0x6c6c_6568, 0x10)
   * const buffer = Buffer.alloc(4)
   * memory.readSlice(buffer, 0x10)
   * console.log(buffer.toString()) // hell
   * ```
   */
  readSlice(buf: Bytes, addr: A): void
  /**
   * Copies all of `buf` into memory. Throws `ERR_PARTIAL_BUFFER` with `expected` and `completed` if memory ends
   * before; the first `completed` bytes have then been copied. (`Bytes::write_slice`)
   */
  writeSlice(buf: Bytes, addr: A): void
  /**
   * Sets `count` bytes to `value`, an integer from 0 to 255, as `writeSlice` would from a buffer of such bytes. Makes no
   * such buffer. Throws `ERR_INVALID_ARG_TYPE` or `ERR_OUT_OF_RANGE` for any other value, and `ERR_PARTIAL_BUFFER` with
   * `expected` and `completed` if memory ends before; the first `completed` bytes have then been set. Not upstream.
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * memory.fill(0xff, 0x10, 4)
   * console.log(memory.readU32(0x10).toString(16)) // ffffffff
   * ```
   */
  fill(value: number, addr: A, count: Usize): void
  /**
   * Reads a scalar, an array or a struct, in one copy. (`Bytes::read_obj`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * memory.writeU32(1, 0)
   * console.log(memory.readObj('be32', 0).toString(16), memory.readObj(['u8', 4], 0).join()) // 1000000 1,0,0,0
   * ```
   */
  readObj<T extends ByteValued>(type: T, addr: A): ValueOf<T>
  /**
   * Writes a scalar, an array or a struct, in one copy, after all of the value was read. Throws `ERR_OUT_OF_RANGE` if a
   * value does not fit its type, or if an array has another length than its type says, and `ERR_INVALID_ARG_TYPE` if a
   * field of a struct is missing. (`Bytes::write_obj`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * memory.writeObj(['u16', 3], [1, 2, 3], 0x10)
   * console.log(memory.readU16(0x14)) // 3
   * ```
   */
  writeObj<T extends ByteValued>(type: T, value: InputOf<T>, addr: A): void
  /**
   * Reads an integer atomically. The integer must lie within one mapping, and be aligned on the host: otherwise throws
   * `ERR_INVALID_BACKEND_ADDRESS`, and on slices `ERR_MISALIGNED` or `ERR_OUT_OF_BOUNDS`. Throws `ERR_OUT_OF_RANGE`
   * for the orders `Release` and `AcqRel`. (`Bytes::load`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap, Ordering } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * console.log(memory.load('u16', 0x102, Ordering.Acquire)) // 0
   * ```
   */
  load<T extends AtomicType>(type: T, addr: A, order: Ordering): ValueOf<T>
  /**
   * Writes an integer atomically. Throws what `load` throws, but `ERR_OUT_OF_RANGE` for the orders `Acquire` and
   * `AcqRel`, and if the value does not fit the type. (`Bytes::store`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap, Ordering } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * memory.store('u16', 1, 0x102, Ordering.Release)
   * console.log(memory.readU16(0x102)) // 1
   * ```
   */
  store(type: AtomicType, value: number | bigint, addr: A, order: Ordering): void
  // The methods below do what `readObj` and `writeObj` do with one scalar in the order of bytes of the host. They are
  // for code that runs often.
  /** Reads one `u8`, as `readObj('u8', addr)` does. */
  readU8(addr: A): number
  /** Reads one `i8`, as `readObj('i8', addr)` does. */
  readI8(addr: A): number
  /** Reads one `u16`, as `readObj('u16', addr)` does. */
  readU16(addr: A): number
  /** Reads one `i16`, as `readObj('i16', addr)` does. */
  readI16(addr: A): number
  /** Reads one `u32`, as `readObj('u32', addr)` does. */
  readU32(addr: A): number
  /** Reads one `i32`, as `readObj('i32', addr)` does. */
  readI32(addr: A): number
  /** Reads one `u64`, as `readObj('u64', addr)` does. */
  readU64(addr: A): bigint
  /** Reads one `i64`, as `readObj('i64', addr)` does. */
  readI64(addr: A): bigint
  /** Writes one `u8`, as `writeObj('u8', value, addr)` does. */
  writeU8(value: number, addr: A): void
  /** Writes one `i8`, as `writeObj('i8', value, addr)` does. */
  writeI8(value: number, addr: A): void
  /** Writes one `u16`, as `writeObj('u16', value, addr)` does. */
  writeU16(value: number, addr: A): void
  /** Writes one `i16`, as `writeObj('i16', value, addr)` does. */
  writeI16(value: number, addr: A): void
  /** Writes one `u32`, as `writeObj('u32', value, addr)` does. */
  writeU32(value: number, addr: A): void
  /** Writes one `i32`, as `writeObj('i32', value, addr)` does. */
  writeI32(value: number, addr: A): void
  /** Writes one `u64`, as `writeObj('u64', value, addr)` does. */
  writeU64(value: number | bigint, addr: A): void
  /** Writes one `i64`, as `writeObj('i64', value, addr)` does. */
  writeI64(value: number | bigint, addr: A): void
}

/**
 * Moves bytes between memory and a file (or bytes) without a copy in between.
 *
 * A file is read and written at its cursor. `count` is in bytes. An error of the operating system is `ERR_IO` with
 * `errno`. Memory whose protection forbids the access is `ERR_IO` with `EFAULT` for a file, and `ERR_PROTECTION` for
 * bytes. If there is no memory at `addr`, or too little, memory throws the errors of `ByteAccess`. Regions and slices
 * do one volatile access to `getSlice(addr, count)`, and throw what that throws.
 *
 * A transfer that fails after it has moved bytes tells their number: its error has `completed`. Those bytes are gone
 * from the file, and are in memory (or the other way round). Of the others, only bytes that may have been written are
 * marked dirty: those of a read(2) that failed with EIO, or with EFAULT in memory that can be written. A transfer that
 * fails at once marks what upstream marks: all of what it was to read into the first region.
 */
export interface VolatileTransfer<A> {
  /**
   * Reads at most `count` bytes from `src` into memory. Returns how many bytes were read. On memory, does one read(2)
   * for each region that the bytes cross. (`GuestMemory::read_volatile_from`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * console.log(memory.readVolatileFrom(0xff0, Buffer.alloc(64), 64)) // 16
   * ```
   */
  readVolatileFrom(addr: A, src: VolatileIo, count: Usize): number
  /**
   * Reads exactly `count` bytes from `src` into memory. On memory, reads as `readVolatileFrom` does, and throws
   * `ERR_PARTIAL_BUFFER` if there were fewer bytes. On regions and slices, repeats read(2) until all bytes are read,
   * and throws `ERR_IO` with `kind` `UnexpectedEof` if `src` ends before. (`GuestMemory::read_exact_volatile_from`)
   */
  readExactVolatileFrom(addr: A, src: VolatileIo, count: Usize): void
  /**
   * Writes at most `count` bytes of memory to `dst`. Returns how many bytes were written. On memory, writes all of the
   * bytes that exist, and throws `ERR_IO` with `kind` `WriteZero` if `dst` takes no more.
   * (`GuestMemory::write_volatile_to`)
   */
  writeVolatileTo(addr: A, dst: VolatileIo, count: Usize): number
  /**
   * Writes exactly `count` bytes of memory to `dst`. On memory, throws `ERR_PARTIAL_BUFFER` if there are fewer
   * bytes. Throws `ERR_IO` with `kind` `WriteZero` if `dst` takes no more. (`GuestMemory::write_all_volatile_to`)
   */
  writeAllVolatileTo(addr: A, dst: VolatileIo, count: Usize): void
}

/**
 * The transfers of `VolatileTransfer` off the JavaScript thread, on the thread pool of the event loop. Not upstream.
 *
 * The snapshot stays alive until the promise settles, whatever happens to guards and maps. The caller may close the
 * descriptor once the call has returned. The methods never throw: the promise is rejected with the error that the
 * method of `VolatileTransfer` throws.
 */
export interface AsyncVolatileTransfer<A> {
  /** Reads at most `count` bytes from `src` into memory, as `readVolatileFrom` does. Resolves with the bytes read. */
  readVolatileFromAsync(addr: A, src: FileLike, count: Usize): Promise<number>
  /** Reads exactly `count` bytes from `src` into memory, as `readExactVolatileFrom` does. */
  readExactVolatileFromAsync(addr: A, src: FileLike, count: Usize): Promise<void>
  /** Writes at most `count` bytes of memory to `dst`, as `writeVolatileTo` does. Resolves with the bytes written. */
  writeVolatileToAsync(addr: A, dst: FileLike, count: Usize): Promise<number>
  /** Writes exactly `count` bytes of memory to `dst`, as `writeAllVolatileTo` does. */
  writeAllVolatileToAsync(addr: A, dst: FileLike, count: Usize): Promise<void>
}

/** `VolatileMemory`: typed windows on memory, by offset in bytes. The windows keep the memory mapped. */
export interface VolatileMemory {
  /** The number of bytes. (`len`) */
  readonly len: number
  /** Whether there are no bytes. (`is_empty`) */
  readonly isEmpty: boolean
  /**
   * Returns a slice of `count` bytes that starts at `offset`. Throws `ERR_OUT_OF_BOUNDS`, whose `addr` is the end of
   * the slice that was asked for, and `ERR_OVERFLOW`; on a region `ERR_INVALID_BACKEND_ADDRESS`. (`get_slice`)
   */
  getSlice(offset: Usize, count: Usize): VolatileSlice
  /** Returns a slice of all bytes. (`as_volatile_slice`) */
  asVolatileSlice(): VolatileSlice
  /** Returns a reference to one value at `offset`. Throws `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`. (`get_ref`) */
  getRef<T extends ScalarType>(type: T, offset: Usize): VolatileRef<T>
  /**
   * Returns a reference to `n` values at `offset`. Throws `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`, `ERR_TOO_BIG`.
   * (`get_array_ref`)
   */
  getArrayRef<T extends ScalarType>(type: T, offset: Usize, n: Usize): VolatileArrayRef<T>
  /**
   * Returns a reference with atomic access to one integer at `offset`, which must be aligned on the host. Throws
   * `ERR_MISALIGNED`, `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`. (`get_atomic_ref`)
   *
   * @example
   * ```ts
   * import { GuestRegionMmap, Ordering } from 'vm-memory'
   *
   * const index = GuestRegionMmap.fromRange(0, 0x1000).getAtomicRef('u16', 0x102)
   * index.store(7, Ordering.Release)
   * console.log(index.load(Ordering.Acquire)) // 7
   * ```
   */
  getAtomicRef<T extends AtomicType>(type: T, offset: Usize): AtomicRef<T>
}

/**
 * `GuestAddressSpace`: an object that hands out snapshots of memory. `GuestMemoryMmap.memory()` returns the map
 * itself.
 */
export interface GuestAddressSpace {
  /** Returns a snapshot of the memory. (`GuestAddressSpace::memory`) */
  memory(): GuestMemoryMmap
}

/**
 * `[start, size]` or `[start, size, file]`, in bytes; `file` null or absent means anonymous memory. A `FileOffset` says where in
 * the file the mapping starts. A descriptor, or an object with an `fd`, means the start of the file, and may be closed afterwards.
 */
export type GuestRange = readonly [start: U64, size: Usize, file?: FileOffset | FileLike | null]
/** Options of the functions that make a mapping. */
export interface MappingOptions {
  /** Gives each region an `AtomicBitmap` of the host's page size (upstream `B = AtomicBitmap`); false by default. */
  bitmap?: boolean
  /**
   * Survives the loss of a page (see `MemoryFault`); false by default. The first such mapping installs a handler for
   * SIGBUS, which hands on what is about other memory. Linux; elsewhere throws `ERR_UNSUPPORTED`. Not upstream.
   */
  recoverFaults?: boolean
}
/** What upstream fixes where it maps ranges. Not upstream. */
export interface RangeOptions extends MappingOptions {
  /** `PROT_…` bits; `PROT_READ | PROT_WRITE` by default. */
  prot?: number
  /**
   * Keeps what is written to a file's mapping in this process: `MAP_PRIVATE` in the place of `MAP_SHARED`; false by default. Throws
   * `ERR_OUT_OF_RANGE` if it is true and a range has no file.
   */
  private?: boolean
}

/** `GuestMemory`: finds regions, and derives new maps. Addresses are guest physical addresses. */
export interface GuestMemory
  extends
    GuestAddressSpace,
    Iterable<GuestRegionMmap>,
    ByteAccess<U64>,
    VolatileTransfer<U64>,
    AsyncVolatileTransfer<U64> {
  /** Returns the map itself. (`GuestAddressSpace::memory`) */
  memory(): GuestMemoryMmap
  /**
   * Returns a new map that has `region` too. Throws `ERR_MEMORY_REGION_OVERLAP` if `region` overlaps another one.
   * (`insert_region`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap, GuestRegionMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * const larger = memory.insertRegion(GuestRegionMmap.fromRange(0x1000, 0x1000))
   * console.log(memory.numRegions, larger.numRegions) // 1 2
   * ```
   */
  insertRegion(region: GuestRegionMmap): GuestMemoryMmap
  /**
   * Returns a new map without a region, and that region. `base` and `size` (bytes) must be exactly those of a region,
   * otherwise throws `ERR_INVALID_GUEST_REGION`. The last region can be removed too. (`remove_region`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * const [rest, region] = memory.removeRegion(0, 0x1000)
   * console.log(rest.numRegions, region.size) // 0 4096
   * ```
   */
  removeRegion(base: U64, size: U64): [memory: GuestMemoryMmap, region: GuestRegionMmap]
  /**
   * Tells what `next` has that this map has not, and the other way round. The same region is the same one, not one that is
   * alike. Not upstream.
   *
   * @param next a map, or a guard that holds one
   */
  diff(next: GuestMemoryMmap): MapDiff
  /** The number of regions. (`num_regions`) */
  readonly numRegions: number
  /**
   * Iterates over the regions, ascending by start address. In one thread, the same region is always the same object.
   * (`iter`)
   */
  iter(): IterableIterator<GuestRegionMmap>
  /** Iterates over the regions, as `iter` does. */
  [Symbol.iterator](): IterableIterator<GuestRegionMmap>
  /**
   * Does nothing on a map, which is released when it is garbage-collected; a guard releases its snapshot. So
   * `using memory = space.memory()` works on every address space.
   */
  [Symbol.dispose](): void
  /**
   * Returns the region that contains `addr`, or null. (`find_region`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * console.log(memory.findRegion(0x800)?.lastAddr, memory.findRegion(0x1000)) // 4095n null
   * ```
   */
  findRegion(addr: U64): GuestRegionMmap | null
  /** Returns the region that contains `addr`, and the offset of `addr` in it in bytes; or null. (`to_region_addr`) */
  toRegionAddr(addr: U64): [region: GuestRegionMmap, offset: number] | null
  /** Checks whether `addr` is in a region. (`address_in_range`) */
  addressInRange(addr: U64): boolean
  /** Returns `addr` if it is in a region, or null. (`check_address`) */
  checkAddress(addr: U64): bigint | null
  /**
   * Checks whether all of the `len` bytes from `base` on are in regions. They may cross from one region to the next.
   * (`check_range`)
   */
  checkRange(base: U64, len: Usize): boolean
  /**
   * Returns `base + offset` if that address is in a region, or null. Does not check the addresses between.
   * (`checked_offset`)
   */
  checkedOffset(base: U64, offset: Usize): bigint | null
  /** The last address of the last region; 0n if the map is empty. (`last_addr`) */
  readonly lastAddr: bigint
  /**
   * Returns the host address of the guest address `addr`. The host address dangles once the region is unmapped. Throws
   * `ERR_INVALID_GUEST_ADDRESS` if `addr` is in no region, and `ERR_DISPOSED` if that was released. (`get_host_address`)
   */
  getHostAddress(addr: U64): bigint
  /**
   * Returns a slice of `count` bytes from `addr` on, within one region. Throws `ERR_INVALID_GUEST_ADDRESS` if `addr`
   * is in no region, and `ERR_INVALID_BACKEND_ADDRESS` if the slice would reach beyond the end of its region.
   * (`get_slice`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * const slice = memory.getSlice(0x100, 0x10)
   * slice.writeU8(1, 0xf)
   * console.log(memory.readU8(0x10f)) // 1
   * ```
   */
  getSlice(addr: U64, count: Usize): VolatileSlice
  /**
   * Walks over `count` bytes from `addr` on, region by region. Returns how many bytes were used.
   *
   * Calls `callback` for one piece after another. `offset` counts the bytes that were used before this piece, `len`
   * the bytes of this piece, and `regionAddr` is where the piece starts in `region`. `callback` returns how many bytes
   * it used; the next piece starts behind them, and 0 ends the walk. An error that `callback` throws ends the walk,
   * and is thrown to the caller. Throws `ERR_INVALID_GUEST_ADDRESS` if there is no memory at `addr`, and
   * `ERR_CALLBACK_OUT_OF_RANGE` if `callback` used more than `count` bytes in all. (`try_access`)
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([
   *   [0x0000, 0x1000],
   *   [0x1000, 0x1000],
   * ])
   * const lengths: number[] = []
   * memory.tryAccess(0x20, 0xff0, (_offset, length) => {
   *   lengths.push(length)
   *   return length
   * })
   * console.log(lengths.join()) // 16,16
   * ```
   */
  tryAccess(
    count: Usize,
    addr: U64,
    callback: (offset: number, len: number, regionAddr: number, region: GuestRegionMmap) => number,
  ): number
  /**
   * Makes a ticket that can be posted to a worker and used once: `GuestMemoryMmap.fromShared` returns this map there.
   * Not upstream.
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
   * const same = GuestMemoryMmap.fromShared(memory.share())
   * console.log(same.findRegion(0) === memory.findRegion(0)) // true
   * ```
   */
  share(): SharedMemory<'GuestMemoryMmap'>
  /**
   * Returns zero-copy views of `count` bytes at `addr`, one for each region that the bytes cross, ready for `fs.readv`
   * and `fs.writev`. Bitmaps do not see writes through views: mark those with `region.bitmap.markDirty`. Throws
   * `ERR_INVALID_GUEST_ADDRESS` if there is no memory at `addr`, `ERR_PARTIAL_BUFFER` if there are fewer bytes, and
   * `ERR_PROTECTION` unless all bytes are mapped for reading and writing. Not upstream.
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([
   *   [0x0000, 0x1000],
   *   [0x1000, 0x1000],
   * ])
   * for (const view of memory.views(0xff0, 0x20)) view.fill(7)
   * console.log(memory.readU8(0xfff), memory.readU8(0x1000)) // 7 7
   * ```
   */
  views(addr: U64, count: Usize): Uint8Array[]
  /**
   * Gives pages back to the host, of one region or of several, as `Mapping.discard` does. Throws `ERR_INVALID_GUEST_ADDRESS`
   * if not all of the bytes are in regions; then nothing is given back. Not upstream.
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap, pageSize } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges([[0, 4 * pageSize()]])
   * memory.fill(1, 0, 4 * pageSize())
   * memory.discard(pageSize(), pageSize())
   * console.log(memory.readU8(0), memory.readU8(pageSize())) // 1 0
   * ```
   */
  discard(addr: U64, count: Usize): void
  /**
   * Prepares pages before they are needed, of one region or of several, as `Mapping.prefault` does; by default all from `addr`
   * on, and without it those of all regions. `write` is true by default for regions that are no private mappings of files. Rejects
   * with `ERR_INVALID_GUEST_ADDRESS` if not all of the bytes are in regions, before anything is done. Not upstream.
   */
  prefault(options?: {
    addr?: U64
    count?: Usize
    write?: boolean
    threads?: number
    signal?: AbortSignal
  }): Promise<void>
  /**
   * Gives the host advice about pages, of one region or of several, as `Mapping.advise` does; by default about all from
   * `addr` on, and without it about all regions. Not upstream.
   */
  advise(advice: Advice, addr?: U64, count?: Usize): void
  /**
   * Returns where there is data, as `Mapping.dataRanges` does, by guest address. Ranges of two regions are not joined. Not
   * upstream.
   */
  dataRanges(): [addr: bigint, count: number][]
  /**
   * Returns what this process has written since the memory was mapped, by methods, views or system calls, as
   * `[addr, count]` of whole pages, ascending. Needs no tracking, and costs nothing while the memory is used: the pages of a
   * private mapping of a file that were written are copies. Pages that were discarded count. Throws `ERR_UNSUPPORTED`
   * unless every region is a private mapping of a file, and `ERR_MEMORY_FAULT` while some of one is lost. Not upstream.
   */
  changedRanges(): [addr: bigint, count: number][]
}

/**
 * Where the regions of a snapshot lie in its file: plain data, for JSON. `start` is a guest address as `0x…`; `size` and `offset` (in
 * the file) are in bytes.
 *
 * The file is raw memory: the regions one after the other by address, each from a page of the host on, and holes for what is zero.
 * That is what Firecracker writes and reads, and what `FileOffset` maps.
 */
export interface SnapshotTable {
  /** Ascending by `start`, without overlap in memory or in the file. */
  readonly regions: readonly { readonly start: string; readonly size: number; readonly offset: number }[]
}
/** Options of `save` and `saveRanges`. */
export interface SnapshotOptions {
  /** Ends the save when it aborts. */
  signal?: AbortSignal
  /**
   * Is called on the event loop, some ten times a second at the most, and at the end: with how many bytes of memory are done, holes
   * included, and how many there are. What it throws ends the save, which is rejected with that.
   */
  onProgress?: (written: number, total: number) => void
}
/** What `save` and `saveRanges` resolve with. */
export interface SavedMemory {
  /** Where the regions lie in the file. */
  readonly table: SnapshotTable
  /** Bytes of memory that were written: those of the pages that are not zeros. */
  readonly written: number
}

/** Memory in files. A save while others write is torn, as any copy is. */
export interface GuestMemory {
  /**
   * Writes all memory to a file, sparse, on a native thread: pages that are zeros are holes, whatever else was in that part of
   * the file. Takes no memory for what was never touched. The file gets as long as it has to be, and is never shortened; bytes
   * before and behind the snapshot's part stay, and so does the cursor. `offset`, a multiple of the host's page, is where that
   * part begins (0 by default). The descriptor may be closed once the call has returned. Not upstream.
   *
   * ```ts
   * const { table, written } = await memory.save(file, { onProgress: (done, total) => bar.update(done / total) })
   * await writeFile('snapshot.json', JSON.stringify(table))
   * ```
   *
   * Rejects with `ERR_SNAPSHOT` for a file that a region of this memory is mapped from, whatever the descriptor, and for one that
   * is open for appending and cannot be opened otherwise; with `ERR_PROTECTION` for memory that may not be read; with
   * `ERR_MEMORY_FAULT` for memory that has lost pages; with `ERR_OUT_OF_RANGE` for an odd `offset`; with `ERR_IO` with `errno`, and
   * `completed` bytes that were written before; and with the reason of `signal` when that aborts. What was written by then stays.
   */
  save(file: FileLike, options?: SnapshotOptions & { offset?: U64 }): Promise<SavedMemory>
  /**
   * Writes ranges of memory over a snapshot of the same regions: those of `changedRanges`, `dirtyRanges` or
   * `WriteTracker.harvest`, in whole pages and any order. Pages that are zeros become holes. Not upstream.
   *
   * ```ts
   * await memory.saveRanges(file, table, memory.dirtyRanges({ reset: true }))
   * ```
   *
   * Rejects as `save` does; with `ERR_SNAPSHOT` also if the table does not fit the memory or the file; with
   * `ERR_INVALID_GUEST_ADDRESS` if a range has a hole. Nothing is written then.
   */
  saveRanges(
    file: FileLike,
    table: SnapshotTable,
    ranges: Iterable<readonly [addr: U64, count: Usize]>,
    options?: SnapshotOptions,
  ): Promise<SavedMemory>
}

/** Who has written where. Ranges are in whole pages, ascending, and joined where they touch within a region. */
export interface GuestMemory {
  /**
   * Begins to track the writes of this process, however they are made. Takes some 40 ms for each GiB that is in use. Throws
   * `ERR_MOVED` if a mapping of this memory is tracked already, in whatever thread, and `ERR_UNSUPPORTED` if the kernel cannot do
   * it, with `errno` where it said so: before Linux 6.7, under seccomp, and on macOS. Not upstream.
   */
  trackWrites(): WriteTracker
  /**
   * Marks `count` bytes at `addr` as written, in the bitmaps of regions that have one: for what views, buffers and other
   * processes have written. Throws `ERR_INVALID_GUEST_ADDRESS`, with the first address that is no memory, before anything is
   * marked. Not upstream.
   */
  markDirty(addr: U64, count: Usize): void
  /**
   * Returns what is marked in the bitmaps of regions that have one. `reset` takes the marks away in the same step: each is
   * told exactly once, whoever marks meanwhile. Not upstream.
   */
  dirtyRanges(options?: { reset?: boolean }): [addr: bigint, count: number][]
  /**
   * Calls `fn` with what `views(addr, count)` returns, and marks all of these bytes afterwards: when `fn` has returned or
   * thrown, or when the promise that it returned has settled. Returns what `fn` returns; of a promise, one that settles the
   * same way once the bytes are marked. Throws what `views` and `fn` throw. Not upstream.
   */
  withViews<R>(addr: U64, count: Usize, fn: (views: Uint8Array[]) => R): R
}

export interface GuestMemoryMmap extends GuestMemory {}

export interface GuestMemoryAtomic extends GuestAddressSpace {
  memory(): GuestMemoryLoadGuard
  /**
   * Takes the update lock without blocking the event loop, which stays alive meanwhile. Callers of `lockAsync` and of
   * `lock` in all threads are served in the order in which they came. The promise is rejected with the reason of
   * `signal` when `signal` aborts (by default an AbortError), and with `ERR_LOCK_TIMEOUT` after `timeout`
   * milliseconds. An abort after the lock was granted does nothing. Not upstream.
   */
  lockAsync(options?: { signal?: AbortSignal; timeout?: number }): Promise<GuestMemoryExclusiveGuard>
  /**
   * Calls `listener` after each change of the map: in the thread that replaced it before `replace` or `update` returns (with
   * the lock given back), in others when their event loop turns, with all that has changed since the last call. Listeners run
   * in the order in which they were registered, on whatever handle. What a listener throws is an uncaught exception. A
   * listener does not keep the process alive. Not upstream.
   *
   * ```ts
   * using listening = atomic.onChange(({ added, removed }) => {
   *   for (const region of removed) dropSlot(region)
   *   for (const region of added) addSlot(region)
   * })
   * ```
   *
   * @returns what ends that: `using`, or `[Symbol.dispose]()`
   */
  onChange(
    listener: (change: MapDiff & { readonly previous: GuestMemoryMmap; readonly current: GuestMemoryMmap }) => void,
  ): Disposable
  /**
   * Waits for a grace period (RCU): until every load guard that was taken before this call, in whatever thread, has been
   * disposed of or collected, or its thread has ended. Guards on the current map hold nothing up, and a clone of an old guard
   * is an old guard. What came out of `intoInner` is no guard. The event loop stays alive meanwhile. Not upstream.
   *
   * ```ts
   * const old = atomic.update((map) => map.removeRegion(base, size)[0])
   * await atomic.synchronize() // nobody reads the old map any more
   * ```
   *
   * @throws rejects with `ERR_LOCK_TIMEOUT` after `timeout` milliseconds, and with the reason of `signal` when it aborts
   */
  synchronize(options?: { signal?: AbortSignal; timeout?: number }): Promise<void>
}

/** What is different between two maps: regions, ascending by start address. */
export interface MapDiff {
  /** The regions that only the later map has. */
  readonly added: GuestRegionMmap[]
  /** The regions that only the earlier map has. */
  readonly removed: GuestRegionMmap[]
  /** The regions that both maps have. */
  readonly kept: GuestRegionMmap[]
}

/**
 * A ticket for a memory, made by `share`. It survives structured clone, and is good for one `fromShared` in any thread
 * of the process.
 */
export interface SharedMemory<
  T extends 'GuestMemoryAtomic' | 'GuestMemoryMmap' = 'GuestMemoryAtomic' | 'GuestMemoryMmap',
> {
  /** The class of the object that the ticket stands for, and whose `fromShared` takes it. */
  readonly type: T
  /** The secret that names the ticket. It cannot be guessed. */
  readonly id: string
}

export interface FileOffset {
  /** Does what `dispose` does, for `using`. */
  [Symbol.dispose](): void
}
export interface GuestMemoryLoadGuard extends GuestMemoryMmap {}
export interface GuestMemoryLoadGuard {
  /** Does what `dispose` does, for `using`. */
  [Symbol.dispose](): void
}
export interface WriteTracker {
  /** Does what `dispose` does, for `using`. */
  [Symbol.dispose](): void
}
export interface GuestMemoryExclusiveGuard {
  /** Does what `dispose` does, for `using`. */
  [Symbol.dispose](): void
}

/**
 * A part of a mapping that the host has lost: its file was truncated, its file system is full, no huge page is left, or the
 * memory is broken.
 *
 * An access to such a page is SIGBUS, which ends the process. For a mapping with `recoverFaults: true` it is not: the page,
 * or all from the new end of the file on, is replaced by memory of its own, zeros first, and the access goes on. Zeros are
 * never a silent answer: from then on every method that touches lost pages throws `ERR_MEMORY_FAULT`, until `healFaults`.
 * Views and buffers cannot throw: ask `faults`, `checkFaults` or `onMemoryFault`. Not upstream.
 */
export interface MemoryFault {
  /** Where in the mapping the lost part begins. */
  readonly offset: number
  /** Its length in bytes. */
  readonly count: number
  /** Why it was lost: its file is shorter, there was no space for the page, or the host's memory is broken. */
  readonly reason: 'truncated' | 'no-space' | 'poisoned'
}

/**
 * Advice to the host about pages: `MADV_HUGEPAGE`, `MADV_NOHUGEPAGE` and `MADV_COLLAPSE` (transparent huge pages),
 * `MADV_MERGEABLE` and `MADV_UNMERGEABLE` (KSM), `MADV_DODUMP`, `MADV_DONTDUMP`, `MADV_DOFORK`, `MADV_DONTFORK`, `MADV_COLD`,
 * `MADV_PAGEOUT`, `MADV_NORMAL`, `MADV_SEQUENTIAL`, `MADV_RANDOM` and `MADV_WILLNEED` of madvise(2), in this order. macOS has
 * the last four.
 */
export type Advice =
  | 'hugePage'
  | 'noHugePage'
  | 'collapse'
  | 'mergeable'
  | 'unmergeable'
  | 'dump'
  | 'noDump'
  | 'fork'
  | 'noFork'
  | 'cold'
  | 'pageOut'
  | 'normal'
  | 'sequential'
  | 'random'
  | 'willNeed'

/** The members of `MmapRegion`. A `GuestRegionMmap` has the members of its mapping. */
export interface Mapping extends VolatileMemory {
  /** The number of bytes. (`size`) */
  readonly size: number
  /** The `PROT_…` bits given to mmap(2). (`prot`) */
  readonly prot: number
  /** The `MAP_…` bits given to mmap(2). (`flags`) */
  readonly flags: number
  /** Whether the memory is unmapped when nothing uses it any more; false for raw mappings. (`owned`) */
  readonly owned: boolean
  /**
   * The file that is mapped, and where in the file the mapping starts; null for anonymous memory, and after `release`.
   * (`file_offset`)
   */
  readonly fileOffset: FileOffset | null
  /** A label that the user may give; null if the user gave none. (`is_hugetlbfs`) */
  readonly isHugetlbfs: boolean | null
  /** The pages that were written; null if writes are not tracked. Always the same object in a thread. (`bitmap`) */
  readonly bitmap: AtomicBitmap | null
  /** Whether the loss of a page is survived: see `MemoryFault`. Not upstream. */
  readonly recoverFaults: boolean
  /** What was lost and not healed, ascending. Not upstream. */
  readonly faults: MemoryFault[]
  /**
   * Maps the file again where pages were lost, and marks those dirty. Throws `ERR_MAPPING_PAST_EOF` while the file is too
   * short, and `ERR_MMAP` with `errno`; what was not mapped again stays lost. Not upstream.
   */
  healFaults(): void
  /**
   * Returns the host address of the first byte. It dangles once the region is unmapped. Throws `ERR_DISPOSED` after `release`.
   * (`as_ptr`)
   */
  asPtr(): bigint
  /**
   * Gives the memory and the file of the mapping back to the host now, whoever still has objects of it, as dropping the last
   * reference does in Rust. After `synchronize`, which waits for the guards on old maps, nobody notices.
   *
   * From then on, in all threads, whatever touches the memory or leads to it throws `ERR_DISPOSED`: methods of the mapping, its
   * region, slices and references, and of memory where the range crosses into it (before anything is copied). What only asks
   * still answers: sizes, addresses and look-ups, `prot`, `bitmap`, `diff`, `removeRegion`, `share`. Views and buffers that were
   * given out read zeros, and lead nowhere else.
   *
   * Waits for copies that are under way in other threads, and for no system call: a transfer of a file ends with what it did or
   * with `ERR_DISPOSED`. The descriptor is closed unless a `FileOffset` still has it. The addresses are free at once, or with the
   * last view, buffer, system call, or thread that has accessed them and whose event loop does not turn. A mapping that other
   * code made is left mapped. Twice does nothing. Throws `ERR_IO` with `errno` if there are too many mappings to put zeros into the
   * place of memory that has views. (`Drop`)
   */
  release(): void
  /** Whether the mapping was released, in whatever thread. Not upstream. */
  readonly isReleased: boolean
  /**
   * Checks whether this mapping and `other` show overlapping parts of one file, which means: of one descriptor of a
   * `FileOffset`. (`fds_overlap`)
   */
  fdsOverlap(other: MmapRegion | GuestRegionMmap): boolean
  /**
   * The whole region, zero-copy: one ArrayBuffer for each region and thread. It is made on first use, and is the same
   * object from then on. The buffer keeps the mapping alive. `bitmap` does not see writes through the buffer: mark
   * those with `bitmap.markDirty`. Throws `ERR_PROTECTION` unless the memory is mapped for reading and writing,
   * `ERR_BUFFER_TOO_LARGE` if the engine cannot make a buffer of this length (use `asUint8Array` on a part), and
   * `ERR_UNSUPPORTED` if the engine cannot make any.
   */
  readonly buffer: ArrayBuffer
  /**
   * The whole region as a SharedArrayBuffer, for `postMessage` and `Atomics.wait`. Throws `ERR_UNSUPPORTED` if the
   * runtime cannot make one (Node before 22.23, 24.16 and 26.1), and what `buffer` throws.
   */
  readonly sharedBuffer: SharedArrayBuffer
  /**
   * Returns a zero-copy view on a part of the region, in bytes (default: from 0 to the end). Works on regions of any
   * size. `bitmap` does not see writes through the view: mark those with `bitmap.markDirty`. Throws
   * `ERR_OUT_OF_BOUNDS`, `ERR_OVERFLOW`, and what `buffer` throws.
   *
   * @example
   * ```ts
   * import { GuestRegionMmap } from 'vm-memory'
   *
   * const region = GuestRegionMmap.fromRange(0, 0x1000)
   * region.asUint8Array(0x10, 4).set([1, 2, 3, 4])
   * console.log(region.readU8(0x13)) // 4
   * ```
   */
  asUint8Array(offset?: Usize, length?: Usize): Uint8Array

  /** The number of bytes in a page of this mapping: the host's, or of huge pages. Not upstream. */
  readonly pageSize: number
  /**
   * How many bytes of the mapping are in the host's memory now. Of a file, pages count whoever has written or read them.
   * Not upstream.
   */
  readonly residentSize: number
  /**
   * Returns where there is data: `[offset, count]` of whole pages in bytes, ascending, joined where they touch. What is left
   * out reads zero. Takes no memory. Of memory that other code has mapped, all is data. Throws `ERR_MEMORY_FAULT` while
   * some of it is lost, and `ERR_UNSUPPORTED` on macOS. Not upstream.
   */
  dataRanges(): [offset: number, count: number][]
  /**
   * Gives pages back to the host. They read zero afterwards, in all threads, and views on them stay good. The bitmap is
   * marked. The bytes of a shared file are lost, too; a private mapping of a file has zeros, not the file's bytes, from then
   * on.
   *
   * `offset` and `count` are multiples of `pageSize`, in bytes; the end of the mapping is one, too. Throws `ERR_PROTECTION`
   * unless the memory may be written, `ERR_UNSUPPORTED` for raw mappings, `ERR_OUT_OF_RANGE` for a part of a page,
   * `ERR_MEMORY_FAULT` for pages that a mapping with `recoverFaults` has lost, `ERR_IO` with `errno`, and what `getSlice`
   * throws. Not upstream.
   */
  discard(offset: Usize, count: Usize): void
  /**
   * Prepares pages before they are needed, so that no access waits for one: by default all, with `threads` native threads
   * (1 by default, and no more than there are processors). `write` makes them writable, too; it is true by default, but for
   * private mappings of files: a page of those that is to be written is a copy, which `changedRanges` tells. The event loop goes
   * on. Linux 5.14; elsewhere `ERR_UNSUPPORTED`.
   *
   * Rejects with `ERR_MEMORY_FAULT` where there is no page to be had: beyond the end of the file, or without space for it;
   * with `ERR_PROTECTION` unless the memory may be read, or written; with `ERR_OUT_OF_RANGE` for a part of a page and for 0
   * threads; with `ERR_IO` with `errno`; with what `getSlice` throws; and with the reason of `signal` when that aborts. Pages
   * that are there by then stay. Not upstream.
   *
   * ```ts
   * await region.prefault({ threads: 4 })
   * ```
   */
  prefault(options?: {
    offset?: Usize
    count?: Usize
    write?: boolean
    threads?: number
    signal?: AbortSignal
  }): Promise<void>
  /**
   * Writes to the disk what is new in a shared file (msync(2)), by default all of it, and resolves when it is there. The event loop goes on. What is no
   * shared file has nothing to do. Rejects with `ERR_IO` with `errno`, with `ERR_MEMORY_FAULT` if some of it was lost, with
   * `ERR_OUT_OF_RANGE` for a part of a page, with what `getSlice` throws, and with the reason of `signal` when that aborts;
   * the host may go on writing then. Not upstream.
   */
  flush(options?: { offset?: Usize; count?: Usize; signal?: AbortSignal }): Promise<void>
  /**
   * Gives the host advice about pages (madvise(2)); by default about all of them. Throws `ERR_IO` with `errno` if the kernel
   * refuses it, `ERR_UNSUPPORTED` if the platform has no such advice, `ERR_OUT_OF_RANGE` for a part of a page, and what
   * `getSlice` throws. Not upstream.
   */
  advise(advice: Advice, offset?: Usize, count?: Usize): void
  /**
   * Keeps pages in the host's memory (mlock2(2)); by default all of them. They are made now, or, with `onFault`, when they
   * are touched. Throws `ERR_IO` with `errno`: ENOMEM or EPERM beyond the limit of the process (RLIMIT_MEMLOCK). Not upstream.
   */
  lockPages(options?: { offset?: Usize; count?: Usize; onFault?: boolean }): void
  /** Lets the host take pages again (munlock(2)); by default all of them. Not upstream. */
  unlockPages(options?: { offset?: Usize; count?: Usize }): void
}

export interface MmapRegion extends Mapping {}
export interface GuestRegionMmap extends Mapping, ByteAccess<Usize>, VolatileTransfer<Usize> {}
export interface VolatileSlice extends VolatileMemory, ByteAccess<Usize>, VolatileTransfer<Usize> {}
// The build gives these parameters to the generated classes, too: `scripts/declarations.mjs`.
export interface VolatileRef<T extends ScalarType = ScalarType> {}
export interface VolatileArrayRef<T extends ScalarType = ScalarType> {}
export interface AtomicRef<T extends AtomicType = AtomicType> {}

/** One bit for each page of memory, set when the page was written (upstream `Bitmap`). Offsets are in bytes. */
export interface Bitmap {
  /** Marks the pages of `len` bytes at `offset` as dirty. Ignores pages beyond the end. (`mark_dirty`) */
  markDirty(offset: Usize, len: Usize): void
  /** Checks whether the page at `offset` is dirty. Returns false beyond the end. (`dirty_at`) */
  dirtyAt(offset: Usize): boolean
  /** Returns this bitmap as it is seen from `offset`: offset 0 of the result is `offset` here. (`slice_at`) */
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
 * What all errors of the crate vm-memory have. `name` is the upstream type, `code` is the upstream variant, and `message` is
 * the upstream text (`Display`), word for word. The fields of a variant are properties: addresses as bigint, counts as
 * number. What the text does not say is in properties, too, which `console.log` shows.
 */
export interface Refusal<Name extends string, Code extends string> extends Error {
  /** The upstream type of the error. */
  readonly name: Name
  /** The upstream variant. */
  readonly code: Code
  /** The method or function that was called, as `readObj`. Constructors tell none. */
  readonly operation?: string
  /** What to look at, where the text misleads: a sentence with the values and ranges in hexadecimal. */
  readonly hint?: string
}
/** The place of an access. */
export interface Place {
  /** Where the access was to begin: a guest address, or an offset in the region or slice, in bytes. */
  readonly addr?: bigint
  /** How many bytes it was to have, if that is known. */
  readonly count?: number
}
/** A failure of the operating system, or of a source that ended, or of a target that took nothing more. */
export interface IoFailure {
  /** The error number of the operating system, positive. */
  readonly errno?: number
  /** `UnexpectedEof` of a source that ended, `WriteZero` of a target that took nothing more; such an error has no `errno`. */
  readonly kind?: 'UnexpectedEof' | 'WriteZero'
  /** The bytes that were moved before it failed. */
  readonly completed?: number
}

/** An access to guest memory that was refused, or has failed: a variant of upstream's `GuestMemoryError`. */
export type GuestMemoryError =
  | (Refusal<'GuestMemoryError', 'ERR_INVALID_GUEST_ADDRESS'> & {
      /** The guest address at which there is no memory. */
      readonly addr: bigint
    })
  | (Refusal<'GuestMemoryError', 'ERR_IO'> & IoFailure)
  | (Refusal<'GuestMemoryError', 'ERR_PARTIAL_BUFFER'> &
      Place & {
        /** How many bytes were to be moved. */
        readonly expected: number
        /** How many bytes were moved. */
        readonly completed: number
      })
  | (Refusal<'GuestMemoryError', 'ERR_INVALID_BACKEND_ADDRESS'> & Place)
  | Refusal<
      'GuestMemoryError',
      'ERR_HOST_ADDRESS_NOT_AVAILABLE' | 'ERR_CALLBACK_OUT_OF_RANGE' | 'ERR_GUEST_ADDRESS_OVERFLOW'
    >
/** A memory map that cannot be made: a variant of upstream's `mmap::Error`. */
export type MmapError =
  | (Refusal<'MmapError', 'ERR_INVALID_GUEST_REGION'> & {
      /** The guest address of the region that was asked for. */
      readonly base?: bigint
      /** Its size, in bytes. */
      readonly size?: bigint
    })
  | (Refusal<'MmapError', 'ERR_MEMORY_REGION_OVERLAP'> & {
      /** The two ranges, each as its first and last guest address; the lower one first. */
      readonly ranges?: readonly [readonly [bigint, bigint], readonly [bigint, bigint]]
    })
  | Refusal<'MmapError', 'ERR_NO_MEMORY_REGION' | 'ERR_UNSORTED_MEMORY_REGIONS'>
/** A mapping that cannot be made: a variant of upstream's `MmapRegionError`. */
export type MmapRegionError =
  | (Refusal<'MmapRegionError', 'ERR_MMAP' | 'ERR_SEEK_END' | 'ERR_SEEK_START'> & {
      /** The error number of the operating system, positive. */
      readonly errno?: number
    })
  | Refusal<
      'MmapRegionError',
      | 'ERR_INVALID_OFFSET_LENGTH'
      | 'ERR_INVALID_POINTER'
      | 'ERR_MAP_FIXED'
      | 'ERR_MAPPING_OVERLAP'
      | 'ERR_MAPPING_PAST_EOF'
    >
/** An access by offset that was refused, or has failed: a variant of upstream's `VolatileMemoryError`. */
export type VolatileMemoryError =
  | (Refusal<'VolatileMemoryError', 'ERR_OUT_OF_BOUNDS'> & {
      /** The end of what was asked for, as an offset; of some methods as a host address. */
      readonly addr: bigint
    })
  | (Refusal<'VolatileMemoryError', 'ERR_OVERFLOW'> & {
      /** What was to be added to. */
      readonly base: bigint
      /** What was to be added. */
      readonly offset: bigint
    })
  | (Refusal<'VolatileMemoryError', 'ERR_TOO_BIG'> & {
      /** How many elements were asked for. */
      readonly nelements: bigint
      /** The size of one of them, in bytes. */
      readonly size: bigint
    })
  | (Refusal<'VolatileMemoryError', 'ERR_MISALIGNED'> & {
      /** The host address. */
      readonly addr: bigint
      /** What it is to be a multiple of, in bytes. */
      readonly alignment: number
    })
  | (Refusal<'VolatileMemoryError', 'ERR_IO'> & IoFailure)
  | (Refusal<'VolatileMemoryError', 'ERR_PARTIAL_BUFFER'> &
      Place & {
        /** How many bytes were to be moved. */
        readonly expected: number
        /** How many bytes were moved. */
        readonly completed: number
      })
/** Everything that the crate vm-memory itself refuses. `switch (error.code)` knows the properties of each. */
export type VmMemoryError = GuestMemoryError | MmapError | MmapRegionError | VolatileMemoryError

/**
 * Checks whether an error is one of the crate vm-memory, from whatever realm or copy of this package. It looks at the error's own
 * `name` and `code`, and never throws. Errors of this package itself, whose codes are `BindingErrorCode`, are none.
 *
 * @param error anything, such as what was caught
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap, isVmMemoryError } from 'vm-memory'
 *
 * try {
 *   new GuestMemoryMmap().readU8(0x1000)
 * } catch (error) {
 *   if (isVmMemoryError(error)) console.log(error.code, error.operation) // ERR_INVALID_GUEST_ADDRESS readU8
 * }
 * ```
 */
export declare function isVmMemoryError(error: unknown): error is VmMemoryError

/** The codes of errors of the binding itself. They are of class TypeError or RangeError where that fits, else Error. */
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
  | 'ERR_MEMORY_FAULT' // the host has lost the page: `offset` in the mapping, `reason`; on memory `addr` too
  | 'ERR_UNSUPPORTED' // this runtime or platform cannot do it
  | 'ERR_SNAPSHOT' // a table that does not fit the file or the map; a file that a region of the map is mapped from

/**
 * Calls `listener` for each fault of a mapping that recovers (see `MemoryFault`), on the event loop of this thread, with the
 * mapping and what it has lost. Whoever has lost it: a method, a view, another thread. Does not keep the process alive.
 *
 * @returns what ends that, for `using`
 * @throws `ERR_INVALID_ARG_TYPE` for what is no function; `ERR_IO` with `errno` if there is no descriptor or thread left
 */
export declare function onMemoryFault(
  listener: (region: GuestRegionMmap | MmapRegion, fault: MemoryFault) => void,
): Disposable

// ------------------------------------------------------------------------------------------------ generated from Rust
