/**
 * UNIX sockets whose messages carry descriptors (SCM_RIGHTS). Linux, 64 bits, little-endian, as the structures are laid out here.
 */
import { constants } from 'node:os'
import koffi from 'koffi'
import { checked, libc, SystemError } from './libc.js'

const socket = libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number
const bindSocket = libc.func('int bind(int, void *, uint32_t)') as SocketAddressCall
const connectSocket = libc.func('int connect(int, void *, uint32_t)') as SocketAddressCall
const listenSocket = libc.func('int listen(int, int)') as (fd: number, backlog: number) => number
const accept4 = libc.func('int accept4(int, void *, void *, int)') as (
  fd: number,
  address: null,
  length: null,
  flags: number,
) => number
const getsockopt = libc.func('int getsockopt(int, int, int, void *, void *)') as (
  fd: number,
  level: number,
  option: number,
  value: Int32Array,
  length: Int32Array,
) => number
const shutdownSocket = libc.func('int shutdown(int, int)') as (fd: number, how: number) => number
const recvmsg = libc.func('int64_t recvmsg(int, void *, int)') as MessageCall
const sendmsg = libc.func('int64_t sendmsg(int, void *, int)') as MessageCall

type SocketAddressCall = (fd: number, address: Uint8Array, length: number) => number
type MessageCall = (fd: number, message: Uint8Array, flags: number) => number | bigint

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SHUT_RDWR = 2
const SOL_SOCKET = 1
const SO_TYPE = 3
const SO_ACCEPTCONN = 30
const SO_DOMAIN = 39
const SCM_RIGHTS = 1
const MSG_CTRUNC = 0x8
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000

/** sizeof(((struct sockaddr_un *)0)->sun_path), less the zero at its end */
export const SOCKET_PATH_MAX = 107
/** The kernel passes no more descriptors with one message. */
const SCM_MAX_FD = 253

/** struct sockaddr_un */
function unixAddress(path: string): Uint8Array {
  const address = Buffer.from(new ArrayBuffer(2 + SOCKET_PATH_MAX + 1))
  address.writeUInt16LE(AF_UNIX, 0)
  address.write(path, 2)
  return address
}

/** A socket; what is still to be done with it must not leak it. */
function newSocket(flags: number, use: (fd: number) => void, close: (fd: number) => void): number {
  const fd = checked('socket', socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0))
  try {
    use(fd)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** A listening socket at `path`. */
export function listen(path: string, close: (fd: number) => void): number {
  const address = unixAddress(path)
  return newSocket(
    SOCK_NONBLOCK,
    (fd) => {
      checked('bind', bindSocket(fd, address, address.length))
      checked('listen', listenSocket(fd, 8))
    },
    close,
  )
}

/** A socket connected to whoever listens at `path`; EAGAIN when too many wait to be accepted there. */
export function connect(path: string, close: (fd: number) => void): number {
  const address = unixAddress(path)
  return newSocket(SOCK_NONBLOCK, (fd) => checked('connect', connectSocket(fd, address, address.length)), close)
}

/** The next connection, null when there is none now. */
export function accept(fd: number): number | null {
  const connection = accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC)
  if (connection !== -1) return connection
  const errno = koffi.errno()
  if ([constants.errno.EAGAIN, constants.errno.EINTR, constants.errno.ECONNABORTED].includes(errno)) return null
  throw new SystemError('accept', errno)
}

function socketOption(fd: number, option: number): number {
  const value = new Int32Array(new ArrayBuffer(4))
  const length = new Int32Array(new ArrayBuffer(4)).fill(value.byteLength)
  checked('getsockopt', getsockopt(fd, SOL_SOCKET, option, value, length))
  return value[0] as number
}

/** Tells whether a UNIX stream socket listens; null for other sockets. */
export function isListening(fd: number): boolean | null {
  if (socketOption(fd, SO_DOMAIN) !== AF_UNIX || socketOption(fd, SO_TYPE) !== SOCK_STREAM) return null
  return socketOption(fd, SO_ACCEPTCONN) !== 0
}

/** Ends both directions; whoever waits for the socket wakes up. */
export function shutdown(fd: number): void {
  shutdownSocket(fd, SHUT_RDWR)
}

// struct msghdr, struct iovec and struct cmsghdr
const MSGHDR_SIZE = 56
const MSG_IOV = 16
const MSG_IOVLEN = 24
const MSG_CONTROL = 32
const MSG_CONTROLLEN = 40
const MSG_FLAGS = 48
const CMSG_LEVEL = 8
const CMSG_TYPE = 12
const CMSG_DATA = 16

const alignControl = (length: number): number => (length + 7) & ~7

/** A `struct msghdr` that says where the bytes and the control data are. The buffers must not move: no small arrays. */
function messageHeader(bytes: Uint8Array, control: Uint8Array, controlLength: number): [Uint8Array, DataView] {
  const memory = new ArrayBuffer(MSGHDR_SIZE + 16)
  const view = new DataView(memory)
  const header = new Uint8Array(memory, 0, MSGHDR_SIZE)
  view.setBigUint64(MSGHDR_SIZE, koffi.address(bytes), true)
  view.setBigUint64(MSGHDR_SIZE + 8, BigInt(bytes.length), true)
  view.setBigUint64(MSG_IOV, koffi.address(header) + BigInt(MSGHDR_SIZE), true)
  view.setBigUint64(MSG_IOVLEN, 1n, true)
  view.setBigUint64(MSG_CONTROL, controlLength === 0 ? 0n : koffi.address(control), true)
  view.setBigUint64(MSG_CONTROLLEN, BigInt(controlLength), true)
  return [header, view]
}

function descriptorsIn(control: DataView, length: number): number[] {
  const fds: number[] = []
  for (let at = 0; at + CMSG_DATA <= length;) {
    const size = control.getUint32(at, true)
    if (size < CMSG_DATA) break
    if (
      control.getInt32(at + CMSG_LEVEL, true) === SOL_SOCKET &&
      control.getInt32(at + CMSG_TYPE, true) === SCM_RIGHTS
    ) {
      for (let fd = at + CMSG_DATA; fd + 4 <= Math.min(at + size, length); fd += 4) fds.push(control.getInt32(fd, true))
    }
    at += alignControl(size)
  }
  return fds
}

export interface Received {
  /** 0 at the end. */
  readonly count: number
  /** The caller's from here on. */
  readonly fds: readonly number[]
  /** Whether the kernel has dropped descriptors, because this process may not open more. */
  readonly lost: boolean
}

/** What has come for `bytes`, and the descriptors with it; null when nothing has. */
export function receive(fd: number, bytes: Uint8Array): Received | null {
  const control = new DataView(new ArrayBuffer(alignControl(CMSG_DATA + 4 * SCM_MAX_FD)))
  const [header, view] = messageHeader(bytes, new Uint8Array(control.buffer), control.byteLength)
  const count = Number(recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC))
  if (count === -1) {
    const errno = koffi.errno()
    if (errno === constants.errno.EAGAIN || errno === constants.errno.EINTR) return null
    // It went without reading all that was sent to it.
    if (errno === constants.errno.ECONNRESET) return { count: 0, fds: [], lost: false }
    throw new SystemError('recvmsg', errno)
  }
  const fds = descriptorsIn(control, Number(view.getBigUint64(MSG_CONTROLLEN, true)))
  // Only when this process may not open more, for the buffer is as large as the kernel's limit.
  return { count, fds, lost: (view.getInt32(MSG_FLAGS, true) & MSG_CTRUNC) !== 0 }
}

/** Sends all of `bytes`, with descriptors; an error when the peer does not read. */
export function send(fd: number, bytes: Uint8Array, fds: readonly number[] = []): void {
  const length = CMSG_DATA + 4 * fds.length
  const control = new DataView(new ArrayBuffer(alignControl(length)))
  control.setBigUint64(0, BigInt(length), true)
  control.setInt32(CMSG_LEVEL, SOL_SOCKET, true)
  control.setInt32(CMSG_TYPE, SCM_RIGHTS, true)
  fds.forEach((each, index) => control.setInt32(CMSG_DATA + 4 * index, each, true))
  const [header] = messageHeader(bytes, new Uint8Array(control.buffer), fds.length === 0 ? 0 : control.byteLength)
  const sent = checked('sendmsg', sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL))
  if (sent !== bytes.length) throw new SystemError('sendmsg', constants.errno.EAGAIN)
}
