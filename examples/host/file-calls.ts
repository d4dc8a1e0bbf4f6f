/** The system calls on files that Node.js has no function for. Linux, 64 bits, little-endian, as in libc.ts. */
import koffi from 'koffi'
import { checked, libc, SystemError } from './libc.js'

const preadv2 = libc.func('int64_t preadv2(int, void *, int, int64_t, int)') as (
  fd: number,
  iovecs: Uint8Array,
  count: number,
  position: number,
  flags: number,
) => number | bigint
const lseek = libc.func('int64_t lseek(int, int64_t, int)') as (
  fd: number,
  offset: number,
  whence: number,
) => number | bigint
const fcntl = libc.func('int fcntl(int, int, ...)') as (
  fd: number,
  command: number,
  type: 'void *',
  lock: Uint8Array,
) => number
const fallocateSync = libc.func('int fallocate(int, int, int64_t, int64_t)')

const RWF_NOWAIT = 8
const SEEK_END = 2
const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_RDLCK = 0
const F_WRLCK = 1
const F_UNLCK = 2
const FALLOC_FL_KEEP_SIZE = 0x1
const FALLOC_FL_PUNCH_HOLE = 0x2
const FALLOC_FL_ZERO_RANGE = 0x10

/** struct iovec { void *iov_base; size_t iov_len; } */
const IOVEC_SIZE = 16
const IOVECS_MAX = 64
const iovecs = new DataView(new ArrayBuffer(IOVEC_SIZE * IOVECS_MAX))
const iovecBytes = new Uint8Array(iovecs.buffer)

/**
 * Reads what is in the page cache, and does not wait for what is not: fewer bytes than `views` have, or none. Whatever
 * else may be wrong is left to be found by whoever reads the rest.
 */
export function readCached(fd: number, views: readonly Uint8Array[], position: number): number {
  if (views.length > IOVECS_MAX) return 0
  views.forEach((view, index) => {
    iovecs.setBigUint64(IOVEC_SIZE * index, koffi.address(view), true)
    iovecs.setBigUint64(IOVEC_SIZE * index + 8, BigInt(view.length), true)
  })
  return Math.max(0, Number(preadv2(fd, iovecBytes, views.length, position, RWF_NOWAIT)))
}

/** Returns the size of a file or a block device; stat(2) does not tell that of the latter. */
export function endOf(fd: number): number {
  return checked('lseek', lseek(fd, 0, SEEK_END))
}

/** struct flock { short l_type, l_whence; off_t l_start, l_len; pid_t l_pid; } of one byte */
function flock(type: number, byte: number): DataView {
  const lock = new DataView(new ArrayBuffer(32))
  lock.setInt16(0, type, true)
  lock.setBigInt64(8, BigInt(byte), true)
  lock.setBigInt64(16, 1n, true)
  return lock
}

/**
 * Takes a shared lock on a byte of a file, for this open file description: until `fd` and its duplicates are closed.
 */
export function lockShared(fd: number, byte: number): void {
  checked('fcntl', fcntl(fd, F_OFD_SETLK, 'void *', new Uint8Array(flock(F_RDLCK, byte).buffer)))
}

/** Tells whether another open file description has a lock on a byte of the file. */
export function isLockedByOthers(fd: number, byte: number): boolean {
  const lock = flock(F_WRLCK, byte)
  checked('fcntl', fcntl(fd, F_OFD_GETLK, 'void *', new Uint8Array(lock.buffer)))
  return lock.getInt16(0, true) !== F_UNLCK
}

/** How to make a range of a file read as zeros. */
export type Emptying =
  /** Gives its blocks back. */
  | 'punch-hole'
  /** Keeps its blocks. */
  | 'zero-range'

/** Makes a range of a file read as zeros, with fallocate(2) on a thread of the pool. */
export function fallocate(
  fd: number,
  how: Emptying,
  position: number,
  length: number,
  done: (error: SystemError | null) => void,
): void {
  const mode = FALLOC_FL_KEEP_SIZE | (how === 'punch-hole' ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE)
  fallocateSync.async(fd, mode, position, length, (_: unknown, result: number) => {
    done(result === -1 ? new SystemError('fallocate', koffi.errno()) : null)
  })
}
