/** All that this package asks of Rust and its users never see: a namespace of the addon, which is taken off the exports. */
import type * as VmMemory from '../index'

type Atomic = VmMemory.GuestMemoryAtomic
type LoadGuard = VmMemory.GuestMemoryLoadGuard
type ExclusiveGuard = VmMemory.GuestMemoryExclusiveGuard

/** A job that is prepared: its number, what aborts it, and who is told how much is done. */
export type Job = [number: number, signal?: AbortSignal, onProgress?: (done: number, total: number) => void]

/** What each function is called for comes first, and is known by its type tag. See `crate/src/door`. */
export interface Door {
  /** The version of the addon, and behind a plus what it was built of. */
  readonly version: string
  /** The global object of the realm that the addon makes its answers in. */
  realm(): typeof globalThis
  /** The table of errors: name, class, code, upstream variant and more of each. Of an error of this package, the variant is empty. */
  errorTable(): string[][]
  /** Sets the function of the runtime that keeps objects from being cloned. */
  keepFromCloningBy(keep: (object: object) => void): void
  /** Sets the function that finds, or makes, the native half of a plain object; of everything else it returns undefined. */
  findHalvesBy(halfOf: (object: object) => object | undefined): void

  /** Make the native halves of a slice and of references to bytes of a region or a mapping, which may have been released. */
  sliceHalf(object: object, offset: number, count: number): object
  refHalf(object: object, offset: number, count: number, type: VmMemory.ScalarType): object
  arrayRefHalf(object: object, offset: number, count: number, type: VmMemory.ScalarType): object
  atomicRefHalf(object: object, offset: number, count: number, type: VmMemory.ScalarType): object

  /** Sets the function that maps, regions and bitmaps are handed to when they are made, before anybody else has them. */
  stampBy(stamp: (object: object) => void): void
  /**
   * A limit, then `start, size, windows, tracked` of each piece of a map, a region or a mapping. Windows: 1 where there may be some,
   * else 0.
   */
  layout(object: object): Float64Array
  openWindow(object: object, piece: number, offset: number, length: number): ArrayBuffer
  /** Stores what the letter says and marks its page, in one step; null where memory is not tracked. */
  trackedWriter(object: object, piece: number): (() => void) | null
  /** Lets an array be the letter: offset and kind as doubles, and a value. Nobody else may have it. */
  takeLetter(words: BigUint64Array): void
  /**
   * Lets an array be the box, and names tell the numbers of operations. Nobody else may have it. Returns what does what the
   * box says, what does so with the bytes of an array, and what gives an object its number.
   */
  openMailbox(
    box: BigUint64Array,
    names: readonly string[],
  ): [ask: () => void, askWith: (array: NodeJS.TypedArray) => void, numberOf: (object: object) => number]

  /**
   * Three integers shared with Rust: how many faults there were, how many mappings have lost something, and how often one was
   * healed.
   */
  alarmCells(): ArrayBuffer
  /** Two integers shared with Rust: whether something was released, and how often a copy of this thread has begun or ended. */
  endCells(): ArrayBuffer
  /** Closes windows on what was released. Their buffers may not be used any more. */
  closeWindows(): ArrayBuffer[]
  /** Sets who is told that something was released, where another thread has done it. */
  answerEnds(ended: () => void): void
  /** Counts the replacements of an atomic's map, in memory shared with Rust. */
  generationCell(atomic: Atomic): ArrayBuffer
  watchSlot(atomic: Atomic, slot: number): ArrayBuffer
  pinSnapshot(atomic: Atomic, slot: number): LoadGuard
  forgetSlot(slot: number): void
  /** Sets who is told that a slot is stale. */
  answerSlots(stale: (slot: number) => void): void
  /** How many owners of bytes are kept until the process ends, since a thread that has ended may have given them away. */
  keptForEver(): number
  /** Makes functions that take the lock of an atomic if it is free, give it back, and publish a map before they do. */
  makeSeat(atomic: Atomic): [enter: () => boolean, leave: () => void, replace: (map: VmMemory.GuestMemoryMmap) => void]

  /** Sets who tells the listeners to the atomic of a number. */
  answerChanges(tell: (number: number) => void): void
  /** Watches an atomic, whose number it returns: the same for all handles of it. */
  watchChanges(atomic: Atomic, listener: unknown): number
  forgetChanges(number: number): void
  /** What has changed since the last call; null if nothing has. */
  takeChange(number: number): [previous: VmMemory.GuestMemoryMmap, current: VmMemory.GuestMemoryMmap] | null

  diff(memory: VmMemory.GuestMemoryMmap, next: VmMemory.GuestMemoryMmap): VmMemory.MapDiff

  /** Sets who is told the number of a wait for guards that is over. */
  answerGrace(over: (wait: number) => void): void
  /** Whether there are guards on maps of the atomic that were replaced. */
  hasOldGuards(atomic: Atomic): boolean
  joinGrace(atomic: Atomic): number
  leaveGrace(wait: number): boolean
  graceTimeout(limit: number): Error

  /** Sets who is told of each fault, in this thread, until `ignoreFaults`. */
  listenForFaults(
    answer: (region: VmMemory.GuestRegionMmap | VmMemory.MmapRegion, fault: VmMemory.MemoryFault) => void,
  ): void
  ignoreFaults(): void
  invalidListener(listener: unknown): TypeError

  /** Sets who is told of jobs: of values that they end with, of errors, and of how much is done. */
  answerJobs(
    ended: (job: number, value: unknown, total: number) => void,
    failed: (job: number, error: unknown) => void,
    advanced: (job: number, done: number, total: number) => void,
  ): void
  startJob(job: number): void
  /** Stops a job. Whether that is its end: otherwise it will be told. */
  stopJob(job: number): boolean
  prefaultMapping(mapping: VmMemory.Mapping, options: unknown): Job
  prefaultMemory(memory: VmMemory.GuestMemoryMmap, options: unknown): Job
  flushMapping(mapping: VmMemory.Mapping, options: unknown): Job
  saveMemory(memory: VmMemory.GuestMemoryMmap, file: unknown, options: unknown): Job
  saveRanges(memory: VmMemory.GuestMemoryMmap, file: unknown, table: unknown, ranges: unknown, options: unknown): Job

  lockAsyncOptions(atomic: Atomic, options: unknown): [timeout?: number, signal?: AbortSignal]
  joinLine(atomic: Atomic, callback: (guard: ExclusiveGuard) => void): number
  leaveLine(request: number): boolean
  invalidSignal(signal: unknown): TypeError
  lockTimeout(limit: number): Error
}
