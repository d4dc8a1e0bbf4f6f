import type { Worker } from 'node:worker_threads'
import type { SharedMemory } from '../../index.js'
import { startThread } from '../typescript-thread.js'
import type { Disk } from './disk.js'
import type { LogDescription } from './dirty-log.js'
import type { Log } from './line-limit.js'
import type { InflightDescription } from './message.js'
import type { QueueDescriptor, QueueStart } from './served-queue.js'

export interface QueueWorkerData {
  readonly memory: SharedMemory<'GuestMemoryAtomic'>
  readonly disk: Disk
  readonly counters: SharedArrayBuffer
}

export type Command =
  /** Uses a record of the requests in flight for the queues that start later. The descriptor stays the sender's. */
  | { readonly do: 'track'; readonly fd: number; readonly description: InflightDescription }
  | { readonly do: 'start'; readonly queue: number; readonly start: QueueStart }
  | { readonly do: 'descriptor'; readonly queue: number; readonly what: QueueDescriptor; readonly fd: number | null }
  | { readonly do: 'enable'; readonly queue: number; readonly enabled: boolean }
  /** Logs what is written there from now on, while that is wanted. The descriptor stays the sender's. */
  | { readonly do: 'log'; readonly fd: number; readonly description: LogDescription }
  | { readonly do: 'log-writes'; readonly isWanted: boolean }
  | { readonly do: 'log-used'; readonly queue: number; readonly at: number | null }
  /** Answered with the available index. */
  | { readonly do: 'stop'; readonly queue: number }
  | { readonly do: 'end' }

/** Answers come in the order of the commands. */
export type FromWorker =
  | { readonly answer: number }
  | { readonly refused: string }
  | { readonly log: string; readonly count: number }
  /** Memory of the front-end, and why. */
  | { readonly lost: string }

const MODULE = new URL('./queue-worker.ts', import.meta.url)

/** The worker said no. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

/** The thread that serves the queues, as seen from the one that talks with the front-end. */
export class QueueWorker {
  readonly #worker: Worker
  readonly #ended: Promise<void>
  readonly #waiting: { resolve: (value: number) => void; reject: (error: Error) => void }[] = []
  #failure: Error | null = null
  #ending = false

  /** `lost` is called when memory of the front-end is gone, `failed` when the thread ends before it was told to. */
  constructor(workerData: QueueWorkerData, log: Log, lost: (why: string) => void, failed: () => void) {
    // Descriptors come from the other thread.
    this.#worker = startThread(MODULE, { workerData, trackUnmanagedFds: false })
    this.#worker.on('message', (message: FromWorker) => {
      if ('log' in message) return log(message.log, message.count)
      if ('lost' in message) return lost(message.lost)
      const waiting = this.#waiting.shift()
      if ('answer' in message) waiting?.resolve(message.answer)
      else waiting?.reject(new RefusedError(message.refused))
    })
    this.#worker.on('error', (error) => (this.#failure = error instanceof Error ? error : new Error(String(error))))
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#failure ??= new Error('the thread of the queues has ended')
        for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
        if (!this.#ending) failed()
        resolve()
      })
    })
  }

  /** Rejects with a `RefusedError`, or with whatever ended the thread. */
  send(command: Command): Promise<number> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.postMessage(command)
    })
  }

  /**
   * Serves what is in flight; after this the thread holds no memory and no descriptors. Rejects with what ended it
   * before.
   */
  async end(): Promise<void> {
    const failure = this.#failure
    this.#ending = true
    if (failure === null) this.#worker.postMessage({ do: 'end' } satisfies Command)
    await this.#ended
    if (failure !== null) throw failure
  }
}
