/** The system calls on descriptors of any kind: to make them, to wait for them, to put one in the place of another. */
import { checked, libc } from './libc.js'

const pollSync = libc.func('int poll(void *, uint64_t, int)')
const pipe2 = libc.func('int pipe2(void *, int)') as (fds: Int32Array, flags: number) => number
const dup3 = libc.func('int dup3(int, int, int)') as (from: number, to: number, flags: number) => number
const fcntl = libc.func('int fcntl(int, int, ...)') as (
  fd: number,
  command: number,
  type: 'int',
  value: number,
) => number
const eventfd = libc.func('int eventfd(uint32_t, int)') as (initial: number, flags: number) => number

const POLLIN = 1
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000
const F_SETFL = 4
const F_DUPFD_CLOEXEC = 1030
const EFD_NONBLOCK = O_NONBLOCK
const EFD_CLOEXEC = O_CLOEXEC

/** A pending `poll`, so that what is passed to it lives as long as the call: koffi does not see to that. */
const pending = new Set<Uint8Array>()

/** struct pollfd { int fd; short events; short revents; } */
const POLLFD_SIZE = 8

/** Waits on a thread of the pool until one of `fds` has something to read. */
export function untilReadable(...fds: readonly number[]): Promise<void> {
  const pollfds = new DataView(new ArrayBuffer(POLLFD_SIZE * fds.length))
  fds.forEach((fd, index) => {
    pollfds.setInt32(POLLFD_SIZE * index, fd, true)
    pollfds.setInt16(POLLFD_SIZE * index + 4, POLLIN, true)
  })
  const bytes = new Uint8Array(pollfds.buffer)
  pending.add(bytes)
  return new Promise((resolve) => {
    // A failure shows in what the caller does next.
    pollSync.async(bytes, fds.length, -1, () => {
      pending.delete(bytes)
      resolve()
    })
  })
}

/** An eventfd, as kicks and calls are. */
export function makeEventFd(): number {
  return checked('eventfd', eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))
}

/** Reads and writes of it return at once, whoever made it. */
export function setNonBlocking(fd: number): void {
  checked('fcntl', fcntl(fd, F_SETFL, 'int', O_NONBLOCK))
}

/** Both ends of a pipe. */
export function makePipe(): [reader: number, writer: number] {
  const fds = new Int32Array(new ArrayBuffer(8))
  checked('pipe2', pipe2(fds, O_CLOEXEC | O_NONBLOCK))
  return [fds[0] as number, fds[1] as number]
}

/** Makes `to` another number for what `from` is. */
export function replaceDescriptor(from: number, to: number): void {
  checked('dup3', dup3(from, to, O_CLOEXEC))
}

/** Another number for what `fd` is, so that each of two owners can close its own. */
export function duplicate(fd: number): number {
  return checked('fcntl', fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0))
}
