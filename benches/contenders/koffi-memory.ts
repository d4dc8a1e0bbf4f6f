/** Anonymous memory through koffi, as someone without this package maps it. */
import { constants } from 'node:os'
import koffi from 'koffi'
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../index.js'

const libc = koffi.load(null)
const mmap = libc.func(
  'void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)',
) as unknown as (addr: null, length: number, prot: number, flags: number, fd: number, offset: number) => bigint

const MAP_FAILED = 2n ** 64n - 1n

export function allocate(size: number): bigint {
  const pointer = mmap(null, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
  if (pointer === MAP_FAILED) throw new Error(`mmap: errno ${koffi.errno()} (ENOMEM is ${constants.errno.ENOMEM})`)
  return pointer
}

const munmap = libc.func('int munmap(void *addr, size_t length)') as unknown as (addr: bigint, length: number) => number

export function free(pointer: bigint, size: number): void {
  if (munmap(pointer, size) !== 0) throw new Error(`munmap: errno ${koffi.errno()}`)
}
