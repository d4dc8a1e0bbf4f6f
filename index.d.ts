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

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array

export declare namespace GuestAddress {
  /** Returns `a + other`, or null if the sum overflows 64 bits. (`Address::checked_add`) */
  export function checkedAdd(a: U64, other: U64): bigint | null
  /**
   * Rounds `a` up to a multiple of `powerOfTwo`. Returns null if the result overflows 64 bits.
   * (`Address::checked_align_up`)
   *
   * @throws `ERR_OUT_OF_RANGE` unless `powerOfTwo` is a power of two
   */
  export function checkedAlignUp(a: U64, powerOfTwo: U64): bigint | null
  /** Returns the distance from `base` up to `a`, or null if `a` lies before `base`. (`Address::checked_offset_from`) */
  export function checkedOffsetFrom(a: U64, base: U64): bigint | null
  /** Returns `a - other`, or null if the difference is negative. (`Address::checked_sub`) */
  export function checkedSub(a: U64, other: U64): bigint | null
  /** Returns the bits of `a` that are set in `mask`. (`Address::mask`) */
  export function mask(a: U64, mask: U64): bigint
  /** Returns `a + other` modulo 2^64, and whether the sum overflowed. (`Address::overflowing_add`) */
  export function overflowingAdd(a: U64, other: U64): [bigint, boolean]
  /** Returns `a - other` modulo 2^64, and whether the difference overflowed. (`Address::overflowing_sub`) */
  export function overflowingSub(a: U64, other: U64): [bigint, boolean]
  /** Returns `a + other` modulo 2^64, as upstream does in a release build. (`Address::unchecked_add`) */
  export function uncheckedAdd(a: U64, other: U64): bigint
  /**
   * Rounds `a` up to a multiple of `powerOfTwo`, modulo 2^64, as upstream does in a release build.
   * (`Address::unchecked_align_up`)
   *
   * @throws `ERR_OUT_OF_RANGE` unless `powerOfTwo` is a power of two
   */
  export function uncheckedAlignUp(a: U64, powerOfTwo: U64): bigint
  /**
   * Returns the distance from `base` up to `a` modulo 2^64, as upstream does in a release build.
   * (`Address::unchecked_offset_from`)
   */
  export function uncheckedOffsetFrom(a: U64, base: U64): bigint
  /** Returns `a - other` modulo 2^64, as upstream does in a release build. (`Address::unchecked_sub`) */
  export function uncheckedSub(a: U64, other: U64): bigint
}

/**
 * One bit for each page of memory, set when the page was written; safe to use from several threads.
 *
 * Every write through the methods of this package marks the bytes that were written. Writes through `buffer`,
 * `asUint8Array` and `views` mark nothing: mark those with `markDirty`. (`AtomicBitmap`)
 *
 * @example
 * ```ts
 * import { AtomicBitmap } from 'vm-memory'
 *
 * const bitmap = new AtomicBitmap(0x4000, 0x1000)
 * bitmap.markDirty(0x1800, 1)
 * console.log(bitmap.len, bitmap.isBitSet(1), bitmap.getAndReset()[0]) // 4 true 2n
 * ```
 */
export declare class AtomicBitmap {
  /**
   * Makes a bitmap that belongs to no mapping, with all pages clean. (`AtomicBitmap::new`)
   *
   * @param byteSize bytes that are tracked
   * @param pageSize bytes for each bit, more than 0
   * @throws `ERR_OUT_OF_RANGE` for a page size of 0, and if there is no memory for the bits
   */
  constructor(byteSize: Usize, pageSize: Usize)
  /**
   * Makes a bitmap that belongs to no mapping, with a bit for each page of the host. (`NewBitmap::with_len`)
   *
   * @param byteSize bytes that are tracked
   * @throws `ERR_OUT_OF_RANGE` if there is no memory for the bits
   */
  static withLen(byteSize: Usize): AtomicBitmap
  /** The number of pages. (`len`) */
  get len(): number
  /** The number of bytes that are tracked. (`byte_size`) */
  get byteSize(): number
  /** Checks whether the page with this index is dirty. Returns false beyond the end. (`is_bit_set`) */
  isBitSet(index: Usize): boolean
  /** Checks whether the page at this offset, in bytes, is dirty. Returns false beyond the end. (`is_addr_set`) */
  isAddrSet(addr: Usize): boolean
  /** Marks the page with this index as dirty. Does nothing beyond the end. (`set_bit`) */
  setBit(index: Usize): void
  /** Marks the page with this index as clean. Does nothing beyond the end. (`reset_bit`) */
  resetBit(index: Usize): void
  /** Marks the pages of `len` bytes at offset `start` as dirty. Ignores pages beyond the end. (`set_addr_range`) */
  setAddrRange(start: Usize, len: Usize): void
  /** Marks the pages of `len` bytes at offset `start` as clean. Ignores pages beyond the end. (`reset_addr_range`) */
  resetAddrRange(start: Usize, len: Usize): void
  /** Marks all pages as clean. (`reset`) */
  reset(): void
  /**
   * Returns the bits, and marks all pages as clean. A word has the bits of 64 pages, the first page in its lowest
   * bit. (`get_and_reset`)
   *
   * @throws `ERR_BUFFER_TOO_LARGE` or `ERR_IO` with `errno` if there is no memory for the bits, which then stay as
   * they are
   */
  getAndReset(): BigUint64Array
  /**
   * Copies the bits into a new bitmap, which belongs to no mapping. (`Clone`)
   *
   * @throws `ERR_IO` with `errno` if there is no memory for the bits
   */
  clone(): AtomicBitmap
  /**
   * Tracks `additionalSize` more bytes, whose pages are clean. (`enlarge`)
   *
   * @param additionalSize bytes
   * @throws `ERR_MOVED` if the bitmap is part of a builder or mapping; `ERR_OUT_OF_RANGE` if there is no memory for
   * the bits
   */
  enlarge(additionalSize: Usize): void
}

/**
 * A reference to one aligned integer, with atomic access.
 *
 * (The result of `VolatileMemory::get_atomic_ref`)
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap, Ordering } from 'vm-memory'
 *
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
 * const index = memory.getSlice(0x100, 2).getAtomicRef('u16', 0)
 * index.store(1, Ordering.Release)
 * console.log(index.load(Ordering.Acquire)) // 1
 * ```
 */
export declare class AtomicRef<T extends AtomicType = AtomicType> {
  private constructor()
  /** The type of the integer. */
  get type(): T
  /**
   * Reads the integer. (`AtomicInteger::load`)
   *
   * @returns a number up to 32 bits, a bigint for 64 bits
   * @throws `ERR_OUT_OF_RANGE` for `Release` and `AcqRel`; `ERR_PROTECTION`
   */
  load(order: Ordering): ValueOf<T>
  /**
   * Writes the integer. As upstream, does not mark it dirty: the method `store` of a slice does.
   * (`AtomicInteger::store`)
   *
   * @throws `ERR_OUT_OF_RANGE` for `Acquire` and `AcqRel`, or if the value does not fit the type; `ERR_PROTECTION`
   */
  store(value: number | bigint, order: Ordering): void
}

/**
 * A bitmap seen from an offset, as a slice of memory marks it. (`BitmapSlice`)
 *
 * @example
 * ```ts
 * import { AtomicBitmap } from 'vm-memory'
 *
 * const bitmap = new AtomicBitmap(0x4000, 0x1000)
 * bitmap.sliceAt(0x2000).markDirty(0, 1)
 * console.log(bitmap.isAddrSet(0x2000)) // true
 * ```
 */
export declare class BitmapSlice {
  #private
  private constructor()
}

/**
 * A file, and the offset in the file at which a mapping starts.
 *
 * Holds its own duplicate of the descriptor, which is closed when nothing uses it any more. Mappings of one
 * `FileOffset` share this duplicate, and keep it open after the object was disposed of. Make one `FileOffset` for each
 * file and use it again: each one that is made from a descriptor keeps one more descriptor open, until it is disposed
 * of or collected. (`FileOffset`)
 *
 * @example
 * ```ts
 * import { closeSync } from 'node:fs'
 * import { FileOffset, GuestMemoryMmap, memfdCreate } from 'vm-memory'
 *
 * const fd = memfdCreate('ram', 0x10_0000)
 * using file = new FileOffset(fd, 0x1_0000)
 * closeSync(fd)
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000, file]])
 * console.log(memory.lastAddr) // 4095n
 * ```
 */
export declare class FileOffset {
  /**
   * Duplicates the descriptor (`FileOffset::new`), or shares the duplicate of another `FileOffset`
   * (`FileOffset::from_arc`), so that `fdsOverlap` sees mappings of both as mappings of one file.
   *
   * @param file an open file, or another `FileOffset`
   * @param start the offset in the file at which a mapping starts, in bytes; a mapping needs a multiple of the page
   * size
   * @throws `ERR_IO` with `errno` if the descriptor cannot be duplicated; `ERR_DISPOSED`
   */
  constructor(file: FileLike, start: U64)
  /**
   * The offset in the file at which a mapping starts, in bytes. (`start`)
   *
   * @throws `ERR_DISPOSED`
   */
  get start(): bigint
  /**
   * The duplicate of the descriptor. It belongs to this object: do not close it. (`file`)
   *
   * @throws `ERR_DISPOSED`
   */
  get fd(): number
  /**
   * Releases the duplicate of the descriptor, which is closed now, or with the last mapping of the file. Any later
   * use throws `ERR_DISPOSED`; a second `dispose` does nothing. (`Drop`)
   */
  dispose(): void
}

/**
 * A memory map that can be replaced while others read it (RCU).
 *
 * Readers take a snapshot with `memory()` and never wait; a writer takes the lock, derives a new map and replaces the
 * old one. (`GuestMemoryAtomic<GuestMemoryMmap>`)
 *
 * @example
 * ```ts
 * import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from 'vm-memory'
 *
 * const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
 * atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(0x8000, 0x1000)))
 * using memory = atomic.memory()
 * console.log(memory.numRegions) // 2
 * ```
 */
export declare class GuestMemoryAtomic {
  /**
   * Makes an atomic whose first snapshot is `map`. (`GuestMemoryAtomic::new` and `From<Arc<_>>`)
   *
   * @param map a map, or a guard that holds one
   * @throws `ERR_DISPOSED` for a guard that was disposed of
   */
  constructor(map: GuestMemoryMmap)
  /**
   * Returns a guard on the current snapshot, and never blocks. Dispose of the guard when done:
   * `using guard = atomic.memory()`. (`GuestAddressSpace::memory`)
   */
  memory(): GuestMemoryLoadGuard
  /**
   * Takes the update lock, and waits while another thread holds it. Callers are served in the order in which they
   * came. (`lock`)
   *
   * @param options.timeout milliseconds after which the call gives up; 0 tries once; no limit by default
   * @throws `ERR_LOCK_HELD` if this thread holds the lock or waits for it in `lockAsync`, since the call would wait
   * for ever; `ERR_LOCK_TIMEOUT`; `ERR_OUT_OF_RANGE` for a negative timeout
   */
  lock(options?: { timeout?: number }): GuestMemoryExclusiveGuard
  /** Takes the update lock if it is free now, or returns null. Not upstream. */
  tryLock(): GuestMemoryExclusiveGuard | null
  /**
   * Takes the update lock, calls `fn` with the current map, publishes the map that `fn` returns, and unlocks. If
   * `fn` throws, the current map stays. (Code that reads the map before it takes the lock can undo the updates of
   * other threads.) Not upstream.
   *
   * @param fn returns a new map, made from the current one; not asynchronous
   * @returns the new map
   * @throws `ERR_LOCK_HELD` as `lock` does; the error that `fn` throws
   *
   * @example
   * ```ts
   * import { GuestMemoryAtomic, GuestMemoryMmap } from 'vm-memory'
   *
   * const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
   * const map = atomic.update((current) => current.removeRegion(0, 0x1000)[0])
   * console.log(map.numRegions) // 0
   * ```
   */
  update(fn: (current: GuestMemoryMmap) => GuestMemoryMmap): GuestMemoryMmap
  /** Makes another handle on the same map and lock. (`Clone`) */
  clone(): GuestMemoryAtomic
  /**
   * Makes a ticket that can be posted to a worker and used once: `fromShared` returns a clone there. A ticket that
   * is never used is dropped when this thread ends. Not upstream.
   */
  share(): SharedMemory<'GuestMemoryAtomic'>
  /**
   * Returns a clone of the atomic whose `share` made the ticket, in any thread of the process. A ticket is good
   * once. Not upstream.
   *
   * @throws `ERR_INVALID_TICKET` for an unknown or used ticket, or one of a `GuestMemoryMmap`
   */
  static fromShared(ticket: SharedMemory<'GuestMemoryAtomic'>): GuestMemoryAtomic
}

/**
 * The update lock, held. A guard that is dropped without `dispose` unlocks when it is garbage-collected. If its thread
 * ends, the guard unlocks at once. (`GuestMemoryExclusiveGuard`)
 *
 * @example
 * ```ts
 * import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from 'vm-memory'
 *
 * const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
 * {
 *   using lock = atomic.lock()
 *   using current = atomic.memory()
 *   lock.replace(current.insertRegion(GuestRegionMmap.fromRange(0x8000, 0x1000)))
 * }
 * console.log(atomic.memory().numRegions) // 2
 * ```
 */
export declare class GuestMemoryExclusiveGuard {
  private constructor()
  /**
   * Publishes `map` and unlocks; consumes the guard. Does not validate the map, as upstream. (`replace`)
   *
   * @param map a map, or a guard that holds one
   * @throws `ERR_DISPOSED`
   */
  replace(map: GuestMemoryMmap): void
  /** Unlocks without replacing the map. Any later use throws `ERR_DISPOSED`; a second `dispose` does nothing. */
  dispose(): void
}

/**
 * A guard on a snapshot, with all members of `GuestMemoryMmap`. Every function that takes a map accepts a guard too.
 *
 * The snapshot lives while any guard, map, region, slice or buffer of it lives. A guard that is dropped without
 * `dispose` releases the snapshot when it is garbage-collected. (`GuestMemoryLoadGuard`,
 * `Deref<Target = GuestMemoryMmap>`)
 *
 * @example
 * ```ts
 * import { GuestMemoryAtomic, GuestMemoryMmap } from 'vm-memory'
 *
 * const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
 * using memory = atomic.memory()
 * atomic.update(() => new GuestMemoryMmap())
 * // The guard holds the map that was current when it was taken.
 * console.log(memory.numRegions, atomic.memory().numRegions) // 1 0
 * ```
 */
export declare class GuestMemoryLoadGuard {
  private constructor()
  /**
   * Makes a second guard on the same snapshot, which stays good when this one is disposed of. (`Clone`)
   *
   * @throws `ERR_DISPOSED`
   */
  clone(): GuestMemoryLoadGuard
  /**
   * Consumes the guard, and returns its map: always the same object for the same snapshot. (`into_inner`)
   *
   * @throws `ERR_DISPOSED`
   */
  intoInner(): GuestMemoryMmap
  /** Releases the snapshot. Any later use throws `ERR_DISPOSED`; a second `dispose` does nothing. */
  dispose(): void
}

/**
 * An immutable set of regions, ascending by guest address, that do not overlap.
 *
 * (`GuestMemory` and `GuestMemoryMmap`)
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap } from 'vm-memory'
 *
 * const memory = GuestMemoryMmap.fromRanges([
 *   [0x0000, 0x1000],
 *   [0x8000, 0x1000],
 * ])
 * memory.writeU32(7, 0x8000)
 * console.log(memory.numRegions, memory.readU32(0x8000), memory.addressInRange(0x4000)) // 2 7 false
 * ```
 */
export declare class GuestMemoryMmap {
  /** Makes an empty memory. (`GuestMemoryMmap::new`) */
  constructor()
  /**
   * Does nothing: a map lives as long as anybody has it. It is here so that `using memory = space.memory()` and
   * `memory.dispose()` suit every address space, a map as well as an atomic. Not upstream.
   */
  dispose(): void
  /**
   * Maps a region for each range: anonymous memory, or a file if the range has one. (`from_ranges`)
   *
   * @param ranges ascending by start, without overlap: `[start, size]` or `[start, size, file]`
   * @throws `ERR_NO_MEMORY_REGION` if there are no ranges, `ERR_UNSORTED_MEMORY_REGIONS`,
   * `ERR_MEMORY_REGION_OVERLAP`, `ERR_INVALID_GUEST_REGION`, `ERR_OUT_OF_RANGE` for `private` and a range without a file,
   * and what `MmapRegion.fromFile` throws
   *
   * @example
   * ```ts
   * import { GuestMemoryMmap } from 'vm-memory'
   *
   * const memory = GuestMemoryMmap.fromRanges(
   *   [
   *     [0, 0xc000_0000],
   *     [0x1_0000_0000n, 0x4000_0000],
   *   ],
   *   { bitmap: true },
   * )
   * console.log(memory.numRegions, memory.lastAddr.toString(16)) // 2 13fffffff
   * ```
   */
  static fromRanges(ranges: readonly GuestRange[], options?: RangeOptions): GuestMemoryMmap
  /**
   * Does what `fromRanges` does. (`from_ranges_with_files`)
   *
   * @throws what `fromRanges` throws
   */
  static fromRangesWithFiles(ranges: readonly GuestRange[], options?: RangeOptions): GuestMemoryMmap
  /**
   * Maps a snapshot that `save` has written, copy-on-write and at once, however large it is: pages are read when they are
   * touched, what is written stays in memory, and the file stays as it is. Do not change the file while it is mapped. With
   * `copy`, reads it into anonymous memory now. Tables and files of Firecracker are good, too. Not upstream.
   *
   * ```ts
   * const { table } = await memory.save(file)
   * const restored = GuestMemoryMmap.fromSnapshot(file, table)
   * restored.changedRanges() // what was written since
   * ```
   *
   * @param file an open file that may be read; its cursor stays where it is, and it may be closed afterwards
   * @param table where the regions lie in the file
   * @throws `ERR_SNAPSHOT` for a table that is not sorted, overlaps, has a region of no size or one that starts at no page of
   * the file, or goes beyond the end of the file; `ERR_IO` with `errno` (`EBADF` for a file that may not be read); `ERR_MMAP`
   */
  static fromSnapshot(file: FileLike, table: SnapshotTable, options?: MappingOptions & { copy?: boolean }): GuestMemoryMmap
  /**
   * Makes a memory of regions that exist already. The regions are shared with other memories, not moved.
   * (`from_regions` and `from_arc_regions`)
   *
   * @param regions ascending by start, without overlap
   * @throws `ERR_NO_MEMORY_REGION` if there are no regions, `ERR_UNSORTED_MEMORY_REGIONS`,
   * `ERR_MEMORY_REGION_OVERLAP`
   */
  static fromRegions(regions: readonly GuestRegionMmap[]): GuestMemoryMmap
  /**
   * Returns the memory whose `share` made the ticket, in any thread of the process. A ticket is good once. Not
   * upstream.
   *
   * @throws `ERR_INVALID_TICKET` for an unknown or used ticket, or one of a `GuestMemoryAtomic`
   */
  static fromShared(ticket: SharedMemory<'GuestMemoryMmap'>): GuestMemoryMmap
  /** Makes another memory of the same regions. (`Clone`) */
  clone(): GuestMemoryMmap
}

/**
 * A mapping at a guest address, immutable and shared. In one thread, the same region is always the same object.
 * Offsets are relative to the start of the region.
 *
 * (`GuestMemoryRegion` and `GuestRegionMmap`, which dereferences to its `MmapRegion`)
 *
 * @example
 * ```ts
 * import { GuestRegionMmap } from 'vm-memory'
 *
 * const region = GuestRegionMmap.fromRange(0x8000, 0x1000)
 * region.writeU8(1, 0x10)
 * console.log(region.startAddr, new Uint8Array(region.buffer)[0x10]) // 32768n 1
 * ```
 */
export declare class GuestRegionMmap {
  /**
   * Puts a mapping at a guest address. The region takes `mapping` over: the object stays readable, but cannot be
   * given to another region. (`GuestRegionMmap::new`)
   *
   * @throws `ERR_MOVED` if the mapping is part of a region; `ERR_INVALID_GUEST_REGION` if the region would reach
   * 2^64, and then the mapping is not taken over
   */
  constructor(mapping: MmapRegion, guestBase: U64)
  /**
   * Maps `size` bytes, of a file or anonymous, and puts them at a guest address. (`GuestRegionMmap::from_range`)
   *
   * @param addr guest address of the first byte
   * @param size bytes, more than 0
   * @param file the file that is mapped, as in a `GuestRange`; null or absent for anonymous memory
   * @throws `ERR_INVALID_GUEST_REGION`, `ERR_OUT_OF_RANGE` for `private` without a file, and what `MmapRegion.fromFile`
   * throws
   *
   * @example
   * ```ts
   * import { GuestRegionMmap, PROT_READ } from 'vm-memory'
   *
   * const rom = GuestRegionMmap.fromRange(0xf000_0000, 0x1000, null, { prot: PROT_READ })
   * console.log(rom.readU8(0)) // 0
   * ```
   */
  static fromRange(addr: U64, size: Usize, file?: FileOffset | FileLike | null, options?: RangeOptions): GuestRegionMmap
  /** The guest address of the first byte. (`start_addr`) */
  get startAddr(): bigint
  /** The guest address of the last byte. (`last_addr`) */
  get lastAddr(): bigint
  /** Returns `offset` if it is within the region, or null. (`check_address`) */
  checkAddress(offset: Usize): number | null
  /** Checks whether `offset` is within the region. (`address_in_range`) */
  addressInRange(offset: Usize): boolean
  /** Returns `base + offset` if that offset is within the region, or null. (`checked_offset`) */
  checkedOffset(base: Usize, offset: Usize): number | null
  /**
   * Returns the offset of a guest address in the region, or null if the address is not in the region.
   * (`to_region_addr`)
   */
  toRegionAddr(addr: U64): number | null
  /**
   * Returns the host address of an offset. The host address dangles once the region is unmapped.
   * (`get_host_address`)
   *
   * @throws `ERR_INVALID_BACKEND_ADDRESS` if the offset is not within the region; `ERR_DISPOSED` after `release`
   */
  getHostAddress(offset: Usize): bigint
}

/**
 * A mapping of host memory: anonymous memory, a file, or a mapping that other code made.
 *
 * (`MmapRegion`)
 *
 * @example
 * ```ts
 * import { GuestRegionMmap, MAP_ANONYMOUS, MAP_PRIVATE, MmapRegion, PROT_READ } from 'vm-memory'
 *
 * const mapping = MmapRegion.build(null, 0x1000, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE)
 * const rom = new GuestRegionMmap(mapping, 0xf000_0000)
 * console.log(rom.readU8(0), rom.size) // 0 4096
 * ```
 */
export declare class MmapRegion {
  /**
   * Maps private anonymous memory, which starts as zeros, for reading and writing. (`MmapRegion::new`)
   *
   * @param size bytes, more than 0
   * @throws `ERR_MMAP` with `errno`
   */
  constructor(size: Usize, options?: MappingOptions)
  /**
   * Maps a part of a file, shared, for reading and writing. Sets the file's cursor to 0. (`MmapRegion::from_file`)
   *
   * @param size bytes, more than 0
   * @throws `ERR_INVALID_OFFSET_LENGTH`, `ERR_MAPPING_PAST_EOF`, `ERR_SEEK_END`, `ERR_SEEK_START`, `ERR_MMAP`
   */
  static fromFile(file: FileOffset, size: Usize, options?: MappingOptions): MmapRegion
  /**
   * Maps memory with any protection and flags. (`MmapRegion::build`)
   *
   * @param file the file that is mapped, `null` for anonymous memory
   * @param size bytes, more than 0
   * @param prot `PROT_…` bits
   * @param flags `MAP_…` bits
   * @throws `ERR_MAP_FIXED` for `MAP_FIXED` and `MAP_FIXED_NOREPLACE`, and what `fromFile` throws
   */
  static build(file: FileOffset | null, size: Usize, prot: number, flags: number, options?: MappingOptions): MmapRegion
  /**
   * Wraps a mapping that other code made, and will unmap. (`MmapRegion::build_raw`)
   *
   * Unsafe: nothing checks that there are `size` bytes at `addr` with that protection. The bytes must stay mapped
   * for as long as the result, or a region, slice or buffer of it, is used.
   *
   * @param addr the host address, a multiple of the page size
   * @param size bytes, more than 0
   * @throws `ERR_INVALID_POINTER`; `ERR_OUT_OF_RANGE` if `addr` is 0, or if no `size` bytes follow it
   */
  static buildRaw(addr: bigint, size: Usize, prot: number, flags: number): MmapRegion
  /**
   * Sets the value of `isHugetlbfs`; does not change the mapping. (`MmapRegion::set_hugetlbfs`)
   *
   * @throws `ERR_MOVED` once a region has taken the mapping over
   */
  setHugetlbfs(hugetlbfs: boolean): void



}

/**
 * Builds a mapping step by step.
 *
 * Starts with `PROT_NONE` and `MAP_ANONYMOUS | MAP_PRIVATE`. After `build` every method throws
 * `ERR_MOVED`. (`MmapRegionBuilder`)
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, MmapRegionBuilder, PROT_READ, PROT_WRITE } from 'vm-memory'
 *
 * const builder = new MmapRegionBuilder(0x1000).withMmapProt(PROT_READ | PROT_WRITE)
 * const mapping = builder.withMmapFlags(MAP_ANONYMOUS | MAP_PRIVATE).build()
 * console.log(mapping.size) // 4096
 * ```
 */
export declare class MmapRegionBuilder {
  /**
   * Makes a builder of a mapping whose writes are not tracked. (`MmapRegionBuilder::new`)
   *
   * @param size bytes
   */
  constructor(size: Usize)
  /**
   * Makes a builder of a mapping whose writes are tracked by `bitmap`, which becomes part of the mapping.
   * (`MmapRegionBuilder::new_with_bitmap`)
   *
   * @param size bytes
   * @throws `ERR_MOVED` if the bitmap is part of a builder or mapping
   */
  static newWithBitmap(size: Usize, bitmap: AtomicBitmap): MmapRegionBuilder
  /**
   * Sets the protection. (`MmapRegionBuilder::with_mmap_prot`)
   *
   * @param prot `PROT_…` bits
   * @throws `ERR_MOVED` after `build`
   */
  withMmapProt(prot: number): this
  /**
   * Sets the flags. (`MmapRegionBuilder::with_mmap_flags`)
   *
   * @param flags `MAP_…` bits
   * @throws `ERR_MOVED` after `build`
   */
  withMmapFlags(flags: number): this
  /**
   * Sets the file that is mapped. (`MmapRegionBuilder::with_file_offset`)
   *
   * @throws `ERR_MOVED` after `build`
   */
  withFileOffset(file: FileOffset): this
  /**
   * Sets the value of `isHugetlbfs`. (`MmapRegionBuilder::with_hugetlbfs`)
   *
   * @throws `ERR_MOVED` after `build`
   */
  withHugetlbfs(hugetlbfs: boolean): this
  /**
   * Wraps a mapping that other code made, and will unmap. Unsafe, see `MmapRegion.buildRaw`.
   * (`MmapRegionBuilder::with_raw_mmap_pointer`)
   *
   * @param addr the host address, a multiple of the page size
   * @throws `ERR_MOVED` after `build`; `ERR_OUT_OF_RANGE` as `MmapRegion.buildRaw`
   */
  withRawMmapPointer(addr: bigint): this
  /**
   * Sets whether the loss of a page is survived: see `recoverFaults` of `MappingOptions`. Not upstream.
   *
   * @throws `ERR_MOVED` after `build`; `ERR_UNSUPPORTED` where the platform cannot
   */
  withRecoverFaults(recover: boolean): this
  /**
   * Makes the mapping; consumes the builder. (`MmapRegionBuilder::build`)
   *
   * @throws `ERR_MOVED` the second time; `ERR_MAP_FIXED`, `ERR_INVALID_OFFSET_LENGTH`, `ERR_MAPPING_PAST_EOF`,
   * `ERR_SEEK_END`, `ERR_SEEK_START`, `ERR_MMAP`, `ERR_INVALID_POINTER`; `ERR_UNSUPPORTED` for a raw mapping that
   * is to recover from faults
   */
  build(): MmapRegion
}

/**
 * A reference to values of one type, one after another. They may be unaligned, and accesses are not atomic.
 *
 * (`VolatileArrayRef`)
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap } from 'vm-memory'
 *
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
 * const ring = memory.getSlice(0x100, 8).getArrayRef('u16', 0, 4)
 * ring.store(2, 7)
 * console.log(ring.len, ring.load(2)) // 4 7
 * ```
 */
export declare class VolatileArrayRef<T extends ScalarType = ScalarType> {
  private constructor()
  /** The type of the values. */
  get type(): T
  /** The number of elements. (`len`) */
  get len(): number
  /** Whether there are no elements. (`is_empty`) */
  get isEmpty(): boolean
  /** The number of bytes of an element. (`element_size`) */
  get elementSize(): number
  /**
   * The bitmap of the values, by offset in bytes from the first element; null if the memory is not tracked.
   * (`bitmap`)
   */
  get bitmap(): BitmapSlice | null
  /**
   * Returns a reference to the element with this index. (`ref_at`)
   *
   * @throws `ERR_OUT_OF_RANGE` beyond the end
   */
  refAt(index: Usize): VolatileRef<T>
  /**
   * Reads an element. (`load`)
   *
   * @returns a number up to 32 bits, a bigint from 64 bits on
   * @throws `ERR_OUT_OF_RANGE` beyond the end; `ERR_PROTECTION`
   */
  load(index: Usize): ValueOf<T>
  /**
   * Writes an element, and marks it dirty. (`store`)
   *
   * @throws `ERR_OUT_OF_RANGE` beyond the end, or if the value does not fit the type; `ERR_PROTECTION`
   */
  store(index: Usize, value: number | bigint): void
  /**
   * Copies elements to the start of `dst`, as many as both have. (`copy_to`)
   *
   * @param dst an array whose elements are as wide as these; it gets the bytes as they are in memory
   * @returns how many elements were copied
   * @throws `ERR_INVALID_ARG_TYPE` for elements of another width; `ERR_PROTECTION`
   */
  copyTo(dst: NodeJS.TypedArray): number
  /**
   * Copies elements from the start of `src`, as many as both have, and marks them dirty. (`copy_from`)
   *
   * @param src an array whose elements are as wide as these; memory gets their bytes as they are
   * @throws `ERR_INVALID_ARG_TYPE` for elements of another width; `ERR_PROTECTION`
   */
  copyFrom(src: NodeJS.TypedArray): void
  /**
   * Copies bytes to a slice, as many as both have. The two may overlap. (`copy_to_volatile_slice`)
   *
   * @throws `ERR_PROTECTION`
   */
  copyToVolatileSlice(dst: VolatileSlice): void
  /** Returns a slice of the bytes of all elements. (`to_slice`) */
  toSlice(): VolatileSlice
}

/**
 * A reference to one value in memory. The value may be unaligned, and accesses are not atomic.
 *
 * (`VolatileRef`)
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap } from 'vm-memory'
 *
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
 * const status = memory.getSlice(0x100, 4).getRef('u32', 0)
 * status.store(5)
 * console.log(status.load(), memory.readU32(0x100)) // 5 5
 * ```
 */
export declare class VolatileRef<T extends ScalarType = ScalarType> {
  private constructor()
  /** The type of the value. */
  get type(): T
  /** The number of bytes of the value. (`len`) */
  get len(): number
  /** The bitmap of the value, by offset from its first byte; null if the memory is not tracked. (`bitmap`) */
  get bitmap(): BitmapSlice | null
  /**
   * Reads the value. (`load`)
   *
   * @returns a number up to 32 bits, a bigint from 64 bits on
   * @throws `ERR_PROTECTION`
   */
  load(): ValueOf<T>
  /**
   * Writes the value, and marks it dirty. (`store`)
   *
   * @throws `ERR_OUT_OF_RANGE` if the value does not fit the type; `ERR_PROTECTION`
   */
  store(value: number | bigint): void
  /** Returns a slice of the bytes of the value. (`to_slice`) */
  toSlice(): VolatileSlice
}

/**
 * A window on memory, accessed by offset. It keeps its region mapped for as long as it lives.
 *
 * (`VolatileSlice`)
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap } from 'vm-memory'
 *
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
 * const queue = memory.getSlice(0x100, 16)
 * queue.writeU16(3, 2)
 * console.log(queue.len, memory.readU16(0x102)) // 16 3
 * ```
 */
export declare class VolatileSlice {
  private constructor()
  /** The bitmap of this slice, by offset in the slice; null if the memory is not tracked. (`bitmap`) */
  get bitmap(): BitmapSlice | null
  /**
   * Returns a slice of the first `mid` bytes, and one of the rest. (`split_at`)
   *
   * @throws `ERR_OUT_OF_BOUNDS` if there are fewer bytes; its `addr` is a host address
   */
  splitAt(mid: Usize): [VolatileSlice, VolatileSlice]
  /**
   * Returns a slice of `count` bytes that starts at `offset`. (`subslice`)
   *
   * @throws `ERR_OUT_OF_BOUNDS`, whose `addr` is the end of the slice that was asked for; `ERR_OVERFLOW`
   */
  subslice(offset: Usize, count: Usize): VolatileSlice
  /**
   * Returns a slice of all but the first `count` bytes. (`offset`)
   *
   * @throws `ERR_OUT_OF_BOUNDS` if there are fewer bytes; its `addr` is a host address; `ERR_OVERFLOW`
   */
  offset(count: Usize): VolatileSlice
  /**
   * Copies elements from memory to the start of `dst`, as many as both have. (`copy_to`)
   *
   * @returns how many elements were copied
   * @throws `ERR_PROTECTION`
   */
  copyTo(dst: NodeJS.TypedArray): number
  /**
   * Copies elements from the start of `src` to memory. Ignores elements that do not fit. (`copy_from`)
   *
   * @throws `ERR_PROTECTION`
   */
  copyFrom(src: NodeJS.TypedArray): void
  /**
   * Copies bytes to another slice, as many as both have. The slices may overlap. (`copy_to_volatile_slice`)
   *
   * @throws `ERR_PROTECTION`
   */
  copyToVolatileSlice(dst: VolatileSlice): void
  /** Returns the host address of the first byte. It dangles once the region is unmapped. (`ptr_guard`) */
  asPtr(): bigint
  /**
   * Returns a zero-copy view of the whole slice. `bitmap` does not see writes through the view: mark those with
   * `bitmap.markDirty`.
   *
   * @throws `ERR_PROTECTION` unless the memory is mapped for reading and writing
   */
  asUint8Array(): Uint8Array
  /**
   * Reads bytes into memory: with one read(2) at the file's cursor, or from the start of `src` if that is bytes.
   * (`ReadVolatile::read_volatile`)
   *
   * @returns how many bytes were read; 0 at the end of the file
   * @throws `ERR_IO` with `errno`; `ERR_PROTECTION`
   */
  readVolatile(src: VolatileIo): number
  /**
   * Reads bytes until the whole slice is filled. (`ReadVolatile::read_exact_volatile`)
   *
   * @throws `ERR_IO` with `kind` `UnexpectedEof` if `src` has fewer bytes; else as `readVolatile`
   */
  readExactVolatile(src: VolatileIo): void
  /**
   * Writes bytes of memory: with one write(2) at the file's cursor, or to the start of `dst` if that is bytes.
   * (`WriteVolatile::write_volatile`)
   *
   * @returns how many bytes were written
   * @throws `ERR_IO` with `errno`; `ERR_PROTECTION`
   */
  writeVolatile(dst: VolatileIo): number
  /**
   * Writes all bytes of the slice. (`WriteVolatile::write_all_volatile`)
   *
   * @throws `ERR_IO` with `kind` `WriteZero` if `dst` takes no more; else as `writeVolatile`
   */
  writeAllVolatile(dst: VolatileIo): void

}

/**
 * Sees every write of this process to memory: by methods, through views and buffers, by system calls, by other threads, and by
 * virtual processors of KVM. It does not see what other processes write: a peer of vhost-user logs that by itself.
 *
 * The first write to a page after a harvest takes a few microseconds more, later ones nothing. It needs Linux 6.7 or newer, and no
 * privilege. Ends when it is disposed of or collected, and with the thread that made it; until then it keeps the memory mapped.
 * Not upstream.
 *
 * @example
 * ```ts fragment
 * using tracker = memory.trackWrites()
 * for (const view of memory.views(0x3000, 0x10)) view.fill(1)
 * tracker.harvest() // [[0x3000n, 0x1000]]
 * ```
 */
export declare class WriteTracker {
  private constructor()
  /**
   * Returns what was written since the last harvest (the first time: since the tracker was made), and begins anew. Ranges
   * are in whole pages, ascending, and joined where they touch within a region. What is marked in the bitmaps of the regions is
   * in it, and no longer marked.
   *
   * No write is ever lost; one that is under way meanwhile may be told twice.
   *
   * @throws `ERR_DISPOSED`; `ERR_IO` with `errno` if the kernel fails, and then the next harvest has it all
   */
  harvest(): [addr: bigint, count: number][]
  /** Tracks no longer. Any later use throws `ERR_DISPOSED`; a second `dispose` does nothing. */
  dispose(): void
}

/**
 * Runs `fn`, and throws if the process has lost a page of any mapping meanwhile: for code that uses views and buffers, which
 * cannot throw. Not upstream.
 *
 * @returns what `fn` returns
 * @throws `ERR_MEMORY_FAULT`, whose `cause` is what `fn` has returned or thrown; else what `fn` throws
 */
export declare function checkFaults<R>(fn: () => R): R

/**
 * Checks whether `size` bytes at `file` can be mapped, and throws what the mapping would throw. Sets the file's cursor
 * to 0. (`check_file_offset`)
 *
 * @param file a `FileOffset`, or any object with `start` and `fd`; that descriptor is used for this call alone
 * @throws `ERR_INVALID_OFFSET_LENGTH`, `ERR_MAPPING_PAST_EOF`, `ERR_SEEK_END`, `ERR_SEEK_START`
 */
export declare function checkFileOffset(file: Pick<FileOffset, 'start' | 'fd'>, size: Usize): void

/**
 * Adds `base` and `offset`. (`compute_offset`)
 *
 * @throws `ERR_OVERFLOW` with `base` and `offset` if the sum overflows 64 bits; `ERR_OUT_OF_RANGE` if the sum fits 64
 * bits, but is not a safe integer
 */
export declare function computeOffset(base: Usize, offset: Usize): number

/**
 * Orders the accesses of this thread before the fence against its accesses after the fence, as other threads see them.
 *
 * Every virtqueue needs a fence where other threads must see a store to one ring before a load from another.
 * (`std::sync::atomic::fence`; not in vm-memory.)
 *
 * @param order not `Relaxed`
 * @throws `ERR_OUT_OF_RANGE` for `Relaxed`
 */
export declare function fence(order: Ordering): void

/** Flag: the memory belongs to no file, and starts as zeros. */
export declare const MAP_ANONYMOUS: number

/** Flag: puts the mapping at a given address. Every constructor here refuses it with `ERR_MAP_FIXED`. */
export declare const MAP_FIXED: number

/** Flag: the memory is made of huge pages. Linux only; 0 elsewhere. */
export declare const MAP_HUGETLB: number

/** Flag: the host does not swap the pages out. Linux only; 0 elsewhere. */
export declare const MAP_LOCKED: number

/** Flag: the host reserves no swap space. */
export declare const MAP_NORESERVE: number

/** Flag: the host makes all pages at once. Linux only; 0 elsewhere. */
export declare const MAP_POPULATE: number

/** Flag: only this mapping sees writes. */
export declare const MAP_PRIVATE: number

/** Flag: other mappings of the file see writes, and the file gets them. */
export declare const MAP_SHARED: number

/**
 * Makes an anonymous file to map, and to pass to other processes. Returns its descriptor, which the caller closes.
 * Linux only; not upstream.
 *
 * `seal: true` (the default) forbids shrinking and growing the file. Without the seal, anyone who has the file could
 * cut it off, and accesses to the lost part would end the process with SIGBUS.
 *
 * `reserve: true` (the default with `hugetlb`) takes the memory of the file from the host now. Without it, an access
 * to a page that the host cannot give ends the process with SIGBUS.
 *
 * @param name the name in `/proc/self/maps`, at most 249 bytes
 * @param size bytes
 * @param options.hugetlb whether the file is made of huge pages, of the host's default size or of the one named;
 * `size` must be a multiple of theirs
 * @throws `ERR_IO` with `errno`: ENOSPC or ENOMEM if the host has not enough memory to reserve; `ERR_UNSUPPORTED` if
 * the platform has no such files
 *
 * @example
 * ```ts
 * import { closeSync } from 'node:fs'
 * import { GuestMemoryMmap, memfdCreate } from 'vm-memory'
 *
 * const fd = memfdCreate('ram', 0x10_0000)
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x10_0000, fd]])
 * closeSync(fd)
 * console.log(memory.findRegion(0)?.fileOffset?.start) // 0n
 * ```
 */
export declare function memfdCreate(name: string, size: Usize, options?: { seal?: boolean; hugetlb?: boolean | '2M' | '1G'; reserve?: boolean }): number

/**
 * The memory orderings of `std::sync::atomic::Ordering`.
 *
 * A load cannot be `Release` or `AcqRel`, a store cannot be `Acquire` or `AcqRel`, and a fence cannot be `Relaxed`:
 * such calls throw `ERR_OUT_OF_RANGE`.
 */
export declare enum Ordering {
  /** The access is atomic, without any order relative to other accesses. */
  Relaxed = 0,
  /**
   * For a store: a thread that loads the stored value with `Acquire` sees everything that was written before the
   * store.
   */
  Release = 1,
  /**
   * For a load: if the loaded value was stored with `Release`, this thread sees everything that was written before
   * the store.
   */
  Acquire = 2,
  /** For a fence: `Acquire` and `Release` together. */
  AcqRel = 3,
  /** The same as `Acquire`, `Release` or `AcqRel`, and in one order on which all threads agree. */
  SeqCst = 4,
}

/** Returns the number of bytes in a page of the host. */
export declare function pageSize(): number

/** Protection: the memory can be executed. */
export declare const PROT_EXEC: number

/** Protection: the memory cannot be accessed. */
export declare const PROT_NONE: number

/** Protection: the memory can be read. */
export declare const PROT_READ: number

/** Protection: the memory can be written. */
export declare const PROT_WRITE: number

/**
 * Makes the type of a struct, for `readObj` and `writeObj`: `struct({ addr: 'le64', len: 'le32' })`.
 *
 * The fields lie as `#[repr(C)]` lays them out: each at the next multiple of its alignment, and the size is a multiple of
 * the greatest one. Endian types are aligned as the integers that they are made of. A struct is read and written in one
 * copy, and its padding is written as zeros. The type is frozen, and good for all memory. (`ByteValued` on a struct)
 *
 * @param fields a type for each field, in the order in which they lie in memory: a scalar, an array, or another struct
 * @param options.packed whether fields lie directly behind one another and the alignment is 1 (`#[repr(C, packed)]`)
 * @throws `ERR_INVALID_ARG_TYPE` for a field of no type; `ERR_OUT_OF_RANGE` if there is nothing in the struct, if its
 * size is no safe integer, for more than 64 structs in one another, and for a name that is an integer, since objects
 * do not keep such names in their order
 *
 * @example
 * ```ts
 * import { GuestMemoryMmap, struct } from 'vm-memory'
 *
 * const Descriptor = struct({ addr: 'le64', len: 'le32', flags: 'le16', next: 'le16' })
 * const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
 * memory.writeObj(Descriptor, { addr: 0x8000, len: 512, flags: 1, next: 2 }, 0)
 * console.log(Descriptor.size, memory.readObj(Descriptor, 0).len) // 16 512
 * ```
 */
export declare function struct<const F extends StructFields>(fields: F, options?: { packed?: boolean }): StructType<F>
