/** The two calls that a device of the kernel is worked by: `ioctl`, and `mmap` of its descriptor. */
import koffi from 'koffi'
import { checked, libc, SystemError } from './libc.js'

const ioctlOf = libc.func('int ioctl(int, uint64_t, uint64_t)') as (
  fd: number,
  request: number,
  argument: number | bigint,
) => number
const mmap = libc.func('int64_t mmap(uint64_t, uint64_t, int, int, int, int64_t)') as (
  address: number,
  size: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => number | bigint
const munmap = libc.func('int munmap(uint64_t, uint64_t)') as (address: bigint, size: number) => number

/** Calls `ioctl`; `argument` is a number, a descriptor, or the address of a structure. `name` is for the error. */
export function ioctl(name: string, fd: number, request: number, argument: number | bigint = 0): number {
  return checked(name, ioctlOf(fd, request, argument))
}

/** The same where a failure is nothing unusual: the `errno`, or 0. Nothing is allocated. */
export function tryIoctl(fd: number, request: number): number {
  return ioctlOf(fd, request, 0) === -1 ? koffi.errno() : 0
}

/** Maps a descriptor that has no size of its own, and returns the address. */
export function mapDescriptor(fd: number, size: number, protection: number, flags: number): bigint {
  const address = BigInt(mmap(0, size, protection, flags, fd, 0))
  if (address === -1n) throw new SystemError('mmap', koffi.errno())
  return address
}

/** Ends such a mapping. */
export function unmap(address: bigint, size: number): void {
  checked('munmap', munmap(address, size))
}
