/**
 * The log of the pages that the device writes (VHOST_USER_SET_LOG_BASE), for a guest that is being moved: one bit for each
 * 4096 bytes of guest memory, in memory that the front-end maps, reads and clears while we write.
 *
 *     data and status     written, logged, then given back in the used ring
 *     the used ring       logged, written, logged: the driver sees it at once, and the front-end may have taken the
 *                         first bit before it was written
 *
 * So what a guest can see is in the log, and what is in the log after a page was copied is copied again. Bits are set
 * atomically, since the front-end clears others of the same byte meanwhile.
 */
import { FileOffset, MmapRegion, struct, type ValueOf } from '../../index.js'

const PAGE_SIZE = 4096

/** Larger ones than for 2^45 bytes of guest memory are made up. */
const MAX_SIZE = 2 ** 30

/** The log is not one that can be mapped. */
export class DirtyLogError extends Error {
  override readonly name = 'DirtyLogError'
}

/** Where in its descriptor the log lies. */
export const LogDescription = struct({ mmapSize: 'le64', mmapOffset: 'le64' })
export type LogDescription = Readonly<ValueOf<typeof LogDescription>>

export class DirtyLog {
  /** While the front-end asks for it (VHOST_F_LOG_ALL). */
  isWanted = false
  #log: MmapRegion | null = null
  #bits: Uint8Array | null = null

  /** Logs there from now on; `fd` stays the caller's. Throws `DirtyLogError`. */
  use(fd: number, { mmapSize, mmapOffset }: LogDescription): void {
    if (mmapSize === 0n || mmapSize > MAX_SIZE) throw new DirtyLogError(`a log of ${mmapSize} bytes`)
    try {
      using file = new FileOffset(fd, mmapOffset)
      const log = MmapRegion.fromFile(file, mmapSize, { recoverFaults: true })
      this.#bits = log.asUint8Array()
      this.#log?.release()
      this.#log = log
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new DirtyLogError(`the log cannot be mapped: ${reason}`, { cause: error })
    }
  }

  /**
   * Logs that `count` bytes at a guest address were written. What the log has no bits for is left out: the front-end makes
   * it large enough for its memory, and there is no other.
   */
  mark(addr: number | bigint, count: number): void {
    const bits = this.#bits
    if (!this.isWanted || bits === null || count === 0) return
    const start = Number(addr)
    const last = Math.min(Math.floor((start + count - 1) / PAGE_SIZE), 8 * bits.length - 1)
    for (let page = Math.floor(start / PAGE_SIZE); page <= last; page += 1) {
      // No 32-bit operators on pages: there may be more than they take.
      const at = Math.floor(page / 8)
      Atomics.or(bits, at, 1 << (page - 8 * at))
    }
  }
}
