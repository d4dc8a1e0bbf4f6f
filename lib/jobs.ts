/** Promises of jobs, which native threads work on: `prefault`, `flush`, `save` and `saveRanges`. */
import type * as VmMemory from '../index'
import type { Door, Job } from './door'
import { apply, isArray, uncurryThis } from './intrinsics'
import { defineMethod } from './protocols'
import { realm } from './realm'
import { isAborted, listen, reasonOf } from './signals'

type Memory = VmMemory.GuestMemoryMmap
type Mapping = VmMemory.Mapping

/** A job that is under way. */
interface Running {
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
  readonly onProgress: ((done: number, total: number) => void) | undefined
  /** Why it was stopped; it is settled with that, whatever it ends with. */
  stopped: { readonly reason: unknown } | null
  stopListening: (() => void) | null
}

const { Promise } = realm
const arrayFrom = realm.Array.from
// As they are now: users may replace them.
const get = uncurryThis(Map.prototype.get as Map<number, Running>['get'])
const set = uncurryThis(Map.prototype.set as Map<number, Running>['set'])
const remove = uncurryThis(Map.prototype.delete as Map<number, Running>['delete'])

/** Iterates over numbers, which are no ranges. */
const numbersOf: unknown = Object.getPrototypeOf(realm.Uint8Array.prototype)[Symbol.iterator]

/** Takes everything out of what can be iterated, and leaves to Rust to refuse what cannot. */
function listOfAll<T>(all: Iterable<T>): Iterable<T> {
  if (isArray(all) || typeof all !== 'object' || all === null) return all
  const iterator: unknown = all[Symbol.iterator]
  return typeof iterator === 'function' && iterator !== numbersOf ? apply(arrayFrom, realm.Array, [all]) : all
}

export function installJobs(native: typeof VmMemory, door: Door): void {
  const jobs = new Map<number, Running>()

  function take(number: number): Running | undefined {
    const job = get(jobs, number)
    remove(jobs, number)
    try {
      job?.stopListening?.()
    } catch {
      // What calls back now finds nothing to do.
    }
    return job
  }

  function stop(number: number, reason: unknown): void {
    const job = get(jobs, number)
    if (job === undefined || job.stopped !== null) return
    job.stopped = { reason }
    if (door.stopJob(number)) take(number)?.reject(reason)
  }

  function tell(number: number, done: number, total: number): void {
    const job = get(jobs, number)
    if (job === undefined || job.stopped !== null) return
    try {
      ;(0, job.onProgress)?.(done, total)
    } catch (error) {
      stop(number, error)
    }
  }

  door.answerJobs(
    (number, value, total) => {
      tell(number, total, total)
      const job = take(number)
      if (job === undefined) return
      if (job.stopped === null) job.resolve(value)
      else job.reject(job.stopped.reason)
    },
    (number, error) => {
      const job = take(number)
      job?.reject(job.stopped === null ? error : job.stopped.reason)
    },
    tell,
  )

  /** Makes the promise of a job. What is thrown while it is prepared rejects the promise. */
  function run<T>(prepare: () => Job): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const job = prepare()
      const number = job[0]
      const signal = job[1]
      const running: Running = {
        resolve: resolve as (value: unknown) => void,
        reject,
        onProgress: job[2],
        stopped: null,
        stopListening: null,
      }
      set(jobs, number, running)
      if (signal !== undefined) {
        try {
          if (isAborted(signal)) return stop(number, reasonOf(signal))
          running.stopListening = listen(signal, () => stop(number, reasonOf(signal)))
        } catch {
          return stop(number, door.invalidSignal(signal))
        }
      }
      try {
        door.startJob(number)
      } catch (error) {
        take(number)
        reject(error)
      }
    })
  }

  const onMappings = {
    prefault(this: Mapping, options?: Parameters<Mapping['prefault']>[0]) {
      return run<void>(() => door.prefaultMapping(this, options))
    },
    flush(this: Mapping, options?: Parameters<Mapping['flush']>[0]) {
      return run<void>(() => door.flushMapping(this, options))
    },
  }
  const onMemory = {
    prefault(this: Memory, options?: Parameters<Memory['prefault']>[0]) {
      return run<void>(() => door.prefaultMemory(this, options))
    },
    save(this: Memory, file: VmMemory.FileLike, options?: VmMemory.SnapshotOptions & { offset?: VmMemory.U64 }) {
      return run<VmMemory.SavedMemory>(() => door.saveMemory(this, file, options))
    },
    saveRanges(
      this: Memory,
      file: VmMemory.FileLike,
      table: VmMemory.SnapshotTable,
      ranges: Iterable<readonly [VmMemory.U64, VmMemory.Usize]>,
      options?: VmMemory.SnapshotOptions,
    ) {
      return run<VmMemory.SavedMemory>(() => door.saveRanges(this, file, table, listOfAll(ranges), options))
    },
  }
  for (const [name, method] of Object.entries(onMappings)) {
    for (const { prototype } of [native.MmapRegion, native.GuestRegionMmap]) defineMethod(prototype, name, method)
  }
  for (const [name, method] of Object.entries(onMemory)) {
    for (const { prototype } of [native.GuestMemoryMmap, native.GuestMemoryLoadGuard]) {
      defineMethod(prototype, name, method)
    }
  }
}
