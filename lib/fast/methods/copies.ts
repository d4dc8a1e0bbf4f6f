/** Copies of bytes within one window. */
import type * as VmMemory from '../../../index'
import { bufferOf, byteOffsetOf, Bytes, lengthOf, set, Shared, tagOf } from '../intrinsics'
import type { Kind, Methods } from './kind'

type Copies = Pick<Methods, 'read' | 'write' | 'readSlice' | 'writeSlice'>

/** The engine copies plain memory as fast as memcpy, but shared memory byte by byte: native copies win above this. */
const MAX_SHARED = 64 * 1024

/** The length of a `Uint8Array` that is worth a copy here, else -1. */
function copyLength(buf: unknown): number {
  if (tagOf.call(buf) !== 'Uint8Array') return -1
  const length = lengthOf.call(buf)
  if (length > MAX_SHARED && bufferOf.call(buf) instanceof Shared) return -1
  return length > 0 ? length : -1
}

/** What is to be copied from. Shared memory may grow meanwhile, and arrays with it. */
function sourceOf(buf: unknown, length: number): Uint8Array {
  const buffer = bufferOf.call(buf)
  return buffer instanceof Shared ? new Bytes(buffer, byteOffsetOf.call(buf), length) : (buf as Uint8Array)
}

export function copyMethods({ native, toNative, cursorOf }: Kind): Copies {
  /** Copies from memory, if it is certain that all of it can be copied; whether it was. */
  function tryRead(object: object, buf: VmMemory.Bytes, length: number, addr: unknown): boolean {
    if (length < 0) return false
    const cursor = cursorOf(object)
    const offset = cursor.locate(addr, length)
    if (offset < 0) return false
    set.call(buf as Uint8Array, new Bytes(cursor.window.buffer, offset, length))
    return true
  }

  function tryWrite(object: object, buf: VmMemory.Bytes, length: number, addr: unknown): boolean {
    if (length < 0) return false
    const cursor = cursorOf(object)
    const offset = cursor.locate(addr, length)
    if (offset < 0) return false
    const { window } = cursor
    set.call(window.bytes, sourceOf(buf, length), offset)
    window.markDirty(offset, length)
    return true
  }

  return {
    read(this: object, buf: VmMemory.Bytes, addr: unknown): number {
      const length = copyLength(buf)
      return tryRead(this, buf, length, addr) ? length : native.read.call(toNative(this), buf, addr)
    },
    write(this: object, buf: VmMemory.Bytes, addr: unknown): number {
      const length = copyLength(buf)
      return tryWrite(this, buf, length, addr) ? length : native.write.call(toNative(this), buf, addr)
    },
    readSlice(this: object, buf: VmMemory.Bytes, addr: unknown): void {
      if (!tryRead(this, buf, copyLength(buf), addr)) native.readSlice.call(toNative(this), buf, addr)
    },
    writeSlice(this: object, buf: VmMemory.Bytes, addr: unknown): void {
      if (!tryWrite(this, buf, copyLength(buf), addr)) native.writeSlice.call(toNative(this), buf, addr)
    },
  }
}
